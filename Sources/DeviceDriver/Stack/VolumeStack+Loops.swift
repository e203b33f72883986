internal import System
internal import DeviceMapper
internal import Glibc
internal import StoreFormat
internal import SnapshotModel

// The loop devices of a volume: those that make devices of its store's files, and those that keep its
// snapshots' devices open.
//
// They are known by a label that the kernel keeps, and never by a path: behind the mount namespace
// that a file was opened in, which each service has of its own, its path is another one. What others
// attach to the same files has another label, and is theirs.
extension VolumeStack {
    private var label: String { DeviceIdentity.prefix(volumeUUID: record.uuid) + "loop" }

    private func isOwn(_ loop: LoopDevice) -> Bool { loop.label == label }

    /// One that could not be looked at would be attached a second time, or left behind.
    func allLoops() throws(Problem) -> [LoopDevice] {
        try doing { () throws(IOFailure) in try LoopDevice.all() }
    }

    /// The loop device of a file of the store, attached if need be.
    func loop(_ name: String, isReadOnly: Bool) throws(Problem) -> LoopDevice {
        try loop(name, isReadOnly: isReadOnly, among: allLoops())
    }

    /// The read-only loop devices of areas, those of clones included, attached if need be.
    func areaLoops(
        _ ordinals: Set<SnapshotOrdinal>
    ) throws(Problem) -> [SnapshotOrdinal: DeviceReference] {
        // Listed once: each look at a device is a handful of system calls.
        let known = try allLoops()
        var loops: [SnapshotOrdinal: DeviceReference] = [:]
        for ordinal in ordinals {
            let name =
                ordinal.cloneInPlans.map(StoreLayout.cloneArea) ?? StoreLayout.area(ordinal)
            let loop = try loop(name, isReadOnly: true, among: known)
            loops[ordinal] = .number(loop.number)
        }
        return loops
    }

    /// The writable loop devices of a file of the store that are attached already.
    func ownLoops(_ name: String) throws(Problem) -> [LoopDevice] {
        let path = folder.path + "/" + name
        let backing = try doing { () throws(IOFailure) in try LoopDevice.BackingFile(path: path) }
        return try allLoops().filter {
            $0.backing == backing && !$0.isReadOnly && (isOwn($0) || isOfEarlierVersion($0))
        }
    }

    private func loop(
        _ name: String, isReadOnly: Bool, among known: [LoopDevice]
    ) throws(Problem) -> LoopDevice {
        let path = folder.path + "/" + name
        return try doing { () throws(IOFailure) in
            let backing = try LoopDevice.BackingFile(path: path)
            let found = known.first {
                $0.backing == backing && $0.isReadOnly == isReadOnly
                    && (isOwn($0) || isOfEarlierVersion($0))
            }
            if let found {
                // An earlier version, or udev, may have let others have it.
                try? found.restrict()
                return found
            }
            return try LoopDevice.attach(
                path: path, isReadOnly: isReadOnly, directIO: true, label: label)
        }
    }

    /// Detaches the loop devices of the store's files that no device of the volume uses.
    func detachUnusedLoops() throws(Problem) {
        let loops = try allLoops().filter {
            $0.backingNumber == nil && (isOwn($0) || isOfEarlierVersion($0))
        }
        guard !loops.isEmpty else { return }
        var used: Set<DeviceNumber> = []
        for part in try existing() {
            used.formUnion(
                try asking { () throws(DeviceFailure) in try mapper.dependencies(name(part)) })
        }
        for loop in loops where !used.contains(loop.number) { try detach(loop) }
    }

    private func detach(_ loop: LoopDevice) throws(Problem) {
        do throws(IOFailure) { try loop.detach() } catch {
            // Somebody looks at it, and the kernel detaches it behind him.
            guard error.code == EBUSY else { throw Problem(error) }
        }
    }

    /// Whether it was attached to a file of the store, which need not be there any more: then its path
    /// may be any, and one that an earlier version attached is known by its name alone.
    func isOfStore(_ loop: LoopDevice) -> Bool {
        guard loop.backingNumber == nil else { return false }
        return isOwn(loop) || loop.label.isEmpty && Self.isStoreFile(loop.backingPath)
    }

    private static func isStoreFile(_ path: String) -> Bool {
        path.hasSuffix(".cow") || path.hasSuffix(".cow (deleted)")
    }

    /// Whether a version that gave no labels has attached it, and the volume has been active since:
    /// other programs write the file's path there, and the file has a name that only stores have.
    private func isOfEarlierVersion(_ loop: LoopDevice) -> Bool {
        loop.label.isEmpty && loop.backingPath.hasPrefix(folder.path + "/")
            && Self.isStoreFile(loop.backingPath)
    }
}

// MARK: - Holding snapshots' devices

extension VolumeStack {
    /// The one sector that such a loop device shows: it holds no filesystem's or partition table's
    /// signature, whatever lies on the volume, so that nobody takes it for one.
    private static let heldPart = 7 * Geometry.sectorBytes..<8 * Geometry.sectorBytes

    /// Keeps a snapshot's device open, as long as it is there: nothing else has it open, and whoever
    /// removes all devices that nobody has open would take its exceptions' only way to the store.
    ///
    /// A device over it would itself be open nowhere. A loop device is the kernel's, and stays behind
    /// this process. Best effort: without it the loss is seen, and said.
    func hold(_ ordinal: SnapshotOrdinal) {
        guard let info = try? info(.snapshot(ordinal)), info.hasLiveTable,
            (try? holds(info.number))?.isEmpty ?? false, let path = BlockDevices.path(info.number)
        else { return }
        _ = try? LoopDevice.attach(
            path: path, isReadOnly: true, directIO: false, label: label, part: Self.heldPart)
    }

    private func holds(_ number: DeviceNumber) throws(Problem) -> [LoopDevice] {
        try allLoops().filter { $0.backingNumber == number && isOwn($0) }
    }

    /// Lets go of a snapshot's device, so that it can be removed.
    func letLoose(_ number: DeviceNumber) throws(Problem) {
        for loop in try holds(number) { try detach(loop) }
    }
}

internal import Catalog
internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Mounts of snapshots and clones of volumes under device-mapper, whose content the kernel has a device for. A
/// partition of one is a loop device over that, which goes with its mount.
struct DeviceMounts {
    let context: ManagerContext

    // MARK: Mounting

    /// Mounts a snapshot, whose device is made for this, or a clone, whose device is there and stays; a clone
    /// writable unless it keeps a state. What fails leaves no device behind.
    ///
    /// - Parameter partition: its number on a disk that has partitions; nil is the whole.
    func mount(
        _ target: MountTarget, _ volume: VolumeRow, partition: Int?, on point: MountPoint
    ) throws -> MountReport {
        try context.withDevices(volume) { devices in
            try point.requireFree()
            try devices.recover()
            try endStrays(of: volume.record.name)
            guard let clone = target.clone else {
                let device = try devices.openView(target.snapshot)
                do { return try mount(device, target, partition, on: point) } catch {
                    // Stays when somebody else has it open.
                    try? devices.sweepViews([target.snapshot])
                    throw error
                }
            }
            return try mount(devices.openClone(clone), target, partition, on: point)
        }
    }

    private func mount(
        _ device: String, _ target: MountTarget, _ partition: Int?, on point: MountPoint
    ) throws -> MountReport {
        let plan = try MountPlan(device, partition: partition, target.subject)
        let isReadOnly = target.isReadOnly || plan.isAlwaysReadOnly
        let attempt = try mount(
            device, plan, partition, isReadOnly: isReadOnly, target, on: point)
        do {
            if let note = attempt.note { context.advise(note) }
            try context.log(
                .mounted, "\(target.what) was mounted on \(point.path)", volume: target.volume,
                snapshot: target.snapshot)
        } catch {
            _ = umount2(point.path, Int32(MNT_DETACH | UMOUNT_NOFOLLOW))
            throw error
        }
        return MountReport(
            volume: target.volume, snapshot: target.snapshot, clone: target.clone,
            partition: partition, devicePath: device, folder: point.path,
            filesystem: plan.kind.rawValue, isReadOnly: isReadOnly,
            mountedAt: context.clock.now(), state: .mounted)
    }

    private func mount(
        _ device: String, _ plan: MountPlan, _ partition: Int?, isReadOnly: Bool,
        _ target: MountTarget, on point: MountPoint
    ) throws -> MountPlan.Attempt {
        guard try plan.part != nil || (isReadOnly && Self.takesWrites(device)) else {
            return try mountAll(of: device, plan, isReadOnly: isReadOnly, target, on: point)
        }
        let loop = try LoopDevice.attach(
            path: device, isReadOnly: isReadOnly, directIO: true,
            label: Self.labelPrefix + (partition.map { "\($0)" } ?? "none"), part: plan.part)
        do {
            return try releasing(loop) {
                try mountAll(of: loop.path, plan, isReadOnly: isReadOnly, target, on: point)
            }
        } catch {
            try? loop.detach()
            throw error
        }
    }

    /// A clone's device does, and then a filesystem's log is replayed even by a mount that is read-only.
    private static func takesWrites(_ device: String) throws(IOFailure) -> Bool {
        try !BlockDevices.isReadOnly(BlockDevices.number(device))
    }

    /// Runs `body`, which mounts the loop device: it goes with the mount, or with this process, however either ends.
    private func releasing<Result>(_ loop: LoopDevice, _ body: () throws -> Result) throws -> Result
    {
        let node = try OwnedDescriptor(path: loop.path, flags: O_RDONLY)
        try loop.releaseWhenClosed()
        let result = Swift.Result { try body() }
        close(node.release())
        return try result.get()
    }

    private func mountAll(
        of device: String, _ plan: MountPlan, isReadOnly: Bool, _ target: MountTarget,
        on point: MountPoint
    ) throws -> MountPlan.Attempt {
        if plan.kind == .btrfs { forgetBtrfs([device, volumePath(target.volume)]) }
        do {
            return try plan.mount(device, isReadOnly: isReadOnly, target.subject, on: point)
        } catch {
            if plan.kind == .btrfs { forgetBtrfs([device]) }
            throw error
        }
    }

    /// Btrfs takes no device for that of another UUID's which is older than one that it has seen.
    private func forgetBtrfs(_ paths: [String?]) {
        for path in paths.compactMap(\.self) { BlockDevices.forgetBtrfs(path) }
    }

    private func volumePath(_ name: String) -> String? {
        guard let volume = try? context.volume(name),
            let number = try? context.devices(of: volume)?.number(of: volume.place)
        else { return nil }
        return BlockDevices.path(DeviceNumber(encoded: number))
    }

    // MARK: Partitions

    /// What the loop device of a partition is called, before its number.
    private static let labelPrefix = "snapmgr-partition-"

    /// A device of a volume's, and which of its partitions, if it is that alone which a mount shows.
    private struct Shown {
        var owner: DeviceOwner
        var partition: Int?
        var loop: LoopDevice?
    }

    /// What a mounted device is of; nil for what is none of this driver's.
    private func shown(
        _ number: UInt64, _ abilities: [any DeviceAbility], _ loops: [LoopDevice]
    ) -> Shown? {
        if let owner = owner(number, abilities) { return Shown(owner: owner) }
        guard let loop = loops.first(where: { $0.number.encoded == number }),
            let backing = loop.backingNumber, let owner = owner(backing.encoded, abilities)
        else { return nil }
        return Shown(
            owner: owner, partition: Int(String(loop.label.dropFirst(Self.labelPrefix.count))),
            loop: loop)
    }

    private func owner(_ number: UInt64, _ abilities: [any DeviceAbility]) -> DeviceOwner? {
        abilities.lazy.compactMap { try? $0.owner(ofDevice: number) }.first
    }

    private static func loops() throws(IOFailure) -> [LoopDevice] {
        try LoopDevice.all().filter { $0.label.hasPrefix(labelPrefix) }
    }

    /// Loop devices of volumes' partitions that are not mounted, as far as this process sees it.
    func strays() throws -> [LoopDevice] {
        let abilities = try abilities
        guard !abilities.isEmpty else { return [] }
        return try Self.loops().filter { loop in
            try shown(loop.number.encoded, abilities, [loop]) != nil
                && MountTable.points(of: loop).isEmpty
        }
    }

    /// Ends those that a killed command has left before it had mounted them; to be called while nobody else mounts.
    func endStrays() throws {
        for loop in try strays() { try? loop.releaseWhenClosed() }
    }

    /// The same of one volume. One that is mounted stays until it is not.
    private func endStrays(of volume: String) throws {
        let abilities = try abilities
        for loop in try Self.loops()
        where shown(loop.number.encoded, abilities, [loop])?.owner.volume == volume {
            try? loop.releaseWhenClosed()
        }
    }

    // MARK: Unmounting

    /// Unmounts a snapshot, and closes its device unless it is mounted elsewhere, too; a clone; or the volume
    /// itself, and does the revert that waited for this.
    ///
    /// - Throws: `refused` while it is in use, `notFound` when no snapshot is mounted there.
    func unmount(_ folder: String) throws -> MountReport {
        let (shown, volume) = try mounted(on: folder)
        let owner = shown.owner
        let clone = clone(of: owner)
        guard umount2(folder, Int32(UMOUNT_NOFOLLOW)) == 0 else {
            throw MountParts.refusal(errno, folder)
        }
        // What lets go of it late is met by the next mount.
        if let loop = shown.loop, !loop.awaitRelease(milliseconds: Self.releaseMilliseconds) {
            try? loop.releaseWhenClosed()
        }
        forgetBtrfs([shown.loop?.path, owner.path])
        if let id = owner.snapshot {
            // Mounted a second time, or read by a server's client, it is still open.
            try context.withDevices(volume) { try $0.sweepViews([id]) }
        } else if owner.clone == nil {
            QueuedReverts(context).runQuietly(volume)
        }
        return MountReport(
            volume: volume.record.name, snapshot: owner.snapshot ?? clone?.snapshotID,
            clone: clone?.name, partition: shown.partition, devicePath: owner.path,
            folder: folder, isReadOnly: owner.snapshot != nil || clone?.isReadOnly ?? false,
            state: .unmounted)
    }

    private static let releaseMilliseconds = 2_000

    /// The clone that a device is; nil when it is none, or the catalog does not have it.
    private func clone(of owner: DeviceOwner) -> CloneRecord? {
        guard let ordinal = owner.clone,
            let rows = try? context.catalog.clones(volume: owner.volume)
        else { return nil }
        return rows.first { $0.record.ordinal == ordinal }?.record
    }

    private func mounted(on folder: String) throws -> (Shown, VolumeRow) {
        let abilities = try abilities
        guard !abilities.isEmpty, let number = try MountTable.device(on: folder),
            let shown = shown(number, abilities, try Self.loops())
        else {
            throw Problem(
                .notFound, "no snapshot is mounted on \(folder)",
                hint: "run `findmnt` to see what is mounted where")
        }
        return (shown, try context.volume(shown.owner.volume))
    }

    /// Where no volume needs devices of the kernel's, the kernel may not know of any.
    private var abilities: [any DeviceAbility] {
        get throws {
            let isNeeded = try context.catalog.volumes()
                .contains { context.devices(of: $0) != nil }
            return isNeeded ? context.drivers.deviceAbilities : []
        }
    }

    // MARK: Listing

    /// The snapshots and clones that are mounted where this process sees it. Of devices that cannot be looked at there is
    /// nothing to tell.
    func list() throws -> [MountReport] {
        let abilities = try abilities
        guard !abilities.isEmpty else { return [] }
        let loops = (try? Self.loops()) ?? []
        return try MountTable.devices().compactMap { number, point, filesystem in
            guard let shown = shown(number, abilities, loops) else { return nil }
            let owner = shown.owner
            guard owner.snapshot != nil || owner.clone != nil else { return nil }
            let clone = clone(of: owner)
            return MountReport(
                volume: owner.volume, snapshot: owner.snapshot ?? clone?.snapshotID,
                clone: clone?.name, partition: shown.partition, devicePath: owner.path,
                folder: point, filesystem: filesystem,
                isReadOnly: clone.map(\.isReadOnly) ?? true, state: .mounted)
        }
    }
}

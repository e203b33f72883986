package import BlockIO
internal import Control
package import DeviceMapper
internal import MergeKit
package import SnapshotModel

// What sessions ask for besides snapshots and reverts.
extension DeviceVolume {
    /// Takes the store's lock. Nil when another process has it.
    package static func openUnlessHeld(
        storePath: String, purpose: String, mapper: any DeviceMapping, clock: any Clock
    ) throws(Problem) -> DeviceVolume? {
        // The kernel names the backing files of loop devices by their real paths.
        let path = try doing { () throws(IOFailure) in try FileFolder.realPath(storePath) }
        let folder = FileFolder(path: path)
        let record = try StoreReader(folder: folder).record
        guard record.driver == .dm else {
            throw Problem(
                .refused, "volume \(record.name) is an image, and has no devices",
                hint: "serve it: `snapmgr serve \(record.name)`")
        }
        guard let lock = try StoreHolder.lock(folder, purpose: purpose) else { return nil }
        return try DeviceVolume(folder: folder, lock: lock, mapper: mapper, clock: clock)
    }

    /// The engine, attached for one question about frozen areas.
    func withEngine<Result>(
        _ body: (LiveEngine) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        let origin = try doing { () throws(IOFailure) in
            try FileDevice(path: record.originPath, access: .readOnly)
        }
        return try body(
            try LiveEngine.attach(
                store: folder, origin: origin, options: EngineOptions(clock: clock)))
    }

    func status() throws(Problem) -> VolumeStatus {
        var status = try withEngine { engine throws(Problem) in try engine.status() }
        status.merge = try mergeProgress()
        status.warnings = warnings
        let views = try views()
        for index in status.snapshots.indices {
            status.snapshots[index].readers = views[status.snapshots[index].manifest.id] ?? 0
        }
        return status
    }

    // MARK: Deleting

    /// `.refused` while somebody has one of the snapshots open, naming who.
    func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try requireUnviewed(ids)
        try sweepViews(Set(ids))
        let report = try withEngine { engine throws(Problem) in try engine.delete(ids) }
        try reload()
        if try stack.isActive() { try tidy() }
        return report
    }

    func collect() throws(Problem) -> CollectReport {
        let report = try withEngine { engine throws(Problem) in try engine.collect() }
        try reload()
        return report
    }

    // MARK: Exporting

    /// Copies a snapshot to a new file, through its device.
    func export(
        _ id: SnapshotID, to path: String, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> Int {
        let device = try openView(id)
        // Stays when somebody else has it open.
        defer { try? sweepViews([id]) }
        // The daemon leaves the volume to whoever has its lock.
        var refilled = Deadline(milliseconds: Self.refillMilliseconds)
        return try copy(device, named: "snapshot \(id)", to: path) { progress in
            onProgress(progress)
            guard refilled.hasPassed else { return }
            try? refill()
            refilled = Deadline(milliseconds: Self.refillMilliseconds)
        }
    }

    /// How often what is reserved ahead is looked after by a command that takes long.
    static let refillMilliseconds = 1000

    private func copy(
        _ device: String, named name: String, to path: String,
        onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> Int {
        let source = try doing { () throws(IOFailure) in
            try FileDevice(path: device, access: .readOnly)
        }
        return try withoutActuallyEscaping(onProgress) { onProgress throws(Problem) in
            try SnapshotExport(path: path).write(
                source, named: name, for: LocalClient(onProgress: onProgress))
        }
    }

    // MARK: Resizing

    /// Takes over an origin that has grown. Snapshots keep their sizes.
    func grow(to bytes: Int) throws(Problem) {
        try requireActive()
        let old = record.geometry.volumeBytes
        guard bytes != old else { return }
        guard bytes > old else {
            throw Problem(
                .refused,
                "volume \(record.name) has \(ByteCount(old)): a volume under "
                    + "device-mapper can only grow",
                hint: "copy what it holds to a smaller one")
        }
        guard state.revert == nil else {
            throw Problem(
                .refused, "a merge runs on volume \(record.name)",
                hint: mergeHint)
        }
        let size = try doing { () throws(IOFailure) in
            try FileDevice(path: record.originPath, access: .readOnly).byteCount()
        }
        guard size >= bytes else {
            throw Problem(
                .refused, "the origin \(record.originPath) has only \(ByteCount(size))",
                hint: "extend it first, for example with `lvextend`")
        }
        try changeRecord { $0.geometry.volumeBytes = bytes }
        try resizeDevices()
    }

    /// Gives the devices the size that the store says. Each step may be done again.
    func resizeDevices() throws(Problem) {
        let bytes = record.geometry.volumeBytes
        guard state.revert == nil, try sectorCount(of: .top) != VolumeStack.sectors(bytes) else {
            return
        }
        try stack.replace(.real, stack.realTable(bytes: bytes))
        try stack.replace(.base, stack.originTable(on: .real, bytes: bytes))
        try stack.replace(.top, stack.originTable(on: .base, bytes: bytes))
    }

    private func sectorCount(of part: DeviceName.Part) throws(Problem) -> Int {
        try stack.table(part).segments.last?.endSector ?? 0
    }

    // MARK: Merges

    func cancelRequest(_ id: RevertID) throws(Problem) -> RevertRequest {
        try withEngine { engine throws(Problem) in try engine.cancelRequest(id) }
    }

    /// Slows the kernel's merges down to so many bytes per second, as well as its parameter can: the
    /// share of the time in which it copies. It holds for every snapshot of the machine.
    func throttleMerge(bytesPerSecond: Int?) throws(Problem) {
        guard let bytesPerSecond else { return try KernelThrottle.set(percent: 100) }
        guard bytesPerSecond > 0 else {
            throw Problem(.usage, "a merge's rate must be more than 0 bytes per second")
        }
        let (rate, percent) = try measuredRate()
        guard rate > 0 else { return }
        let wanted = Double(percent) * Double(bytesPerSecond) / Double(rate)
        try KernelThrottle.set(percent: Int(min(100, max(1, wanted))))
    }

    /// The merge's present rate in bytes per second, and the kernel's parameter at which it runs.
    private func measuredRate() throws(Problem) -> (rate: Int, percent: Int) {
        let percent = try KernelThrottle.percent()
        guard let before = try mergeProgress() else { return (0, percent) }
        let start = clock.monotonicNanoseconds()
        BackgroundThread.sleep(milliseconds: Self.measureMilliseconds)
        guard let after = try mergeProgress() else { return (0, percent) }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        let merged = after.mergedBytes.subtractingClamped(before.mergedBytes)
        return (Int(Double(merged) / seconds), percent)
    }

    private static let measureMilliseconds = 500
}

/// The kernel's own throttle of its snapshot copies: the percentage of time in which they may run.
enum KernelThrottle {
    private static let folder = "/sys/module/dm_snapshot/parameters"
    private static let name = "snapshot_copy_throttle"

    static func percent() throws(Problem) -> Int {
        let bytes = try doing { () throws(IOFailure) in
            try FileFolder(path: folder).readFile(name, limitBytes: 64)
        }
        return Int(String(decoding: bytes, as: UTF8.self).filter(\.isNumber)) ?? 100
    }

    static func set(percent: Int) throws(Problem) {
        let bytes = Array("\(percent)\n".utf8)
        try doing { () throws(IOFailure) in
            let file = try FileDevice(path: "\(folder)/\(name)", access: .readWrite)
            try file.write(bytes.span.bytes, at: 0)
        }
    }
}

internal import System
internal import Glibc

/// A handle to one file of a simulated disk.
final class SimulatedDevice: BlockDevice {
    let path: String
    private let disk: SimulatedDisk
    private let number: Int
    private let isWritable: Bool

    init(disk: SimulatedDisk, number: Int, path: String, isWritable: Bool = true) {
        self.disk = disk
        self.number = number
        self.path = path
        self.isWritable = isWritable
        disk.retainFile(number)
    }

    deinit { disk.releaseFile(number) }

    /// The file, for a look at it; the monitor must be held.
    private var file: SimulatedFile {
        guard let file = disk.state.files[number] else { preconditionFailure("lost \(path)") }
        return file
    }

    private func change(dates: Bool = true, _ body: (inout SimulatedFile) -> Void) {
        guard disk.state.files[number] != nil else { preconditionFailure("lost \(path)") }
        if dates {
            disk.state.changeCount += 1
            let now = disk.state.changeCount
            disk.state.files[number]?.changedAt = now
        }
        body(&disk.state.files[number, default: SimulatedFile(path: path)])
    }

    private func checkWritable(_ operation: String) throws(IOFailure) {
        guard isWritable else { throw IOFailure(operation, path: path, code: EBADF) }
    }

    func byteCount() throws(IOFailure) -> Int { disk.monitor.withLock { file.byteCount } }

    func allocatedBytes() throws(IOFailure) -> Int {
        disk.monitor.withLock { file.latest.allocatedBytes }
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        _ = try disk.begin(.read, path)
        disk.monitor.lock()
        defer { disk.monitor.unlock() }
        let file = file
        buffer.withUnsafeMutableBytes { bytes in
            let inside = max(0, min(bytes.count, file.byteCount - offset))
            file.latest.read(
                into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<inside]), at: offset)
            _ = UnsafeMutableRawBufferPointer(rebasing: bytes[inside...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        try checkWritable("write")
        let injection = try disk.begin(.write, path)
        disk.monitor.lock()
        defer { disk.monitor.unlock() }
        let wanted = bytes.byteCount
        var count = roomForWrite(of: offset..<offset + wanted)
        let isFull = count < wanted
        let allowed = max(0, min(wanted, bytesMaximum - offset))
        let isTooLong = allowed < count
        count = min(count, allowed)
        if case .tearWrite = injection {
            let half = (wanted / 2 + SimulatedFile.sectorBytes - 1) / SimulatedFile.sectorBytes
            count = min(count, half * SimulatedFile.sectorBytes)
        }
        bytes.withUnsafeBytes { all in
            change { $0.write(UnsafeRawBufferPointer(rebasing: all[..<count]), at: offset) }
        }
        if case .tearWrite = injection { throw .inputOutput("write", path: path) }
        if isTooLong { throw IOFailure("write", path: path, code: EFBIG) }
        if isFull { throw IOFailure("write", path: path, code: ENOSPC) }
    }

    /// Extents that are shared are written, as far as anybody can tell.
    func copyRange(
        _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
    ) throws(IOFailure) -> Bool {
        guard method == .reflink, disk.sharesExtents, let source = source as? SimulatedDevice,
            source.disk === disk
        else { return false }
        var buffer = AlignedBuffer(count: request.byteCount)
        var bytes = buffer.mutableBytes
        try source.read(into: &bytes, at: request.sourceOffset)
        try write(buffer.bytes, at: request.destinationOffset)
        return true
    }

    /// The size that the file may have at most, with the monitor held.
    private var bytesMaximum: Int {
        guard number != SimulatedDisk.originNumber else { return .max }
        return disk.state.fileBytesMaximum ?? .max
    }

    /// How many bytes of a write from its beginning find space on the disk.
    private func roomForWrite(of range: Range<Int>) -> Int {
        guard disk.state.capacityBytes != nil else { return range.count }
        let missing = file.latest.missingPages(in: range)
        let free = disk.state.freeBytes / SparseBytes.pageBytes
        guard missing.count > free else { return range.count }
        return max(0, missing[free] * SparseBytes.pageBytes - range.lowerBound)
    }

    func punch(_ range: Range<Int>) throws(IOFailure) {
        try checkWritable("punch")
        guard !range.isEmpty else { return }
        _ = try disk.begin(.punch, path)
        disk.monitor.withLock { change { $0.punch(range) } }
    }

    func sync() throws(IOFailure) {
        let injection = try disk.begin(.sync, path)
        try disk.monitor.withLock { () throws(IOFailure) in
            guard case .none = injection else {
                change(dates: false) { $0.loseUnsynced() }
                throw .inputOutput("sync", path: path)
            }
            change(dates: false) { $0.sync() }
        }
    }

    func sync(_ range: Range<Int>) throws(IOFailure) {
        let injection = try disk.begin(.sync, path)
        try disk.monitor.withLock { () throws(IOFailure) in
            guard case .none = injection else {
                change(dates: false) { $0.loseUnsynced() }
                throw .inputOutput("sync", path: path)
            }
            change(dates: false) { $0.sync(range) }
        }
    }

    func resize(to byteCount: Int) throws(IOFailure) {
        try checkWritable("resize")
        _ = try disk.begin(.resize, path)
        try disk.monitor.withLock { () throws(IOFailure) in
            guard byteCount <= max(bytesMaximum, file.byteCount) else {
                throw IOFailure("resize", path: path, code: EFBIG)
            }
            change { $0.resize(to: byteCount) }
        }
    }

    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        disk.monitor.withLock {
            file.latest.firstData(in: range.clamped(to: 0..<max(0, file.byteCount)))
        }
    }

    func stamp() throws(IOFailure) -> OriginStamp? {
        disk.monitor.withLock {
            guard disk.state.isPrecise else { return nil }
            return OriginStamp(
                byteCount: file.byteCount, modifiedNanoseconds: file.changedAt,
                inode: UInt64(bitPattern: Int64(number)))
        }
    }

    func reserve(_ range: Range<Int>) throws(IOFailure) -> Bool {
        guard disk.isPrecise else { return false }
        do throws(IOFailure) { try allocate(range) } catch {
            guard error.code == ENOSPC else { throw error }
            return false
        }
        return true
    }

    /// Takes all of the room or none of it.
    func allocate(_ range: Range<Int>) throws(IOFailure) {
        guard disk.isPrecise else { return }
        _ = try disk.begin(.write, path)
        try disk.monitor.withLock { () throws(IOFailure) in
            let missing = file.latest.missingPages(in: range).count
            guard missing <= disk.state.freeBytes / SparseBytes.pageBytes else {
                throw IOFailure("allocate", path: path, code: ENOSPC)
            }
            change { $0.reserve(range) }
        }
    }
}

internal import CSystem
internal import Glibc

/// A regular file or a block device, through the page cache unless it is opened past it.
package final class FileDevice: BlockDevice {
    package let path: String
    private let descriptor: OwnedDescriptor
    private let isBlockDevice: Bool
    private let isCutAnError: Bool
    /// The size of a file when it was opened, in bytes.
    private let bytesAtOpening: Int
    private let synced = SyncedChanges()
    private let skipsNeedlessSyncs: Bool

    /// How a file is opened.
    package enum Access: Sendable {
        case readOnly
        case readWrite
        /// Past the page cache, which does not know what the kernel writes to a block device by
        /// itself. Offsets, lengths and memory must be whole blocks; see ``AlignedBuffer``.
        case readDirectly
        /// A new file, for reading and writing; the name must be free.
        case create
    }

    /// O_DIRECT, which the Glibc module leaves out; its value is the processor's.
    #if arch(arm64)
        private static let direct: Int32 = 0o200000
    #else
        private static let direct: Int32 = 0o40000
    #endif

    /// - Parameter isCutAnError: for a device that is never used beyond its end: what lies there, since
    ///   somebody cut it, is EIO and no zeroes, and no write makes it longer again.
    /// - Parameter skipsNeedlessSyncs: for a device that nobody else changes: a sync does nothing when
    ///   nothing has changed since the last one.
    package convenience init(
        path: String, access: Access, isCutAnError: Bool = false, skipsNeedlessSyncs: Bool = false
    ) throws(IOFailure) {
        let flags = Self.flags(access)
        try self.init(
            OwnedDescriptor(path: path, flags: flags), flags, path: path,
            isCutAnError: isCutAnError, skipsNeedlessSyncs: skipsNeedlessSyncs)
    }

    /// Opens a name in an open folder, where no symbolic link is followed; `path` is for messages.
    convenience init(
        _ name: String, in folder: Int32, path: String, access: Access
    ) throws(IOFailure) {
        let flags = Self.flags(access) | O_NOFOLLOW
        try self.init(
            OwnedDescriptor(name, in: folder, flags: flags, path: path), flags, path: path)
    }

    /// Opening waits for nobody: a pipe in a file's place has no other end.
    private static func flags(_ access: Access) -> Int32 {
        switch access {
        case .readOnly: O_RDONLY | O_NONBLOCK
        case .readWrite: O_RDWR | O_NONBLOCK
        case .readDirectly: O_RDONLY | O_NONBLOCK | direct
        case .create: O_RDWR | O_CREAT | O_EXCL
        }
    }

    private init(
        _ descriptor: consuming OwnedDescriptor, _ flags: Int32, path: String,
        isCutAnError: Bool = false, skipsNeedlessSyncs: Bool = false
    ) throws(IOFailure) {
        self.isCutAnError = isCutAnError
        self.skipsNeedlessSyncs = skipsNeedlessSyncs
        let status = try FileStatus(descriptor: descriptor.number, path: path)
        guard status.kind == .file || status.kind == .blockDevice else {
            throw IOFailure("open", path: path, code: status.kind == .folder ? EISDIR : ENOTBLK)
        }
        isBlockDevice = status.kind == .blockDevice
        bytesAtOpening = status.byteCount
        let number = descriptor.number
        // To files it means nothing, and there are many of them.
        guard !isBlockDevice || fcntl(number, F_SETFL, flags & ~O_NONBLOCK) == 0 else {
            throw .last("open", path: path)
        }
        self.descriptor = descriptor
        self.path = path
    }

    package func byteCount() throws(IOFailure) -> Int {
        let status = try FileStatus(descriptor: descriptor.number, path: path)
        guard isBlockDevice else { return status.byteCount }
        var bytes: UInt64 = 0
        guard snapmgr_block_device_bytes(descriptor.number, &bytes) == 0 else {
            throw .last("read the size of", path: path)
        }
        return Int(clamping: bytes)
    }

    /// All that is in a file as it was opened; EFBIG when that is longer than the limit.
    func content(limitBytes: Int) throws(IOFailure) -> [UInt8] {
        let count = isBlockDevice ? try byteCount() : bytesAtOpening
        guard count <= limitBytes else { throw IOFailure("read", path: path, code: EFBIG) }
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try read(into: &bytes, at: 0)
        return buffer.bytes.array
    }

    /// What the filesystem says of the open file, whatever its path leads to by now.
    package func status() throws(IOFailure) -> FileStatus {
        try FileStatus(descriptor: descriptor.number, path: path)
    }

    package func allocatedBytes() throws(IOFailure) -> Int {
        guard !isBlockDevice else { return try byteCount() }
        return try FileStatus(descriptor: descriptor.number, path: path).allocatedBytes
    }

    package func stamp() throws(IOFailure) -> OriginStamp? {
        guard !isBlockDevice else { return nil }
        let status = try FileStatus(descriptor: descriptor.number, path: path)
        return OriginStamp(
            byteCount: status.byteCount, modifiedNanoseconds: status.modifiedNanoseconds,
            inode: status.inode)
    }

    package func allocate(_ range: Range<Int>) throws(IOFailure) {
        guard !allocated(range), errno != EOPNOTSUPP, errno != ENODEV else { return }
        throw .last("allocate space in", path: path)
    }

    package func reserve(_ range: Range<Int>) throws(IOFailure) -> Bool {
        guard !isBlockDevice, !allocated(range) else { return !isBlockDevice }
        guard errno == EIO else { return false }
        throw .last("allocate space in", path: path)
    }

    /// False, with errno, when it failed.
    private func allocated(_ range: Range<Int>) -> Bool {
        LockOrder.requireNoValue()
        defer { synced.note() }
        let number = descriptor.number
        let result = retryingInterrupts {
            snapmgr_allocate(number, Int64(range.lowerBound), Int64(range.count))
        }
        return result == 0
    }

    /// EIO when a range is not there any more and that matters.
    private func requireWhole(_ range: Range<Int>) throws(IOFailure) {
        guard isCutAnError, !isBlockDevice, try byteCount() < range.upperBound else { return }
        throw .inputOutput("find all of", path: path)
    }

    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        LockOrder.requireNoValue()
        let (number, isCutAnError) = (descriptor.number, isCutAnError)
        let done = buffer.withUnsafeMutableBytes { bytes in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
                let count = retryingInterrupts {
                    pread(number, rest.baseAddress, rest.count, offset + done)
                }
                if count < 0 { return -1 }
                if count == 0 {
                    guard !isCutAnError else {
                        errno = EIO
                        return -1
                    }
                    _ = rest.initializeMemory(as: UInt8.self, repeating: 0)
                    break
                }
                done += count
            }
            return done
        }
        guard done >= 0 else { throw .last("read", path: path) }
    }

    /// Has the page cache forget what it has of it and nobody needs: what a filesystem that is mounted from a
    /// device writes to it goes past that. Best effort.
    package func forgetCached() { _ = posix_fadvise(descriptor.number, 0, 0, POSIX_FADV_DONTNEED) }

    package func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        LockOrder.requireNoValue()
        try requireWhole(offset..<offset + bytes.byteCount)
        defer { synced.note() }
        let number = descriptor.number
        let succeeded = bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
                let count = retryingInterrupts {
                    pwrite(number, rest.baseAddress, rest.count, offset + done)
                }
                if count <= 0 {
                    if count == 0 { errno = ENOSPC }
                    return false
                }
                done += count
            }
            return true
        }
        guard succeeded else { throw .last("write", path: path) }
    }

    package func punch(_ range: Range<Int>) throws(IOFailure) {
        LockOrder.requireNoValue()
        guard !range.isEmpty else { return }
        try requireWhole(range)
        defer { synced.note() }
        let number = descriptor.number
        let result = retryingInterrupts {
            snapmgr_punch_hole(number, Int64(range.lowerBound), Int64(range.count))
        }
        if result == 0 { return }
        guard [EOPNOTSUPP, EINVAL, ENODEV].contains(errno) else {
            throw .last("free a range of", path: path)
        }
        try writeZeroes(range)
    }

    /// For filesystems and devices that cannot punch: the range reads as zeroes all the same.
    private func writeZeroes(_ range: Range<Int>) throws(IOFailure) {
        let zeroes = AlignedBuffer(count: min(range.count, 1 << 20))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(zeroes.count, range.upperBound - offset)
            try write(zeroes.bytes(in: 0..<count), at: offset)
            offset += count
        }
    }

    /// Whether there was a change, or may have been, since the last sync.
    var hasChanged: Bool { synced.areSome }

    package func sync() throws(IOFailure) {
        LockOrder.requireNoValue()
        guard skipsNeedlessSyncs else { return try syncAnyway() }
        try synced.sync(syncAnyway)
    }

    package func sync(_ range: Range<Int>) throws(IOFailure) {
        LockOrder.requireNoValue()
        guard !isBlockDevice else { return try sync() }
        let number = descriptor.number
        let result = retryingInterrupts {
            snapmgr_sync_range(number, Int64(range.lowerBound), range.count)
        }
        guard result == 0 else { throw .last("sync", path: path) }
    }

    private func syncAnyway() throws(IOFailure) {
        let number = descriptor.number
        guard retryingInterrupts({ fdatasync(number) }) == 0 else {
            throw .last("sync", path: path)
        }
    }

    package func resize(to byteCount: Int) throws(IOFailure) {
        LockOrder.requireNoValue()
        guard !isBlockDevice else {
            guard try self.byteCount() >= byteCount else {
                throw IOFailure("resize", path: path, code: ENOSPC)
            }
            return
        }
        defer { synced.note() }
        let number = descriptor.number
        guard retryingInterrupts({ ftruncate(number, byteCount) }) == 0 else {
            throw .last("resize", path: path)
        }
    }

    package func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        guard !range.isEmpty else { return nil }
        guard !isBlockDevice else { return range }
        try requireWhole(range)
        let start = Int(snapmgr_seek_data(descriptor.number, Int64(range.lowerBound)))
        if start < 0 {
            // ENXIO: nothing but a hole up to the end of the file.
            if errno == ENXIO { return nil }
            if errno == EINVAL || errno == EOPNOTSUPP { return range }
            throw .last("look for holes in", path: path)
        }
        guard start < range.upperBound else { return nil }
        let end = Int(snapmgr_seek_hole(descriptor.number, Int64(start)))
        // A file that was cut meanwhile has no hole after `start`: take all as data.
        guard end > start else { return start..<range.upperBound }
        return start..<min(end, range.upperBound)
    }

    package func copyRange(
        _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
    ) throws(IOFailure) -> Bool {
        LockOrder.requireNoValue()
        guard let source = source as? FileDevice, !isBlockDevice, !source.isBlockDevice else {
            return false
        }
        let (start, from) = (request.destinationOffset, request.sourceOffset)
        try requireWhole(start..<start + request.byteCount)
        try source.requireWhole(from..<from + request.byteCount)
        defer { synced.note() }
        switch method {
        case .reflink: return try reflink(request, from: source)
        case .copyFileRange: return try copyInKernel(request, from: source)
        case .readWrite: return false
        }
    }

    private func reflink(_ request: CopyRange, from source: FileDevice) throws(IOFailure) -> Bool {
        let result = snapmgr_clone_range(
            descriptor.number, Int64(request.destinationOffset), source.descriptor.number,
            Int64(request.sourceOffset), Int64(request.byteCount))
        if result == 0 { return true }
        if errno == ENOSPC || errno == EDQUOT || errno == EIO {
            throw .last("clone into", path: path)
        }
        return false
    }

    private func copyInKernel(
        _ request: CopyRange, from source: FileDevice
    ) throws(IOFailure) -> Bool {
        var done = 0
        while done < request.byteCount {
            let (number, sourceNumber, progress) = (
                descriptor.number, source.descriptor.number, done
            )
            let count = retryingInterrupts {
                snapmgr_copy_file_range(
                    sourceNumber, Int64(request.sourceOffset + progress), number,
                    Int64(request.destinationOffset + progress), request.byteCount - progress)
            }
            if count < 0 {
                if errno == ENOSPC || errno == EDQUOT || errno == EIO {
                    throw .last("copy into", path: path)
                }
                return false
            }
            // The source's end: the caller's own copy fills the rest with zeroes.
            if count == 0 { return false }
            done += count
        }
        return true
    }

    package func startWriteback(of range: Range<Int>) {
        _ = snapmgr_start_writeback(
            descriptor.number, Int64(range.lowerBound), Int64(range.count))
    }
}

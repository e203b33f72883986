import System
import Glibc
import SnapshotModel

/// A block device, or a file, read and written past the page cache: what is read is what the device
/// gives now, whoever wrote it. Offsets and lengths are whole sectors.
final class DirectDevice: BlockDevice {
    let path: String
    private let descriptor: OwnedDescriptor

    /// O_DIRECT, which the Glibc module leaves out; its value is the processor's.
    #if arch(arm64)
        private static let direct: Int32 = 0o200000
    #else
        private static let direct: Int32 = 0o40000
    #endif

    init(path: String, isReadOnly: Bool = false) throws(IOFailure) {
        self.path = path
        descriptor = try OwnedDescriptor(
            path: path, flags: (isReadOnly ? O_RDONLY : O_RDWR) | Self.direct)
    }

    func byteCount() throws(IOFailure) -> Int {
        let end = lseek(descriptor.number, 0, SEEK_END)
        guard end >= 0 else { throw IOFailure("read the size of", path: path, code: errno) }
        return end
    }

    func allocatedBytes() throws(IOFailure) -> Int { try byteCount() }

    /// Fills a buffer. What lies behind the device's end is an error.
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        if let count = transferIfAligned(&buffer, at: offset) {
            guard count == buffer.byteCount else { throw failure("read", count, at: offset) }
            return
        }
        var copy = AlignedBuffer(count: buffer.byteCount)
        try read(into: &copy, at: offset)
        buffer.copy(from: copy.bytes)
    }

    func read(into buffer: inout AlignedBuffer, at offset: Int) throws(IOFailure) {
        var bytes = buffer.mutableBytes
        try read(into: &bytes, at: offset)
    }

    /// What pread returned; nil when the memory is not fit for direct I/O.
    private func transferIfAligned(_ buffer: inout MutableRawSpan, at offset: Int) -> Int? {
        let number = descriptor.number
        return buffer.withUnsafeMutableBytes {
            guard Self.isAligned($0.baseAddress.map(UnsafeRawPointer.init)) else { return nil }
            return pread(number, $0.baseAddress, $0.count, offset)
        }
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        let number = descriptor.number
        let direct: Int? = bytes.withUnsafeBytes {
            guard Self.isAligned($0.baseAddress) else { return nil }
            return pwrite(number, $0.baseAddress, $0.count, offset)
        }
        if let direct {
            guard direct == bytes.byteCount else { throw failure("write", direct, at: offset) }
            return
        }
        var copy = AlignedBuffer(count: bytes.byteCount)
        var span = copy.mutableBytes
        span.copy(from: bytes)
        try write(copy.bytes, at: offset)
    }

    /// Writes a whole buffer.
    func write(_ buffer: borrowing AlignedBuffer, at offset: Int) throws(IOFailure) {
        try write(buffer.bytes, at: offset)
    }

    private static func isAligned(_ address: UnsafeRawPointer?) -> Bool {
        Int(bitPattern: address).isMultiple(of: AlignedBuffer.alignment)
    }

    private func failure(_ operation: String, _ count: Int, at offset: Int) -> IOFailure {
        IOFailure("\(operation) at \(offset)", path: path, code: count < 0 ? errno : EIO)
    }

    func punch(_ range: Range<Int>) throws(IOFailure) {
        let zeroes = AlignedBuffer(count: min(range.count, 1 << 20))
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(zeroes.count, range.upperBound - offset)
            try write(zeroes.bytes(in: 0..<count), at: offset)
            offset += count
        }
    }

    func sync() throws(IOFailure) {
        guard fdatasync(descriptor.number) == 0 else {
            throw IOFailure("sync", path: path, code: errno)
        }
    }

    func resize(to byteCount: Int) throws(IOFailure) {
        throw IOFailure("resize", path: path, code: EINVAL)
    }
}

package import System
internal import Glibc
internal import Synchronization

/// Bytes in memory as a device. It grows up to a limit, so that a damaged number which asks for a
/// giant file is answered as a full disk would.
package final class MemoryDevice: BlockDevice {
    package let path: String
    private let content: Mutex<[UInt8]>

    /// The most that one device holds, in bytes.
    package static let byteLimit = 4 << 20

    package init(path: String, _ bytes: [UInt8]) {
        self.path = path
        content = Mutex(bytes)
    }

    package var bytes: [UInt8] {
        get { content.withLock { $0 } }
        set { content.withLock { $0 = newValue } }
    }

    package func byteCount() throws(IOFailure) -> Int { content.withLock { $0.count } }
    package func allocatedBytes() throws(IOFailure) -> Int { try byteCount() }
    package func sync() throws(IOFailure) {}

    package func stamp() throws(IOFailure) -> OriginStamp? {
        OriginStamp(byteCount: try byteCount(), modifiedNanoseconds: 1, inode: 1)
    }

    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        guard offset >= 0 else { throw IOFailure("read", path: path, code: EINVAL) }
        let bytes = bytes
        buffer.zero()
        guard offset < bytes.count else { return }
        let count = min(buffer.byteCount, bytes.count - offset)
        var part = buffer.part(0..<count)
        part.copy(from: bytes[offset..<offset + count].span.bytes)
    }

    package func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        try reach(offset, bytes.byteCount)
        let new = bytes.array
        content.withLock { $0.replaceSubrange(offset..<offset + new.count, with: new) }
    }

    /// Makes room for a write, up to the limit.
    private func reach(_ offset: Int, _ count: Int) throws(IOFailure) {
        guard offset >= 0, offset <= Self.byteLimit - count else {
            throw IOFailure("write", path: path, code: ENOSPC)
        }
        content.withLock { bytes in
            let missing = offset + count - bytes.count
            if missing > 0 { bytes += Array(repeating: 0, count: missing) }
        }
    }

    package func punch(_ range: Range<Int>) throws(IOFailure) {
        content.withLock { bytes in
            for index in range.clamped(to: bytes.indices) { bytes[index] = 0 }
        }
    }

    package func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        let data = range.clamped(to: 0..<(try byteCount()))
        return data.isEmpty ? nil : data
    }

    package func resize(to byteCount: Int) throws(IOFailure) {
        try reach(0, byteCount)
        content.withLock { $0.removeLast($0.count - byteCount) }
    }
}

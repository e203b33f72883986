internal import CStream
package import SnapshotModel

/// Zstandard, a frame at a time. No frame needs another one, and none more memory than it is long.
package final class StreamPacker {
    private let handle: OpaquePointer
    private var packed: [UInt8] = []

    /// - Throws: `failed` when there is no memory for it.
    package init() throws(Problem) {
        guard let handle = snapmgr_zstd_create() else {
            throw Problem(
                .failed, "nothing can be compressed here", hint: "check the free memory")
        }
        self.handle = handle
    }

    deinit { snapmgr_zstd_destroy(handle) }

    /// - Returns: nil when it would not become shorter.
    package func compress(_ bytes: RawSpan, level: Int) -> [UInt8]? {
        guard bytes.byteCount > 1 else { return nil }
        let capacity = bytes.byteCount - 1
        if packed.count < capacity { packed = [UInt8](repeating: 0, count: capacity) }
        let count = bytes.withUnsafeBytes { source in
            packed.withUnsafeMutableBytes { target in
                snapmgr_zstd_compress(
                    handle, target.baseAddress, capacity, source.baseAddress, source.count,
                    CInt(clamping: level))
            }
        }
        return count > 0 ? Array(packed[..<count]) : nil
    }

    /// - Throws: `corrupt` when it does not become exactly `count` bytes.
    package func expand(_ bytes: [UInt8], to count: Int) throws(Problem) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        let isDone = result.withUnsafeMutableBytes { target in
            bytes.withUnsafeBytes { source in
                snapmgr_zstd_expand(
                    handle, target.baseAddress, target.count, source.baseAddress, source.count)
            }
        }
        guard isDone != 0 else { throw .damagedStream("a frame cannot be expanded") }
        return result
    }
}

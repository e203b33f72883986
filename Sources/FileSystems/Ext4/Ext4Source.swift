internal import CExt2
internal import Glibc
internal import SnapshotModel

/// What e2fsprogs' library reads by, and what went wrong when it did.
final class Ext4Source {
    let bytes: WindowedBytes
    private var problem: Problem?

    init(_ bytes: WindowedBytes) { self.bytes = bytes }

    /// Why the last call of the library failed, if it was for what was read; forgotten then.
    func takeProblem() -> Problem? {
        defer { problem = nil }
        return problem
    }

    /// Called by the library; the address of this object is its context.
    static let fill: snapmgr_ext2_source = { context, offset, target, count in
        guard let context, let target else { return EIO }
        let source = Unmanaged<Ext4Source>.fromOpaque(context).takeUnretainedValue()
        return source.fill(target, count, at: offset)
    }

    private func fill(_ target: UnsafeMutableRawPointer, _ count: Int, at offset: UInt64) -> Int32 {
        do throws(Problem) {
            var span = MutableRawSpan(_unsafeStart: target, byteCount: count)
            try bytes.read(into: &span, at: Int(clamping: offset))
            return 0
        } catch {
            problem = error
            return EIO
        }
    }
}

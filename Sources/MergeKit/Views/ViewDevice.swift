internal import System
internal import SnapshotModel

/// A snapshot's view as a device to copy from.
final class ViewDevice: BlockDevice {
    private let view: SnapshotView
    private let lastProblem = Monitored<Problem?>(nil)

    init(_ view: SnapshotView) { self.view = view }

    var path: String { "snapshot \(view.manifest.id)" }
    /// What the last failure really was: an I/O failure cannot say it all.
    var problem: Problem? { lastProblem.withLock { $0 } }

    func byteCount() throws(IOFailure) -> Int { view.byteCount }
    func allocatedBytes() throws(IOFailure) -> Int { view.byteCount }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
        do {
            try view.read(into: &buffer, at: offset)
        } catch { throw failure(error, "read") }
    }

    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        do {
            var position = range.lowerBound
            while position < range.upperBound {
                // Two extents are enough: a hole and the data behind it.
                let extents = try view.extents(in: position..<range.upperBound, limit: 2)
                if let data = extents.first(where: { !$0.isHole }) { return data.range }
                guard let end = extents.last?.range.upperBound else { return nil }
                position = end
            }
            return nil
        } catch { throw failure(error, "read") }
    }

    private func failure(_ problem: Problem, _ operation: String) -> IOFailure {
        lastProblem.withLock { $0 = problem }
        return .inputOutput(operation, path: path)
    }

    private func readOnly(_ operation: String) -> IOFailure {
        .inputOutput(operation, path: path)
    }

    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) { throw readOnly("write") }
    func punch(_ range: Range<Int>) throws(IOFailure) { throw readOnly("write") }
    func sync() throws(IOFailure) {}
    func resize(to byteCount: Int) throws(IOFailure) { throw readOnly("resize") }
}

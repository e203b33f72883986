internal import System
internal import SnapshotModel

/// What has the content of a volume's size, and is read alone.
protocol ViewedContent: Sendable {
    /// How messages call it.
    var deviceName: String { get }
    /// In bytes.
    var byteCount: Int { get }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem)
    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent]
    /// Has a file share bytes with the places where these lie, as far as it can, and notes the others.
    func share(_ range: Range<Int>, by sharing: ExtentSharing) throws(Problem)
}

extension SnapshotView: ViewedContent {
    var deviceName: String { "snapshot \(manifest.id)" }
}

extension LiveClone: ViewedContent {
    var deviceName: String { "clone \(record.name)" }
}

/// A snapshot's view, or a clone, as a device to copy from.
final class ViewDevice: BlockDevice {
    private let view: any ViewedContent
    private let lastProblem = Monitored<Problem?>(nil)

    init(_ view: any ViewedContent) { self.view = view }

    var path: String { view.deviceName }
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

internal import Glibc
internal import MergeKit
internal import SnapshotModel

/// An export as one client has it open. Its size stays what it was when the client connected.
final class NBDExport: Sendable {
    let byteCount: Int
    let isWritable: Bool
    /// For people: what the export is.
    let description: String
    /// The size in bytes below which a write may cost the copy of more than itself.
    let preferredBytes: Int

    private let content: Content
    private let failures: FailureLog

    private enum Content {
        case volume(LiveEngine)
        case snapshot(SnapshotView)
    }

    init(volume engine: LiveEngine, readOnly: Bool, failures: FailureLog) {
        let record = engine.record
        content = .volume(engine)
        byteCount = record.geometry.volumeBytes
        isWritable = !readOnly
        description = "volume \(record.name)"
        preferredBytes = record.geometry.chunkBytes
        self.failures = failures
    }

    init(snapshot view: SnapshotView, of record: VolumeRecord, failures: FailureLog) {
        content = .snapshot(view)
        byteCount = view.byteCount
        isWritable = false
        description = Self.describe(view.manifest, of: record.name)
        preferredBytes = record.geometry.chunkBytes
        self.failures = failures
    }

    static func describe(_ manifest: SnapshotManifest, of volume: String) -> String {
        let name = manifest.name.map { " (\($0))" } ?? ""
        return "snapshot \(manifest.id)\(name) of volume \(volume), taken \(manifest.takenAt)"
    }

    /// The client has gone.
    func close() {
        if case .snapshot(let view) = content { view.close() }
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        switch content {
        case .volume(let engine): try engine.read(into: &buffer, at: offset)
        case .snapshot(let view): try view.read(into: &buffer, at: offset)
        }
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        try writableEngine().write(bytes, at: offset, forceUnitAccess: isDurable)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        try writableEngine().zero(range, forceUnitAccess: isDurable)
    }

    func flush() throws(Problem) {
        // A snapshot does not change: there is nothing to flush.
        if case .volume(let engine) = content { try engine.flush() }
    }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        switch content {
        case .volume(let engine): try engine.extents(in: range, limit: limit)
        case .snapshot(let view): try view.extents(in: range, limit: limit)
        }
    }

    private func writableEngine() throws(Problem) -> LiveEngine {
        guard isWritable, case .volume(let engine) = content else {
            throw Problem(.refused, "\(description) is read-only")
        }
        return engine
    }

    /// Logs a failed request and returns the error number that its client gets.
    func report(_ problem: Problem, while operation: String, _ range: Range<Int>) -> CInt {
        failures.report(
            "cannot \(operation) \(range.count) bytes at \(range.lowerBound) of \(description): "
                + problem.message)
        return Self.errorNumber(problem.code)
    }

    /// What the NBD protocol can say of a failure; all else is an I/O error to a client.
    static func errorNumber(_ code: Problem.Code) -> CInt {
        switch code {
        case .noSpace: ENOSPC
        case .refused: EROFS
        case .usage: EINVAL
        case .notFound, .ambiguous: ENOENT
        case .interrupted: ESHUTDOWN
        default: EIO
        }
    }
}

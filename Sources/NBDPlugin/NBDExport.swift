internal import Glibc
internal import SnapshotModel
internal import VolumeAccess

/// An export as one client has it open. Its size stays what it was when the client connected.
final class NBDExport: Sendable {
    let content: any ExportContent
    let isWritable: Bool

    private let failures: FailureLog

    /// - Parameter readOnly: whether the client is kept from writing whatever the content can do.
    init(_ content: any ExportContent, readOnly: Bool, failures: FailureLog) {
        self.content = content
        isWritable = content.isWritable && !readOnly
        self.failures = failures
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        try requireWritable()
        try content.write(bytes, at: offset, isDurable: isDurable)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        try requireWritable()
        try content.zero(range, isDurable: isDurable)
    }

    private func requireWritable() throws(Problem) {
        guard isWritable else { throw content.readOnlyProblem }
    }

    /// Logs a failed request and returns the error number that its client gets.
    func report(_ problem: Problem, while operation: String, _ range: Range<Int>) -> CInt {
        failures.report(
            "cannot \(operation) \(range.count) bytes at \(range.lowerBound) of \(content.description): "
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

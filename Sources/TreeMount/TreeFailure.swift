internal import Glibc
package import SnapshotModel

/// Why a request of the kernel's is not answered, as programs are told it: an errno.
package struct TreeFailure: Error, Hashable, Sendable {
    package var code: Int32

    package init(_ code: Int32) { self.code = code }

    /// A snapshot that is not there any more is a stale handle; what cannot be read is an error of its own
    /// folder's alone.
    package init(_ problem: Problem) {
        code =
            switch problem.code {
            case .notFound, .broken: ESTALE
            case .refused, .newerVersion: EOPNOTSUPP
            case .noSpace: ENOMEM
            default: EIO
            }
    }

    /// Turns what a filesystem says into what programs are told.
    static func of<Result>(_ body: () throws(Problem) -> Result) throws(TreeFailure) -> Result {
        do throws(Problem) { return try body() } catch { throw TreeFailure(error) }
    }
}

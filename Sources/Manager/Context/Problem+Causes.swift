internal import System
internal import Catalog
internal import DeviceMapper
package import SnapshotModel

extension Problem {
    /// Gives any error the shape in which it reaches people and scripts.
    package init(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let failure as IOFailure: self.init(failure)
        case let failure as DeviceFailure: self.init(failure)
        case let error as CatalogError:
            self.init(Code(error.code), error.message, hint: error.hint)
        default: self.init(.failed, String(describing: error))
        }
    }
}

extension Problem.Code {
    fileprivate init(_ code: CatalogError.Code) {
        self =
            switch code {
            case .corrupt: .corrupt
            case .locked: .locked
            case .newerSchema: .newerVersion
            case .notFound: .notFound
            case .duplicate: .exists
            case .held: .refused
            case .full: .noSpace
            case .constraint, .unreadable: .failed
            }
    }
}

extension Problem {
    static func noSnapshot(_ reference: String) -> Problem {
        Problem(
            .notFound, "there is no snapshot \(reference)",
            hint: "run \(.list()) to see the snapshots")
    }

    /// - Parameter holder: who it is, between commas.
    static func isLocked(_ volume: String, _ holder: String) -> Problem {
        Problem(
            .locked, "another snapmgr\(holder) is at work on volume \(volume)",
            hint: "run \(.status), wait for it to end, then run the command again")
    }

    /// Says what the error is about, in front of what it says itself.
    func about(_ subject: String) -> Problem {
        message.contains(subject) ? self : Problem(code, "\(subject): \(message)", hint: hint)
    }
}

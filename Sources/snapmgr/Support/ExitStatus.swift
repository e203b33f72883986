import SnapshotModel

/// The exit codes, as snapmgr(1) tells them; they only grow.
enum ExitStatus: Int32, CaseIterable {
    case done = 0
    case failed = 1
    case usage = 2
    case partlyDone = 3
    case notFound = 4
    case missing = 5
    case cannotListen = 6
    case locked = 11
    case refused = 13
    case interrupted = 130

    init(_ code: Problem.Code) {
        self =
            switch code {
            case .usage, .ambiguous: .usage
            case .partial: .partlyDone
            case .notFound: .notFound
            case .missing: .missing
            case .cannotListen: .cannotListen
            case .locked: .locked
            case .refused: .refused
            case .interrupted: .interrupted
            case .failed, .exists, .inputOutput, .noSpace, .corrupt, .newerVersion, .broken: .failed
            }
    }

    /// What help and the manual say of it.
    var meaning: String {
        switch self {
        case .done: "done"
        case .failed: "failed"
        case .usage: "wrong usage or configuration"
        case .partlyDone: "partly done"
        case .notFound: "no such object"
        case .missing: "a part of the environment is missing: nbdkit, a store, an origin"
        case .cannotListen: "cannot listen on the socket or port"
        case .locked: "locked by another run"
        case .refused: "refused for safety"
        case .interrupted: "interrupted"
        }
    }
}

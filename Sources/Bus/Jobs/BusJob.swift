internal import Manager
internal import System

/// Something long that a client on the bus has asked for.
struct BusJob: Sendable {
    enum State: String, Sendable {
        case running, done, failed
    }

    var number: Int64
    var kind: BusAction
    var volumes: [String]
    var requester: String
    var cancellation: Cancellation
    var progress: OperationProgress?
    /// What came of it; nil while it runs.
    var result: Result<BusValue, BusError>?
    /// Calls that wait for its end.
    var waiting: [Int64] = []
    /// Until when its end can still be asked for.
    var keptUntil: Deadline?

    static let folder = BusSession.path + "/job"

    var path: String { "\(Self.folder)/\(number)" }

    var state: State {
        switch result {
        case nil: .running
        case .success: .done
        case .failure: .failed
        }
    }

    /// As its interface tells them.
    var properties: [(String, BusValue)] {
        [
            ("Kind", .string(kind.rawValue)), ("State", .string(state.rawValue)),
            ("Volumes", .strings(volumes)), ("RequestedBy", .string(requester)),
            ("Progress", progress.map { .fields(of: $0.json) } ?? .dictionary([])),
        ]
    }
}

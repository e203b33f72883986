internal import Manager
internal import SnapshotModel

/// A request that changes something, as its job does it.
struct WebChange: Sendable {
    typealias Work = @Sendable (Manager, Requester) throws -> JSONValue

    /// The word for it in the list of jobs.
    var kind: String
    /// Those that are named; empty when it is not known before which they are.
    var volumes: [String]
    var work: Work
}

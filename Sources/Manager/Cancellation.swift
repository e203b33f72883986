package import SnapshotModel
internal import Synchronization

/// Asks a use case to stop between two steps; what it has begun, the next command reconciles.
package final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)

    package init() {}

    package var isRequested: Bool { flag.load(ordering: .acquiring) }

    /// May be called from any thread.
    package func request() { flag.store(true, ordering: .releasing) }

    /// - Throws: `interrupted` once a stop was asked for.
    func check() throws {
        guard !isRequested else { throw Self.problem }
    }

    /// What an interrupted command says.
    package static let problem = Problem(
        .interrupted, "interrupted",
        hint: "nothing is lost: run `snapmgr status` to see what goes on")
}

package import SnapshotModel
internal import Synchronization

/// Asks a use case to stop between two steps; what it has begun, the next command reconciles.
package final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    private let sleepers = Mutex<[@Sendable () -> Void]>([])

    package init() {}

    package var isRequested: Bool { flag.load(ordering: .acquiring) }

    /// May be called from any thread.
    package func request() {
        flag.store(true, ordering: .releasing)
        sleepers.withLock { sleepers in sleepers.forEach { $0() } }
    }

    /// Has `wake` called, by any thread, when a stop is asked for; at once when it was already.
    func onRequest(_ wake: @escaping @Sendable () -> Void) {
        sleepers.withLock { $0.append(wake) }
        if isRequested { wake() }
    }

    /// - Throws: `interrupted` once a stop was asked for.
    func check() throws {
        guard !isRequested else { throw Self.problem }
    }

    /// What an interrupted command says.
    package static let problem = Problem(
        .interrupted, "interrupted",
        hint: "nothing is lost: run \(.status) to see what goes on")
}

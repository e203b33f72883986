package import SnapshotModel
internal import Synchronization

/// Asks a use case to stop between two steps; what it has begun, the next command reconciles.
package final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    private let sleepers = Mutex<[@Sendable () -> Void]>([])
    private let outer: Cancellation?

    package init() { outer = nil }

    /// One that is requested, too, when `outer` is.
    init(within outer: Cancellation) { self.outer = outer }

    package var isRequested: Bool {
        flag.load(ordering: .acquiring) || outer?.isRequested == true
    }

    /// May be called from any thread.
    package func request() {
        flag.store(true, ordering: .releasing)
        sleepers.withLock { sleepers in sleepers.forEach { $0() } }
    }

    /// Has `wake` called, by any thread, when a stop is asked for; at once when it was already.
    func onRequest(_ wake: @escaping @Sendable () -> Void) {
        sleepers.withLock { $0.append(wake) }
        if flag.load(ordering: .acquiring) { wake() }
        outer?.onRequest(wake)
    }

    /// What an interrupted command says.
    package static let problem = Problem(
        .interrupted, "interrupted",
        hint: "nothing is lost: run \(.status) to see what goes on")
}

internal import Synchronization

/// A clone as one client has it open. While any has, it cannot be deleted.
package final class OpenClone: Sendable {
    package let clone: LiveClone
    private let engine: LiveEngine
    private let isOpen = Atomic<Bool>(true)

    init(_ clone: LiveClone, engine: LiveEngine) {
        self.clone = clone
        self.engine = engine
    }

    deinit { close() }

    /// The client has gone.
    package func close() {
        guard isOpen.exchange(false, ordering: .relaxed) else { return }
        engine.cloneClosed(clone)
    }
}

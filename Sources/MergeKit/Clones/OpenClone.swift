internal import Synchronization

/// A clone as one client has it open. While any has, it cannot be deleted.
package final class OpenClone: Sendable {
    package let clone: LiveClone
    /// Whether whoever has it may write.
    package let isWritable: Bool
    private let engine: LiveEngine
    private let isOpen = Atomic<Bool>(true)

    init(_ clone: LiveClone, engine: LiveEngine, isWritable: Bool) {
        self.clone = clone
        self.isWritable = isWritable
        self.engine = engine
    }

    deinit { close() }

    /// The client has gone.
    package func close() {
        guard isOpen.exchange(false, ordering: .relaxed) else { return }
        engine.cloneClosed(clone, isWriter: isWritable)
    }
}

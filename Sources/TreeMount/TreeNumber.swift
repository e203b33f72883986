/// The number of a file or folder of a snapshot, as the kernel knows it. What one stands for never changes, and
/// nothing has to be remembered of it.
struct TreeNumber: Hashable {
    /// The snapshot's place in the tree; no later one gets it. From 1 on.
    var slot: UInt32
    /// Its number in the snapshot's filesystem.
    var node: UInt32

    init(slot: UInt32, node: UInt32) {
        self.slot = slot
        self.node = node
    }

    /// Nil for what is in no snapshot.
    init?(_ value: UInt64) {
        slot = UInt32(truncatingIfNeeded: value >> 32)
        node = UInt32(truncatingIfNeeded: value)
        guard slot > 0, node > 0 else { return nil }
    }

    var value: UInt64 { UInt64(slot) << 32 | UInt64(node) }
}

package import SnapshotModel

// A plan leads to areas by the ordinals of their snapshots, which begin at 1. What lies in a clone's area has
// the number below 0 that is the clone's own, so that it is nobody else's; no record says such a number.

extension CloneOrdinal {
    /// What stands for the clone's area in plans.
    package var inPlans: SnapshotOrdinal { SnapshotOrdinal(rawValue: -rawValue) }
}

extension SnapshotOrdinal {
    /// The clone whose area it stands for in a plan; nil when it is a snapshot's.
    package var cloneInPlans: CloneOrdinal? {
        rawValue < 0 ? CloneOrdinal(checking: -rawValue) : nil
    }
}

internal import Scheduler
internal import SnapshotModel

extension VolumeRetention {
    /// How many snapshots the policies let go now, and did at an earlier moment already, as things
    /// were then.
    func countOverdue(since moment: Timestamp) throws -> Int {
        let early = Set(try plan(at: moment).removed.map(\.id))
        guard !early.isEmpty else { return 0 }
        return try plan().removed.count { early.contains($0.id) }
    }
}

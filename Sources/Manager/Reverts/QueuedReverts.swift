internal import System
internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// Reverts that wait until their volumes are closed, one for a volume at most.
///
/// A queued revert is a hold on its snapshot, by an owner of its own: so it is in the catalog, keeps
/// the snapshot from being deleted, and is seen by whoever looks.
struct QueuedReverts {
    private let context: ManagerContext

    /// The owner of these holds.
    static let owner = "revert-on-close"

    init(_ context: ManagerContext) { self.context = context }

    /// Queues a revert, in the place of one that is queued already.
    func add(_ snapshot: SnapshotID, of volume: String) throws {
        try context.catalog.atomically("queueing a revert") {
            for hold in try holds(of: volume) {
                _ = try context.catalog.release(hold.snapshot, owner: Self.owner)
            }
            try context.catalog.hold(
                snapshot, owner: Self.owner, reason: "to be reverted to when the volume is closed",
                until: nil)
            try context.log(
                .revertQueued, "the volume reverts to snapshot \(snapshot) when it is closed",
                volume: volume, snapshot: snapshot)
        }
    }

    /// The snapshot that the volume is to be reverted to; nil when there is none.
    func target(of volume: String) throws -> SnapshotID? { try holds(of: volume).first?.snapshot }

    /// Whether the volume can be reverted as it is now: it is active, and closed.
    func isFree(_ volume: VolumeRow) throws -> Bool {
        try context.isActive(volume) && context.inspector(volume).openProblem() == nil
    }

    /// Forgets the volume's queued revert.
    func cancel(_ volume: String) throws {
        for hold in try holds(of: volume) {
            _ = try context.catalog.release(hold.snapshot, owner: Self.owner)
            try context.log(
                .revertUnqueued, "the revert to snapshot \(hold.snapshot) is not queued any more",
                volume: volume, snapshot: hold.snapshot)
        }
    }

    /// Does the volume's queued revert if it is active and closed.
    ///
    /// - Parameter waits: whether to return only when the merge has ended.
    func run(_ volume: VolumeRow, waits: Bool = false) throws {
        let name = volume.record.name
        guard let hold = try holds(of: name).first, try isFree(volume) else { return }
        try Reconciler(context).tidy([name])
        // A crash may have come between the revert and the end of its hold.
        let isDone = try context.catalog.reverts(volume: name).contains {
            $0.snapshot == hold.snapshot && $0.state != nil && $0.begunAt >= hold.heldAt
        }
        if !isDone {
            _ = try RevertService(context: context).revert(
                hold.snapshot.description, RevertOptions(waits: waits))
            context.note("volume \(name) was reverted to snapshot \(hold.snapshot), as queued")
        }
        _ = try context.catalog.release(hold.snapshot, owner: Self.owner)
    }

    /// As ``run(_:waits:)`` for who does something else: what goes wrong is only said, and tried again
    /// by the next tick.
    func runQuietly(_ volume: VolumeRow, waits: Bool = false) {
        do { try run(volume, waits: waits) } catch {
            let problem = Problem(error).about("volume \(volume.record.name)")
            context.note("the queued revert was not done: \(problem.message)")
        }
    }

    private func holds(of volume: String) throws -> [HoldRow] {
        try context.catalog.holds(volume: volume).filter { $0.owner == Self.owner }
    }
}

internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// What a volume under device-mapper needs between commands, and nobody else does: the ends of merges
/// are noted, room for the kernel's exceptions is reserved ahead, what it gave up is said.
struct DeviceUpkeep {
    let context: ManagerContext

    /// Looks after all active volumes. One volume's trouble is said, and no reason not to look after
    /// the others.
    func run() throws {
        for volume in try context.catalog.volumes() where context.devices(of: volume) != nil {
            do { try look(after: volume) } catch {
                let problem = Problem(error).about("volume \(volume.record.name)")
                guard problem.code != .interrupted else { throw problem }
                context.note(problem.message)
            }
        }
    }

    /// Looks after one volume, unless a command is at work on it.
    func look(after volume: VolumeRow) throws {
        guard context.isActive(volume) else { return }
        // Whoever is at work there has opened it, which is all that it needs.
        try context.withLocksIfFree([volume]) { try context.withSession(volume) { _ in } }
        try Reconciler(context).tidy([volume.record.name])
        try QueuedReverts(context).run(volume)
        // The kernel gives snapshots up where there is no room: room is made before.
        guard let settings = try? context.settings.get() else { return }
        try TickService(context: context).makeRoom(volume, settings)
    }
}

internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Has reverts go on that were cut, where nobody else does.
struct RevertUpkeep {
    let context: ManagerContext

    /// What fails for one volume is told, and no reason not to look after the others.
    func run() {
        let volumes = (try? context.catalog.volumes()) ?? []
        for volume in volumes where isWaiting(volume) {
            do { try resume(volume) } catch {
                let problem = Problem(error).about("volume \(volume.record.name)")
                guard problem.code != .locked else { continue }
                context.note("a revert that was cut does not go on: \(problem.message)")
            }
        }
    }

    /// Whether a revert was cut, and nobody has paused it.
    private func isWaiting(_ volume: VolumeRow) -> Bool {
        guard (try? context.driver(of: volume).traits.resumesReverts) == true,
            let revert = try? context.reader(volume).revert()
        else { return false }
        return !revert.limits.isPaused
    }

    private func resume(_ volume: VolumeRow) throws {
        try Reconciler(context).withVolume(volume.record.name) { volume in
            try context.withSession(volume) { session in
                try MergeFollower(context).run(session, volume)
            }
        }
        context.note("volume \(volume.record.name): a revert that had been cut is done")
    }
}

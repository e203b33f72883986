internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// Waits until a volume's merge has ended, which it drives itself where nobody serves the volume.
struct MergeFollower {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    func run(_ session: any VolumeSession, _ volume: VolumeRow) throws {
        _ = try session.perform(.waitForMerge)
        let name = volume.record.name
        for row in try context.catalog.reverts(volume: name)
        where row.state != nil && row.isUnfinished {
            try MergeEnd(context, volume).record(row, .done)
        }
    }
}

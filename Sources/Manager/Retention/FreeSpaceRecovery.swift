internal import Catalog
internal import Settings
internal import SnapshotModel

/// Brings the free space of a volume's store back above its floor, as far as the settings allow.
struct FreeSpaceRecovery {
    let context: ManagerContext

    enum Outcome {
        /// The space is above its floor, or cannot be asked for.
        case enough
        /// It is below, and the policies let nothing more go.
        case exhausted(FreeSpace)
        /// It is below, and somebody else prunes just now.
        case busy(FreeSpace)
    }

    /// - Parameter prunes: also when the space is above its floor, once.
    /// - Throws: what failed in pruning, which says nothing of what could go.
    func run(
        _ volume: VolumeRow, _ settings: Settings, prunes: Bool = false
    ) throws -> Outcome {
        let name = volume.record.name
        guard let space = FreeSpace(of: volume, settings), prunes || space.missingBytes > 0 else {
            return .enough
        }
        // What goes may have held zeroes, which free nothing: then more goes, as long as there is any.
        while let report = try PruneService(context: context).pruneUnlessBusy([name]) {
            if let failure = report.volumes.compactMap(\.failure).first { throw failure }
            guard let left = FreeSpace(of: volume, settings), left.missingBytes > 0 else {
                return .enough
            }
            guard report.removedCount > 0 else { return .exhausted(left) }
        }
        return .busy(space)
    }
}

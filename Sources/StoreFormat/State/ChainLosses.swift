package import SnapshotModel

/// What is gone from a chain, and the one rule of which snapshots cannot be read without it.
///
/// A snapshot needs the areas from its own on. So whatever an area lost, its snapshot lost with all
/// older ones; and where a whole area is not to be found, all older ones cannot be read.
package struct ChainLosses: Equatable, Sendable {
    /// The newest snapshot that lost exceptions for ever.
    package var lost: SnapshotOrdinal?
    /// Folders that hold exceptions and whose manifests were lost.
    package var doubtful: [SnapshotOrdinal] = []
    /// Deleted snapshots whose areas were lost.
    package var withoutArea: [SnapshotOrdinal] = []
    /// Snapshots, none of them lost, whose areas' headers could not be read. That proves nothing: whoever
    /// reads one reads the area, too, and is refused there.
    package var unread: [SnapshotOrdinal] = []

    package init() {}

    /// The last of the areas that are not to be found.
    var missing: SnapshotOrdinal? { (doubtful + withoutArea).max() }

    /// Without what no snapshot depends on any more.
    func concerning(_ manifests: [SnapshotManifest]) -> ChainLosses {
        let oldestLive = manifests.first { !$0.isDeleted }?.ordinal
        let broken = brokenThrough(in: manifests)
        var result = ChainLosses()
        result.lost = lostThrough(in: manifests)
        result.doubtful = doubtful.sorted()
        result.withoutArea = withoutArea.filter { lost in
            oldestLive.map { $0 < lost } ?? false
        }.sorted()
        result.unread = unread.filter { ordinal in
            broken.map { $0 < ordinal } ?? true && manifests.contains { $0.ordinal == ordinal }
        }.sorted()
        return result
    }

    /// The snapshot that a loss was found with may have been collected since.
    private func lostThrough(
        in manifests: some BidirectionalCollection<SnapshotManifest>
    ) -> SnapshotOrdinal? {
        lost.flatMap { lost in manifests.last { $0.ordinal <= lost }?.ordinal }
    }

    /// As long as a live snapshot needs what is not to be found.
    package func unreachableThrough(
        in manifests: some BidirectionalCollection<SnapshotManifest>
    ) -> SnapshotOrdinal? {
        guard let missing,
            manifests.contains(where: { $0.ordinal < missing && !$0.isDeleted })
        else { return nil }
        return manifests.last { $0.ordinal < missing }?.ordinal
    }

    /// This snapshot and all older ones cannot be read, for either reason; nil when all can.
    package func brokenThrough(
        in manifests: some BidirectionalCollection<SnapshotManifest>
    ) -> SnapshotOrdinal? {
        [lostThrough(in: manifests), unreachableThrough(in: manifests)].compactMap(\.self).max()
    }
}

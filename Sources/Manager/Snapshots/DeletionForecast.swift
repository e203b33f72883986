internal import Catalog
internal import SnapshotModel
internal import StoreFormat

/// What deletions would free, by what the catalog knows of frozen areas: for who only looks, and need not
/// open the volume for it.
struct DeletionForecast {
    private let maps: AreaMaps
    private let volume: VolumeRow
    /// All that are live, by ordinal, ascending.
    private let rows: [RetentionRow]

    /// - Parameter rows: the volume's, as the catalog gives them.
    init(_ context: ManagerContext, _ volume: VolumeRow, rows: [RetentionRow]) {
        maps = AreaMaps(context, volume)
        self.volume = volume
        self.rows = rows
    }

    /// The bytes that deleting these together frees, as ``ChainPlanner`` would say.
    func freedBytes(deleting ids: [SnapshotID]) throws -> Int {
        let wanted = Set(ids)
        let gone = Set(rows.lazy.filter { wanted.contains($0.id) }.map(\.ordinal))
        guard let first = gone.min(), let last = gone.max() else { return 0 }
        // Up to the live ones beside them: what others hold stays garbage, or is none.
        let start = rows.last { $0.ordinal < first }?.ordinal ?? first
        let end = rows.first { $0.ordinal > last }?.ordinal
        let stretch = start..<(end ?? max(last, volume.snapshotsSeen).next)
        let areas = try maps.readable(in: stretch)
            .sorted { $0.key < $1.key }
            .map { GarbagePlanner.Area(ordinal: $0.key, chunks: $0.value) }
        let live = Set(rows.lazy.map(\.ordinal).filter { stretch.contains($0) })
        let freed = GarbagePlanner.freedChunks(in: areas, live: live, deleted: gone)
        return freed * volume.record.geometry.chunkBytes
    }
}

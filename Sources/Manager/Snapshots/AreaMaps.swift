internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// The chunks that a volume's areas hold: from the catalog where they are recorded, else from the
/// store, as for the areas that still grow.
final class AreaMaps {
    private let context: ManagerContext
    let volume: VolumeRow
    private var openReader: StoreReader?

    init(_ context: ManagerContext, _ volume: VolumeRow) {
        self.context = context
        self.volume = volume
    }

    func reader() throws -> StoreReader {
        if let openReader { return openReader }
        let reader = try context.reader(volume)
        openReader = reader
        return reader
    }

    /// The union of the chunks of some areas. Areas that are gone held nothing that anybody needs;
    /// only the first must be there, because a live snapshot owns it.
    func chunks(in ordinals: Range<SnapshotOrdinal>) throws -> ChunkSet {
        guard !ordinals.isEmpty else { return ChunkSet() }
        let last = SnapshotOrdinal(rawValue: ordinals.upperBound.rawValue - 1)
        let recorded = try context.catalog.chunkMaps(
            volume: volume.record.name, ordinals: ordinals.lowerBound...last)
        var sets = recorded.values.map(\.chunks)
        for value in ordinals.lowerBound.rawValue...last.rawValue {
            let ordinal = SnapshotOrdinal(rawValue: value)
            guard recorded[ordinal] == nil else { continue }
            if let map = try storedMap(ordinal, isRequired: ordinal == ordinals.lowerBound) {
                sets.append(map.chunks)
            }
        }
        return ChunkSet.union(sets)
    }

    private func storedMap(_ ordinal: SnapshotOrdinal, isRequired: Bool) throws -> ChunkMap? {
        do {
            return try reader().chunkMap(of: ordinal)
        } catch let problem as Problem where problem.code == .notFound && !isRequired {
            return nil
        } catch let problem as Problem where problem.code == .corrupt {
            // It may be damaged when its snapshot is lost: what else the volume has is not.
            guard try reader().state().isLost(ordinal) else { throw problem }
            return nil
        }
    }
}

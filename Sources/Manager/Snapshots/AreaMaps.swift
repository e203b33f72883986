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
        for ordinal in try unrecorded(ordinals, recorded) {
            if let map = try storedMap(ordinal, isRequired: ordinal == ordinals.lowerBound) {
                sets.append(map.chunks)
            }
        }
        return ChunkSet.union(sets)
    }

    /// The areas of a stretch whose maps are not recorded; of many, those that the store has. Most of them
    /// are gone, and need not be looked for one by one.
    private func unrecorded(
        _ ordinals: Range<SnapshotOrdinal>, _ recorded: [SnapshotOrdinal: ChunkMap]
    ) throws -> [SnapshotOrdinal] {
        let span = ordinals.lowerBound.rawValue..<ordinals.upperBound.rawValue
        guard span.count - recorded.count > Self.lookUpMaximum else {
            return span.map { SnapshotOrdinal(rawValue: $0) }.filter { recorded[$0] == nil }
        }
        var found = try reader().snapshotFolders().filter {
            ordinals.contains($0) && recorded[$0] == nil
        }
        // What must be there is looked for all the same, to say that it is not.
        if recorded[ordinals.lowerBound] == nil, found.first != ordinals.lowerBound {
            found.insert(ordinals.lowerBound, at: 0)
        }
        return found
    }

    private static let lookUpMaximum = 16

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

internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// The chunks that a volume's areas hold: from the catalog where they are recorded, else from the
/// store, as for the areas that still grow.
final class AreaMaps {
    private let context: ManagerContext
    let volume: VolumeRow
    private var openReader: StoreReader?
    /// All of the store's, ascending, once they were listed.
    private var folders: [SnapshotOrdinal]?
    /// How many areas may yet be looked for one by one.
    private var lookUpsLeft: Int

    /// - Parameters:
    ///   - lookUpMaximum: so many areas are looked for one by one before the store's folders are
    ///   listed: that costs about as much on a chain of some thousand snapshots.
    ///   - reader: reads the store; nil is one for as long as this is used.
    init(
        _ context: ManagerContext, _ volume: VolumeRow, lookUpMaximum: Int = 512,
        reader: StoreReader? = nil
    ) {
        self.context = context
        self.volume = volume
        openReader = reader
        lookUpsLeft = lookUpMaximum
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

    /// What each area of a stretch holds that is there and can be read.
    func readable(in ordinals: Range<SnapshotOrdinal>) throws -> [SnapshotOrdinal: ChunkSet] {
        guard !ordinals.isEmpty else { return [:] }
        let last = SnapshotOrdinal(rawValue: ordinals.upperBound.rawValue - 1)
        let recorded = try context.catalog.chunkMaps(
            volume: volume.record.name, ordinals: ordinals.lowerBound...last)
        var sets = recorded.mapValues(\.chunks)
        for ordinal in try unrecorded(ordinals, recorded) {
            do {
                sets[ordinal] = try reader().chunkMap(of: ordinal).chunks
            } catch let problem as Problem where problem.code == .notFound || problem.isDamage {
                continue
            }
        }
        return sets
    }

    /// The areas of a stretch whose maps are not recorded. Most of them are gone: where there are many, those
    /// that the store has, and what must be there all the same, to say that it is not.
    private func unrecorded(
        _ ordinals: Range<SnapshotOrdinal>, _ recorded: [SnapshotOrdinal: ChunkMap]
    ) throws -> [SnapshotOrdinal] {
        let span = ordinals.lowerBound.rawValue..<ordinals.upperBound.rawValue
        if folders == nil, span.count - recorded.count <= lookUpsLeft {
            lookUpsLeft -= span.count - recorded.count
            return span.map { SnapshotOrdinal(rawValue: $0) }.filter { recorded[$0] == nil }
        }
        let listed = try self.listed()
        var found = listed.filter { ordinals.contains($0) && recorded[$0] == nil }
        if recorded[ordinals.lowerBound] == nil, found.first != ordinals.lowerBound {
            found.insert(ordinals.lowerBound, at: 0)
        }
        // What was taken since the list was made.
        let next = max((listed.last?.rawValue ?? 0) + 1, span.lowerBound + 1)
        if next < span.upperBound {
            found += (next..<span.upperBound).map { SnapshotOrdinal(rawValue: $0) }
                .filter { recorded[$0] == nil }
        }
        return found
    }

    private func listed() throws -> [SnapshotOrdinal] {
        if let folders { return folders }
        let folders = try reader().snapshotFolders()
        self.folders = folders
        return folders
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

internal import Catalog
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

/// The chunks that a volume's areas hold: from the catalog where they are recorded, else from the
/// store, as for the areas that still grow.
final class AreaMaps {
    private let context: ManagerContext
    let volume: VolumeRow
    private var openReader: StoreReader?
    /// Tells what has changed where no areas do.
    private var openInspector: (any VolumeInspector)?
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

    /// What an area holds; where the volume has no areas, what has changed since its snapshot.
    ///
    /// - Throws: `notFound` when there is none.
    func chunkMap(of ordinal: SnapshotOrdinal) throws -> ChunkMap {
        guard !volume.record.hasAreas else { return try reader().chunkMap(of: ordinal) }
        let inspector = try openInspector ?? context.inspector(volume)
        openInspector = inspector
        return try inspector.changes(since: ordinal)
    }

    /// The union of the chunks of some areas. Areas that are gone held nothing that anybody needs;
    /// only the first must be there, because a live snapshot owns it.
    func chunks(in ordinals: Range<SnapshotOrdinal>) throws -> ChunkSet {
        let maps = try maps(in: ordinals) {
            try storedMap($0, isRequired: $0 == ordinals.lowerBound)
        }
        return ChunkSet.union(maps.values.map(\.chunks))
    }

    /// The maps of some areas as the store has them now, for who reads what they lead to. The first must be
    /// there, as of ``chunks(in:)``.
    func stored(in ordinals: Range<SnapshotOrdinal>) throws -> [SnapshotOrdinal: ChunkMap] {
        var maps: [SnapshotOrdinal: ChunkMap] = [:]
        guard !ordinals.isEmpty else { return maps }
        for ordinal in try unrecorded(ordinals, [:]) {
            maps[ordinal] = try storedMap(ordinal, isRequired: ordinal == ordinals.lowerBound)
        }
        return maps
    }

    /// What each area of a stretch holds that is there and can be read.
    func readable(in ordinals: Range<SnapshotOrdinal>) throws -> [SnapshotOrdinal: ChunkSet] {
        try maps(in: ordinals) { ordinal in
            do {
                return try chunkMap(of: ordinal)
            } catch let problem as Problem where problem.code == .notFound || problem.isDamage {
                return nil
            }
        }.mapValues(\.chunks)
    }

    /// The maps of a stretch's areas, as far as there are such areas.
    ///
    /// - Parameter read: reads one of the store's; nil where there is none.
    private func maps(
        in ordinals: Range<SnapshotOrdinal>, _ read: (SnapshotOrdinal) throws -> ChunkMap?
    ) throws -> [SnapshotOrdinal: ChunkMap] {
        guard !ordinals.isEmpty else { return [:] }
        let last = SnapshotOrdinal(rawValue: ordinals.upperBound.rawValue - 1)
        let recorded = try context.catalog.chunkMaps(
            volume: volume.record.name, ordinals: ordinals.lowerBound...last)
        var maps = recorded
        for ordinal in try unrecorded(ordinals, recorded) { maps[ordinal] = try read(ordinal) }
        // Also those that were read just now: what they have taken over may have gone since.
        for ordinal in try extended(maps, ordinals) {
            do { maps[ordinal] = try read(ordinal) ?? maps[ordinal] } catch let problem as Problem
                where problem.code == .notFound
            { continue }
        }
        return maps
    }

    /// The areas that may have taken over what others held which have gone: those from the live snapshot
    /// before these on. What is recorded of them may be from before.
    private func extended(
        _ maps: [SnapshotOrdinal: ChunkMap], _ ordinals: Range<SnapshotOrdinal>
    ) throws -> [SnapshotOrdinal] {
        func count(_ range: Range<SnapshotOrdinal>) -> Int {
            range.upperBound.rawValue - range.lowerBound.rawValue
        }
        guard maps.count < count(ordinals) else { return [] }
        let live = try context.catalog.liveOrdinals(volume: volume.record.name, in: ordinals)
        let starts = [ordinals.lowerBound] + live.filter { $0 > ordinals.lowerBound }
        let present = maps.keys.sorted()
        var result: [SnapshotOrdinal] = []
        for (start, end) in zip(starts, starts.dropFirst() + [ordinals.upperBound]) {
            let first = present.lowestIndex { $0 >= start }
            let areas = present[first..<present.lowestIndex { $0 >= end }]
            if areas.count < count(start..<end) { result += areas }
        }
        return result
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
            return try chunkMap(of: ordinal)
        } catch let problem as Problem where problem.code == .notFound && !isRequired {
            return nil
        } catch let problem as Problem where problem.code == .corrupt {
            // It may be damaged when its snapshot is lost: what else the volume has is not.
            guard try reader().state().isLost(ordinal) else { throw problem }
            return nil
        }
    }
}

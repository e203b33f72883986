internal import System
internal import Catalog
internal import SnapshotModel
internal import StoreFormat

/// Where two states of a volume differ.
package struct DiffReport: Hashable, Sendable {
    package var from: String
    package var to: String
    /// Whether each range really was written between the two; after a revert it may have been
    /// written back.
    package var isExact: Bool
    /// Bytes of the volume, ascending, cut at the larger of both sizes.
    package var ranges: [Range<Int>]

    package var changedBytes: Int { ranges.reduce(0) { $0 + $1.count } }
}

extension DiffReport: JSONConvertible {
    package var json: JSONValue {
        [
            "from": JSONValue(from), "to": JSONValue(to),
            "changed_bytes": JSONValue(changedBytes), "exact": JSONValue(isExact),
            "ranges": .array(
                ranges.map {
                    ["offset": JSONValue($0.lowerBound), "length": JSONValue($0.count)]
                }),
        ]
    }
}

/// Compares two snapshots, or a snapshot and the volume as it reads now, without reading data. Either may be a
/// clone, too.
package struct DiffService {
    let context: ManagerContext

    /// - Parameter to: nil for the volume as it is; of a clone, for the snapshot that it began as.
    package func diff(_ from: String, _ to: String?) throws -> DiffReport {
        var start = try point(from)
        let to = to ?? base(of: start)
        var end = try point(to)
        guard start.volume == end.volume else {
            throw Problem(
                .usage,
                "\(from) and \(to) are of different volumes, \(start.volume) and "
                    + "\(end.volume)", hint: "name two snapshots of the same volume")
        }
        try Reconciler(context).tidy([start.volume])
        // A clone may lie elsewhere than the catalog knew.
        (start, end) = (try point(from), try point(to))
        for row in [start, end].compactMap(\.row) { try context.requireWhole(row) }
        let (older, newer) = start.ordinal <= end.ordinal ? (start, end) : (end, start)
        let volume = try context.volume(start.volume)
        return DiffReport(
            from: from, to: to, isExact: try isExact(volume, older, newer),
            ranges: try ranges(volume, older, newer))
    }
}

extension DiffService {
    /// A state of a volume: just before the area of this ordinal begins.
    private struct Point {
        /// Nil is the volume as it reads now.
        var row: SnapshotRow?
        var volume: String
        var ordinal: SnapshotOrdinal
        var takenAt: Timestamp
        var volumeBytes: Int
        /// Of a clone: it differs from the snapshot where it was written to.
        var clone: CloneRecord?
    }

    private func base(of point: Point) -> String {
        point.clone.map { "\($0.snapshotID)" } ?? "\(point.volume)@live"
    }

    private func point(_ reference: String) throws -> Point {
        guard let clone = try CloneService(context: context).find(reference) else {
            return try chainPoint(reference)
        }
        var point = try chainPoint("\(clone.record.snapshotID)")
        point.volumeBytes = clone.record.volumeBytes
        point.clone = clone.record
        return point
    }

    private func chainPoint(_ reference: String) throws -> Point {
        switch try ReferenceResolver(context).target(reference) {
        case .snapshot(let row):
            return Point(
                row: row, volume: row.volume, ordinal: row.ordinal, takenAt: row.takenAt,
                volumeBytes: row.volumeBytes)
        case .live(let name):
            let volume = try context.volume(name)
            return Point(
                volume: name, ordinal: volume.snapshotsSeen.next, takenAt: context.clock.now(),
                volumeBytes: volume.record.geometry.volumeBytes)
        case .set, .liveSet:
            throw Problem(
                .usage, "`\(reference)` is a set, and the other is not",
                hint: "compare two sets of one name, or their snapshots one by one")
        }
    }

    private func ranges(_ volume: VolumeRow, _ older: Point, _ newer: Point) throws -> [Range<Int>]
    {
        let maps = { AreaMaps(context, volume) }
        // A clone is as itself.
        if let clone = older.clone, clone == newer.clone { return [] }
        var chunks = try Self.changed(between: older.ordinal, newer.ordinal, maps)
        chunks = chunks.union(try written(volume, older.clone, newer.clone))
        var geometry = volume.record.geometry
        geometry.volumeBytes = max(older.volumeBytes, newer.volumeBytes)
        let tail = min(older.volumeBytes, newer.volumeBytes)..<geometry.volumeBytes
        if !tail.isEmpty { chunks = chunks.union(ChunkSet(geometry.chunks(touching: tail))) }
        return chunks.ranges.map { geometry.bytes(of: $0) }.filter { !$0.isEmpty }
    }

    /// What was written to clones, and differs for that.
    private func written(
        _ volume: VolumeRow, _ older: CloneRecord?, _ newer: CloneRecord?
    ) throws -> ChunkSet {
        guard older != nil || newer != nil else { return ChunkSet() }
        let reader = try context.reader(volume)
        if let older, let newer, older.snapshot == newer.snapshot {
            return try reader.differingChunks(of: older, and: newer)
        }
        return try [older, newer].compactMap(\.self).reduce(into: ChunkSet()) { chunks, clone in
            chunks = chunks.union(try reader.changedChunks(of: clone))
        }
    }

    /// The chunks that may differ between two states.
    static func changed(
        between older: SnapshotOrdinal, _ newer: SnapshotOrdinal, _ maps: () throws -> AreaMaps
    ) throws -> ChunkSet {
        guard older < newer else { return ChunkSet() }
        while true {
            let maps = try maps()
            let reader = try maps.reader()
            let unmerged = try reader.unmergedChanges(between: older, newer)
            let logged = try reader.loggedChunks()
            var chunks = try maps.chunks(in: older..<newer).union(unmerged.chunks)
            if !logged.isEmpty, let newest = try reader.newestOrdinal(),
                (older..<newer).contains(newest)
            {
                chunks = chunks.union(logged)
            }
            if try unmerged.areAll { return chunks }
        }
    }

    /// A revert between the two may have written back what was there before. A rebuilt catalog knows
    /// of ended reverts only by their safety snapshots.
    private func isExact(_ volume: VolumeRow, _ older: Point, _ newer: Point) throws -> Bool {
        guard
            try !context.catalog.hasSafetySnapshot(
                volume: volume.record.name, in: older.ordinal..<newer.ordinal)
        else { return false }
        return try !context.catalog.reverts(volume: volume.record.name).contains { revert in
            guard revert.state != nil else { return false }
            if let safety = try revert.safetySnapshot.flatMap({ try context.catalog.snapshot($0) })
            {
                return older.ordinal <= safety.ordinal && safety.ordinal < newer.ordinal
            }
            return older.takenAt <= revert.begunAt && revert.begunAt <= newer.takenAt
        }
    }
}

internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream

/// Which snapshots a stream holds, oldest first, and what of each.
struct SendPlan {
    private let context: ManagerContext
    let volume: VolumeRow
    let source: StreamVolume
    private(set) var steps: [Step]
    /// The snapshots that are read, with the one that they build on.
    let ids: Set<SnapshotID>

    /// One snapshot of a stream.
    struct Step {
        var snapshot: StreamSnapshot
        /// The base's id here.
        var base: SnapshotID?
        /// The bytes of the volume that are looked at.
        var changedBytes: Int
        /// The base's ordinal; nil for all of the snapshot.
        fileprivate var older: SnapshotOrdinal?
        fileprivate var olderBytes: Int
        /// What has changed, where that is little.
        fileprivate var chunks: ChunkSet?
        /// What is looked at in its place, of one that builds on what the sender does not have.
        fileprivate var ranges: [Range<Int>]?
    }

    /// So many stretches of chunks are remembered of all steps together, which are 8 MiB; what of others has changed
    /// is found again when it is sent, one step after the other, so that memory does not follow their number.
    private static let stretchesMaximum = 1 << 19

    /// - Parameters:
    ///   - base: nil for all of the one snapshot.
    ///   - first: without a base, an older snapshot that comes first, as a whole; what changed since then follows.
    init(
        _ context: ManagerContext, _ volume: VolumeRow, from base: SnapshotRow?,
        first: SnapshotRow? = nil, to last: SnapshotRow
    ) throws {
        self.context = context
        self.volume = volume
        let record = volume.record
        source = StreamVolume(
            uuid: record.uuid, name: record.name, chunkBytes: record.geometry.chunkBytes)
        let reader = try context.reader(volume)
        let manifests = try Self.ordinals(context, volume, base ?? first, last).map {
            try reader.manifest($0)
        }
        var steps: [Step] = []
        if base == nil, let manifest = manifests.first {
            steps.append(try Self.whole(manifest, record))
        }
        var stretches = 0
        for (older, newer) in zip(manifests, manifests.dropFirst()) {
            try context.end.check()
            var step = try Self.changes(context, volume, older, newer)
            stretches += step.chunks?.ranges.count ?? 0
            if stretches > Self.stretchesMaximum { step.chunks = nil }
            steps.append(step)
        }
        self.steps = steps
        ids = Set(manifests.map(\.id))
    }

    /// Has the first snapshot, which would be sent as a whole, build on one that only the receiver has.
    ///
    /// - Parameters:
    ///   - base: what that is known by.
    ///   - ranges: where the two differ, in bytes, ascending.
    mutating func anchor(at base: String, _ ranges: [Range<Int>]) {
        guard !steps.isEmpty, steps[0].snapshot.base == nil else { return }
        let snapshot = steps[0].snapshot
        // Nobody here knows its number and time there; they are for people.
        steps[0].snapshot.base = StreamBase(
            uuid: base, ordinal: snapshot.ordinal, takenAt: snapshot.takenAt)
        steps[0].ranges = ranges
        steps[0].changedBytes = ranges.map(\.count).clampedSum
    }

    /// Has the first snapshot begin at a place in the volume up to which the receiver has it.
    mutating func resume(at offset: Int) throws {
        guard let first = steps.first else { return }
        steps[0].snapshot.resumedAt = offset
        var bytes = 0
        try forEachRange(of: first) {
            bytes = bytes.addingClamped($0.clamped(to: offset..<Int.max).count)
        }
        steps[0].changedBytes = bytes
    }

    var totalBytes: Int { steps.map(\.changedBytes).clampedSum }

    /// The bytes of the volume that a step looks at, ascending.
    func forEachRange(of step: Step, _ body: (Range<Int>) throws -> Void) throws {
        guard let offset = step.snapshot.resumedAt else { return try forEachChange(of: step, body) }
        try forEachChange(of: step) { range in
            let rest = range.clamped(to: min(offset, range.upperBound)..<range.upperBound)
            if !rest.isEmpty { try body(rest) }
        }
    }

    private func forEachChange(of step: Step, _ body: (Range<Int>) throws -> Void) throws {
        if let ranges = step.ranges { return try ranges.forEach(body) }
        guard let older = step.older else { return try body(0..<step.snapshot.volumeBytes) }
        let geometry = Geometry(
            volumeBytes: step.snapshot.volumeBytes,
            chunkBytes: volume.record.geometry.chunkBytes)
        let chunks =
            try step.chunks
            ?? Self.chunks(
                context, volume, older..<step.snapshot.ordinal, step.olderBytes, geometry)
        for range in chunks.ranges {
            let bytes = geometry.bytes(of: range)
            if !bytes.isEmpty { try body(bytes) }
        }
    }

    private static func ordinals(
        _ context: ManagerContext, _ volume: VolumeRow, _ base: SnapshotRow?, _ last: SnapshotRow
    ) throws -> [SnapshotOrdinal] {
        guard let base else { return [last.ordinal] }
        let live = try context.catalog.liveOrdinals(
            volume: volume.record.name, in: base.ordinal..<last.ordinal.next
        ).sorted()
        guard live.first == base.ordinal, live.last == last.ordinal else {
            throw Problem(
                .refused, "snapshots of volume \(volume.record.name) were deleted meanwhile",
                hint: "see which there are: \(.list(volume.record.name))")
        }
        return live
    }

    private static func whole(
        _ manifest: SnapshotManifest, _ record: VolumeRecord
    ) throws -> Step {
        Step(
            snapshot: try snapshot(manifest, record, base: nil), base: nil,
            changedBytes: manifest.volumeBytes, olderBytes: 0)
    }

    private static func changes(
        _ context: ManagerContext, _ volume: VolumeRow, _ older: SnapshotManifest,
        _ newer: SnapshotManifest
    ) throws -> Step {
        let geometry = Geometry(
            volumeBytes: newer.volumeBytes, chunkBytes: volume.record.geometry.chunkBytes)
        let chunks = try chunks(
            context, volume, older.ordinal..<newer.ordinal, older.volumeBytes, geometry)
        return Step(
            snapshot: try snapshot(newer, volume.record, base: older), base: older.id,
            changedBytes: chunks.ranges.lazy.map { geometry.bytes(of: $0).count }.reduce(0) {
                $0.addingClamped($1)
            }, older: older.ordinal, olderBytes: older.volumeBytes, chunks: chunks)
    }

    /// What may have changed between two snapshots.
    private static func chunks(
        _ context: ManagerContext, _ volume: VolumeRow, _ ordinals: Range<SnapshotOrdinal>,
        _ olderBytes: Int, _ geometry: Geometry
    ) throws -> ChunkSet {
        let chunks = try DiffService.changed(between: ordinals.lowerBound, ordinals.upperBound) {
            AreaMaps(context, volume)
        }
        guard olderBytes < geometry.volumeBytes else { return chunks }
        let tail = geometry.chunks(touching: olderBytes..<geometry.volumeBytes)
        return chunks.union(ChunkSet(tail))
    }

    private static func snapshot(
        _ manifest: SnapshotManifest, _ record: VolumeRecord, base: SnapshotManifest?
    ) throws -> StreamSnapshot {
        StreamSnapshot(
            uuid: try SnapshotIdentity.uuid(of: manifest, in: record.uuid),
            ordinal: manifest.ordinal, id: manifest.id, takenAt: takenAt(manifest),
            volumeBytes: manifest.volumeBytes, kind: manifest.kind,
            // The memory of its VM stays here, and without that it is what a power cut leaves.
            consistency: manifest.consistency == .vm ? .crash : manifest.consistency,
            labels: manifest.labels,
            base: try base.map {
                StreamBase(
                    uuid: try SnapshotIdentity.uuid(of: $0, in: record.uuid), ordinal: $0.ordinal,
                    takenAt: takenAt($0))
            })
    }

    /// Of a copy, when it was taken where it comes from: here it may have come after later ones.
    private static func takenAt(_ manifest: SnapshotManifest) -> Timestamp {
        manifest.source?.takenAt ?? manifest.takenAt
    }
}

internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream

/// Which snapshots a stream holds, oldest first, and what of each.
struct SendPlan {
    let volume: VolumeRow
    let source: StreamVolume
    let steps: [Step]

    /// One snapshot of a stream.
    struct Step {
        var snapshot: StreamSnapshot
        /// The base's id here.
        var base: SnapshotID?
        /// Bytes of the volume, ascending.
        var ranges: [Range<Int>]

        var changedBytes: Int { ranges.map(\.count).clampedSum }
    }

    /// - Parameter base: nil for all of the one snapshot.
    init(
        _ context: ManagerContext, _ volume: VolumeRow, from base: SnapshotRow?,
        to last: SnapshotRow
    ) throws {
        self.volume = volume
        let record = volume.record
        source = StreamVolume(
            uuid: record.uuid, name: record.name, chunkBytes: record.geometry.chunkBytes)
        let reader = try context.reader(volume)
        let manifests = try Self.ordinals(context, volume, base, last).map {
            try reader.manifest($0)
        }
        var steps: [Step] = []
        if base == nil, let manifest = manifests.last {
            steps.append(try Self.whole(manifest, record))
        }
        for (older, newer) in zip(manifests, manifests.dropFirst()) {
            steps.append(try Self.changes(context, volume, older, newer))
        }
        self.steps = steps
    }

    var totalBytes: Int { steps.map(\.changedBytes).clampedSum }

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
            ranges: [0..<manifest.volumeBytes])
    }

    private static func changes(
        _ context: ManagerContext, _ volume: VolumeRow, _ older: SnapshotManifest,
        _ newer: SnapshotManifest
    ) throws -> Step {
        var chunks = try DiffService.changed(between: older.ordinal, newer.ordinal) {
            AreaMaps(context, volume)
        }
        let geometry = Geometry(
            volumeBytes: newer.volumeBytes, chunkBytes: volume.record.geometry.chunkBytes)
        if older.volumeBytes < newer.volumeBytes {
            let tail = geometry.chunks(touching: older.volumeBytes..<newer.volumeBytes)
            chunks = chunks.union(ChunkSet(tail))
        }
        return Step(
            snapshot: try snapshot(newer, volume.record, base: older), base: older.id,
            ranges: chunks.ranges.map { geometry.bytes(of: $0) }.filter { !$0.isEmpty })
    }

    private static func snapshot(
        _ manifest: SnapshotManifest, _ record: VolumeRecord, base: SnapshotManifest?
    ) throws -> StreamSnapshot {
        StreamSnapshot(
            uuid: try SnapshotIdentity.uuid(of: manifest, in: record.uuid),
            ordinal: manifest.ordinal, id: manifest.id, takenAt: manifest.takenAt,
            volumeBytes: manifest.volumeBytes, kind: manifest.kind,
            consistency: manifest.consistency, labels: manifest.labels,
            base: try base.map {
                StreamBase(
                    uuid: try SnapshotIdentity.uuid(of: $0, in: record.uuid), ordinal: $0.ordinal,
                    takenAt: $0.takenAt)
            })
    }
}

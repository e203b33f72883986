internal import Catalog
package import SnapshotModel

/// All snapshots of a volume at once, for whoever draws them.
package struct Timeline: Hashable, Sendable {
    package var volume: String
    /// Oldest first.
    package var snapshots: [SnapshotSummary]
    /// The snapshot that the volume's content descends from: what it was reverted to, when none was taken since; else
    /// the newest one.
    package var here: SnapshotID?
    /// In the order in which they were begun.
    package var reverts: [Revert]

    package struct Revert: Hashable, Sendable {
        package var id: RevertID
        package var begunAt: Timestamp
        /// It may be gone by now, as may the safety snapshot.
        package var snapshot: SnapshotID
        package var safety: SnapshotID?
        package var state: MergeState
    }
}

extension ListService {
    /// - Throws: `notFound` when there is no such volume.
    package func timeline(of volume: String) throws -> Timeline {
        _ = try context.volume(volume)
        var snapshots: [SnapshotSummary] = []
        try forEachPage(ListRequest(volumes: [volume])) { snapshots += $0 }
        let reverts = try context.catalog.reverts(volume: volume)
        return Timeline(
            volume: volume, snapshots: snapshots, here: Self.here(snapshots, reverts),
            reverts: reverts.compactMap { Timeline.Revert($0) })
    }

    private static func here(
        _ snapshots: [SnapshotSummary], _ reverts: [RevertRow]
    ) -> SnapshotID? {
        let newest = snapshots.max { $0.manifest.ordinal < $1.manifest.ordinal }
        let last = reverts.last { $0.state.map { $0 != .cancelled } ?? false }
        guard let last else { return newest?.id }
        guard let newest else { return last.snapshot }
        let isOlder = newest.manifest.takenAt <= last.begunAt || newest.id == last.safetySnapshot
        return isOlder ? last.snapshot : newest.id
    }
}

extension Timeline.Revert {
    /// Nil for one that is pending: nothing has come of it yet.
    fileprivate init?(_ row: RevertRow) {
        guard let state = row.state else { return nil }
        self.state = state
        id = row.id
        begunAt = row.begunAt
        snapshot = row.snapshot
        safety = row.safetySnapshot
    }
}

extension Timeline: JSONConvertible {
    private static func milliseconds(_ moment: Timestamp) -> Int64 {
        Int64(clamping: moment.nanosecondsSinceEpoch / 1_000_000)
    }

    /// A column for each field: a list of this length is read and drawn whole.
    package var json: JSONValue {
        func column(_ value: (SnapshotSummary) -> JSONValue) -> JSONValue {
            .array(snapshots.map(value))
        }
        return [
            "volume": JSONValue(volume), "count": JSONValue(snapshots.count),
            "here": JSONValue(here),
            "columns": [
                "id": column { JSONValue($0.id) },
                "taken_at_ms": column {
                    .integer(Self.milliseconds($0.manifest.takenAt))
                },
                "changed_bytes": column { JSONValue($0.changedBytes) },
                "kind": column { JSONValue($0.manifest.kind) },
                "state": column { JSONValue($0.state) },
                "name": column { JSONValue($0.manifest.name) },
                "set_id": column { JSONValue($0.manifest.setID) },
                "holds": column { JSONValue($0.holds) },
            ],
            "reverts": .array(
                reverts.map { revert in
                    [
                        "id": JSONValue(revert.id),
                        "at_ms": .integer(Self.milliseconds(revert.begunAt)),
                        "snapshot_id": JSONValue(revert.snapshot),
                        "safety_snapshot_id": JSONValue(revert.safety),
                        "state": JSONValue(revert.state),
                    ]
                }),
        ]
    }
}

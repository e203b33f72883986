internal import Catalog
package import SnapshotModel

/// One line of `list`.
package struct SnapshotSummary: Hashable, Sendable {
    package var manifest: SnapshotManifest
    package var volume: String
    package var changedBytes: Int?
    package var exclusiveBytes: Int?
    package var state: SnapshotState
    package var holds: Int
    /// What keeps it by the settings, and until when; nil when it was not asked for.
    package var retention: SnapshotRetention?

    init(_ row: SnapshotRow) {
        manifest = row.manifest
        volume = row.volume
        changedBytes = row.changedBytes
        exclusiveBytes = row.exclusiveBytes
        state = row.state
        holds = row.holds
    }

    package var id: SnapshotID { manifest.id }

    /// What keeps the snapshot; empty when the next prune deletes it, or it was not asked for.
    package var keptBy: [String] { retention?.keptBy ?? (holds > 0 ? ["hold"] : []) }
}

extension SnapshotSummary: JSONConvertible {
    package var json: JSONValue { .object(fields) }

    var fields: [JSONValue.Field] {
        let pairs: [(String, JSONValue)] = [
            ("id", JSONValue(manifest.id)), ("volume", JSONValue(volume)),
            ("name", JSONValue(manifest.name)), ("set_id", JSONValue(manifest.setID)),
            ("ordinal", JSONValue(manifest.ordinal.rawValue)),
            ("taken_at", JSONValue(manifest.takenAt)), ("kind", JSONValue(manifest.kind)),
            ("schedule", JSONValue(manifest.schedule)), ("tags", JSONValue(manifest.tags)),
            ("consistency", JSONValue(manifest.consistency)),
            ("changed_bytes", JSONValue(changedBytes)),
            ("exclusive_bytes", JSONValue(exclusiveBytes)), ("state", JSONValue(state)),
            ("holds", JSONValue(holds)), ("kept_by", JSONValue(keptBy)),
            ("expires_at", JSONValue(retention?.expiresAt)),
            ("note", JSONValue(manifest.note)),
        ]
        return pairs.map { JSONValue.Field(name: $0.0, value: $0.1) }
    }
}

/// A snapshot set, as `list --set` shows it.
package struct SetSummary: Hashable, Sendable {
    package var id: SetID
    package var name: String?
    package var createdAt: Timestamp
    package var snapshots: [SnapshotID]
    package var volumes: [String]
    /// For how long writes waited while it was taken; nil when it is not known.
    package var heldNanoseconds: Int64?
}

extension SetSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "id": JSONValue(id), "name": JSONValue(name), "created_at": JSONValue(createdAt),
            "volumes": JSONValue(volumes), "snapshots": .array(snapshots.map { JSONValue($0) }),
            "held_us": JSONValue(heldNanoseconds.map { $0 / 1000 }),
        ]
    }
}

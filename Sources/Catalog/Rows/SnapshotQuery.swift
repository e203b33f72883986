package import SnapshotModel

/// Which snapshots to list, and in which order. Unfinished creations are never listed.
package struct SnapshotQuery: Hashable, Sendable {
    /// What a list can be ordered by; equal ones come in the order of their ids.
    package enum Order: String, Sendable, CaseIterable {
        case id
        case volume
        case ordinal
        case takenAt = "taken_at"
        case name
        case kind
        case schedule
        case changedBytes = "changed_bytes"
        case exclusiveBytes = "exclusive_bytes"
    }

    /// The names of the volumes; empty means all.
    package var volumes: [String]
    package var name: String?
    package var set: SetID?
    package var order: Order
    package var isDescending: Bool
    /// The most rows to return; nil is no limit.
    package var limit: Int?
    /// How many rows to skip.
    package var offset: Int

    package init(
        volumes: [String] = [], name: String? = nil, set: SetID? = nil, order: Order = .takenAt,
        isDescending: Bool = false, limit: Int? = nil, offset: Int = 0
    ) {
        self.volumes = volumes
        self.name = name
        self.set = set
        self.order = order
        self.isDescending = isDescending
        self.limit = limit
        self.offset = offset
    }
}

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

    /// What snapshots must be like to be listed; all of it.
    package struct Filter: Hashable, Sendable {
        /// Words that each must have.
        package var tags: [String] = []
        /// A pattern of names, of `*`, `?` and `[a-z]`.
        package var namePattern: String?
        /// The same of the names of their sets.
        package var setNamePattern: String?
        package var kind: SnapshotKind?
        /// The moments at which the first and the last may have been taken.
        package var since: Timestamp?
        package var until: Timestamp?

        package init() {}
    }

    /// The names of the volumes; empty means all, unless sets are named.
    package var volumes: [String]
    /// The names of sets whose snapshots are listed as well.
    package var setNames: [String] = []
    package var name: String?
    package var set: SetID?
    package var filter: Filter
    package var order: Order
    package var isDescending: Bool
    /// The most rows to return; nil is no limit.
    package var limit: Int?
    /// How many rows to skip.
    package var offset: Int

    package init(
        volumes: [String] = [], name: String? = nil, set: SetID? = nil,
        filter: Filter = Filter(), order: Order = .takenAt, isDescending: Bool = false,
        limit: Int? = nil, offset: Int = 0
    ) {
        self.volumes = volumes
        self.name = name
        self.set = set
        self.filter = filter
        self.order = order
        self.isDescending = isDescending
        self.limit = limit
        self.offset = offset
    }
}

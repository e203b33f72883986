/// How a snapshot came to be.
package enum SnapshotKind: String, Sendable, Codable, CaseIterable {
    case manual
    case scheduled
    /// Taken by a revert, of the state that it left: what undoes the revert.
    case safety
    case mirror
}

/// What a snapshot may be trusted to hold.
package enum Consistency: String, Sendable, Codable, CaseIterable {
    case crash
    case fs
    case app
    case vm
}

/// Where a snapshot stands; the words of `list --json`.
package enum SnapshotState: String, Sendable, Codable, CaseIterable {
    /// The newest one: its area still grows.
    case active
    case frozen
    /// A merge is copying it to the origin.
    case merging
    /// Marked as deleted; its bytes are being freed.
    case deleting
    /// Its chain lost exceptions: never served.
    case broken
}

/// Everything that a store knows of one snapshot: the content of its manifest.
package struct SnapshotManifest: Hashable, Sendable, Codable {
    package var ordinal: SnapshotOrdinal
    package var id: SnapshotID
    /// The volume's size when the snapshot was taken, in bytes.
    package var volumeBytes: Int
    package var takenAt: Timestamp
    package var kind: SnapshotKind
    package var consistency: Consistency
    package var name: String?
    package var setID: SetID?
    package var setName: String?
    /// The UUIDs of all the volumes in the set, so that an incomplete set is recognized.
    package var setVolumes: [String]?
    package var schedule: String?
    /// The moment at which the schedule wanted it; the snapshot is taken at it or a little later.
    package var slot: Timestamp?
    package var tags: [String]
    package var note: String?
    /// The revert that took this safety snapshot.
    package var revertID: RevertID?
    /// Where a stream brought it from; nil when it was taken here.
    package var source: SnapshotSource?
    package var isDeleted: Bool
    /// The highest ids that the catalog had given out when this was written; a rebuilt catalog
    /// continues after the highest found, so that no id is ever used twice.
    package var idFloor: IDFloor

    package init(
        ordinal: SnapshotOrdinal, id: SnapshotID, volumeBytes: Int, takenAt: Timestamp,
        description: SnapshotDescription, isDeleted: Bool = false
    ) {
        self.ordinal = ordinal
        self.id = id
        self.volumeBytes = volumeBytes
        self.takenAt = takenAt
        self.kind = description.kind
        self.consistency = description.consistency
        self.name = description.name
        self.setID = description.setID
        self.setName = description.setName
        self.setVolumes = description.setVolumes
        self.schedule = description.schedule
        self.slot = description.slot
        self.tags = description.tags
        self.note = description.note
        self.revertID = description.revertID
        self.source = description.source
        self.isDeleted = isDeleted
        self.idFloor = description.idFloor
    }
}

/// The highest ids that a catalog had given out at some moment.
package struct IDFloor: Hashable, Sendable, Codable {
    package var snapshot: SnapshotID
    package var set: SetID
    package var revert: RevertID

    package init(
        snapshot: SnapshotID = SnapshotID(rawValue: 0), set: SetID = SetID(rawValue: 0),
        revert: RevertID = RevertID(rawValue: 0)
    ) {
        self.snapshot = snapshot
        self.set = set
        self.revert = revert
    }

    /// The higher of both, id by id.
    package func merged(with other: IDFloor) -> IDFloor {
        IDFloor(
            snapshot: max(snapshot, other.snapshot), set: max(set, other.set),
            revert: max(revert, other.revert))
    }
}

/// What the one who asks for a snapshot decides about it.
package struct SnapshotDescription: Hashable, Sendable, Codable {
    package var kind: SnapshotKind
    package var consistency: Consistency
    package var name: String?
    package var setID: SetID?
    package var setName: String?
    package var setVolumes: [String]?
    package var schedule: String?
    package var slot: Timestamp?
    package var tags: [String]
    package var note: String?
    package var revertID: RevertID?
    /// Where a stream brings it from.
    package var source: SnapshotSource?
    package var idFloor: IDFloor

    package init(
        kind: SnapshotKind = .manual, consistency: Consistency = .crash, name: String? = nil,
        setID: SetID? = nil, setName: String? = nil, setVolumes: [String]? = nil,
        schedule: String? = nil, slot: Timestamp? = nil, tags: [String] = [], note: String? = nil,
        revertID: RevertID? = nil, source: SnapshotSource? = nil, idFloor: IDFloor = IDFloor()
    ) {
        self.kind = kind
        self.consistency = consistency
        self.name = name
        self.setID = setID
        self.setName = setName
        self.setVolumes = setVolumes
        self.schedule = schedule
        self.slot = slot
        self.tags = tags
        self.note = note
        self.revertID = revertID
        self.source = source
        self.idFloor = idFloor
    }
}

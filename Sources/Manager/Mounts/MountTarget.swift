internal import SnapshotModel

/// What is to be mounted: a snapshot, or a clone of it.
struct MountTarget {
    var volume: String
    var snapshot: SnapshotID
    /// The clone's name; nil for the snapshot itself.
    var clone: String?
    /// Whether it cannot be written to.
    var isReadOnly = true

    /// As messages call it.
    var what: String {
        clone.map { "clone \($0) of volume \(volume)" }
            ?? "snapshot \(snapshot) of volume \(volume)"
    }

    var subject: MountPlan.Subject {
        .init(
            name: what, snapshot: snapshot, isClone: clone != nil && !isReadOnly,
            kept: isReadOnly ? clone : nil)
    }
}

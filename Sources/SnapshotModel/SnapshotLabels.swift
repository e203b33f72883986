/// What people write on a snapshot, and may write anew; and what it may be trusted to hold, which is known for certain
/// when it has been taken. Nothing else of a snapshot ever changes.
package struct SnapshotLabels: Hashable, Sendable, Codable {
    /// For `VOL@NAME`; nil is none.
    package var name: String?
    /// What it is for; nil is nothing.
    package var note: String?
    /// Words to find it by, in the order in which they were added.
    package var tags: [String]
    /// Nil leaves it as it is.
    package var consistency: Consistency?

    package init(name: String? = nil, note: String? = nil, tags: [String] = []) {
        self.name = name
        self.note = note
        self.tags = tags
    }
}

extension SnapshotManifest {
    package var labels: SnapshotLabels {
        get { SnapshotLabels(name: name, note: note, tags: tags) }
        set {
            (name, note, tags) = (newValue.name, newValue.note, newValue.tags)
            consistency = newValue.consistency ?? consistency
        }
    }
}

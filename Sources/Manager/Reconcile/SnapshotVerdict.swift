internal import Catalog
internal import SnapshotModel

/// What to do about a snapshot whose creation or deletion did not end. Pure.
enum SnapshotVerdict: Hashable, Sendable {
    /// The store has it: the catalog takes it over.
    case commit(SnapshotManifest)
    /// The store has a snapshot that must not be: it is taken over only to be deleted.
    case commitAndDelete(SnapshotManifest)
    /// The store never got it.
    case abandon
    /// The store still has it, as if nothing had been asked.
    case delete
    /// The store has marked it, and may not have freed all of it.
    case collect
    /// The store has freed it.
    case forget
    /// Another volume's store must be seen first.
    case wait

    /// Whether it ends what a deletion began.
    var endsDeletion: Bool {
        switch self {
        case .delete, .collect, .forget: true
        case .commit, .commitAndDelete, .abandon, .wait: false
        }
    }

    /// Whether all members of a set exist; nil when a store cannot be asked.
    typealias Completeness = Bool?

    init(row: SnapshotRow, manifest: SnapshotManifest?, isSetComplete: Completeness) {
        switch (row.phase, manifest) {
        case (.present, _): self = .wait
        case (.deleting, nil): self = .forget
        case (.deleting, let manifest?): self = manifest.isDeleted ? .collect : .delete
        case (.creating, nil): self = .abandon
        case (.creating, let manifest?):
            if manifest.isDeleted || isSetComplete == false {
                self = .commitAndDelete(manifest)
            } else {
                self = isSetComplete == nil ? .wait : .commit(manifest)
            }
        }
    }
}

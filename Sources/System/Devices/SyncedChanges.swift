internal import Synchronization

/// Which of a device's changes are durable: so that who asks for a sync when nothing has changed since the
/// last one does not wait for the disk, which would write its cache out all the same.
///
/// What others have changed, or somebody through another descriptor, is not known here: the first sync is
/// always made.
struct SyncedChanges: ~Copyable {
    /// How many changes have ended.
    private let changes = Atomic(0)
    /// So many of these were durable when a sync had ended; -1 before the first.
    private let durable = Atomic(-1)

    /// To be called when a change has ended, well or not, before anybody is told of it.
    func note() { changes.wrappingAdd(1, ordering: .sequentiallyConsistent) }

    /// Whether a sync would be made.
    var areSome: Bool {
        durable.load(ordering: .sequentiallyConsistent)
            < changes.load(ordering: .sequentiallyConsistent)
    }

    /// Syncs by `body`, unless all changes that have ended are durable. Whoever comes while another thread
    /// syncs makes a sync of his own: that one may have begun too early for him.
    func sync(_ body: () throws(IOFailure) -> Void) throws(IOFailure) {
        let count = changes.load(ordering: .sequentiallyConsistent)
        guard durable.load(ordering: .sequentiallyConsistent) < count else { return }
        try body()
        durable.max(count, ordering: .sequentiallyConsistent)
    }
}

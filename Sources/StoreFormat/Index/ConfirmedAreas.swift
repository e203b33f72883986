internal import System
internal import SnapshotModel

/// Of which of its areas somebody has seen that they are what a map of the index says. All copies of the
/// map share it.
final class ConfirmedAreas: Sendable {
    private let ordinals = Monitored<Set<SnapshotOrdinal>>([])

    func contains(_ ordinal: SnapshotOrdinal) -> Bool {
        ordinals.withLock { $0.contains(ordinal) }
    }

    func insert(_ ordinal: SnapshotOrdinal) { ordinals.withLock { _ = $0.insert(ordinal) } }
}

internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// What to do about a revert that did not end, as far as the catalog knows. Pure.
enum RevertVerdict: Hashable, Sendable {
    /// It goes on, and the catalog knows.
    case keep
    /// The store has begun it: the catalog takes it over.
    case commit
    /// The store has begun and ended it meanwhile.
    case commitAndFinish
    /// Another volume of its group was reverted: so must this one be.
    case rollForward
    /// The store never began it.
    case abandon
    /// Its merge has ended.
    case finish(MergeState)

    /// - Parameters:
    ///   - running: the revert that the store is merging now.
    ///   - ended: the last reverts whose merges have ended in this store. That an id is used up
    ///     there says nothing: it is when the revert is prepared.
    ///   - others: the volume's reverts, this one included.
    ///   - isGroupCommitted: whether another volume of the group was reverted.
    init(
        row: RevertRow, running: RevertRecord?, ended: [RevertID], others: [RevertRow],
        isGroupCommitted: Bool
    ) {
        let isRunning = running?.id == row.id
        if row.state != nil {
            self = isRunning ? .keep : .finish(Self.end(of: row, running: running, others: others))
        } else if isRunning {
            self = .commit
        } else if ended.contains(row.id) {
            self = .commitAndFinish
        } else {
            self = isGroupCommitted ? .rollForward : .abandon
        }
    }

    /// A merge in whose middle a later revert was committed was cancelled; else it ran to its end.
    /// Safe: every command records an ended merge before it begins another revert.
    private static func end(
        of row: RevertRow, running: RevertRecord?, others: [RevertRow]
    ) -> MergeState {
        let isDisplaced = others.contains { other in
            other.id > row.id && (other.state != nil || other.id == running?.id)
        }
        return isDisplaced ? .cancelled : .done
    }
}

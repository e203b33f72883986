/// One operation of a history. A pick is a number that chooses among what exists when the step is
/// performed, so that a history stays valid when steps are deleted from it.
enum HistoryStep: Hashable, Sendable {
    case write(cell: Int, count: Int, isForced: Bool)
    case zero(cell: Int, count: Int, isForced: Bool)
    case flush
    case snapshot
    /// A snapshot in the steps that sets of volumes are made of; taken back when `isUndone`.
    case setSnapshot(isUndone: Bool)
    case delete(pick: Int)
    case collect
    /// Areas of deleted snapshots are folded into older ones, at most so many chunks at a time.
    case fold(chunks: Int)
    case revert(pick: Int, withSafety: Bool)
    /// A revert in the steps that sets of volumes are made of; taken back when `isUndone`.
    case setRevert(pick: Int, isUndone: Bool)
    case merge(chunks: Int)
    case cancelMerge
    case pauseMerge
    case resumeMerge
    case openView(pick: Int)
    case closeView(pick: Int)
    /// The volume gets another size, chosen by the pick.
    case resize(pick: Int)
    /// A clone of a snapshot.
    case makeClone(pick: Int)
    /// A clone of a clone, which may be larger, or nobody's to write to.
    case makeCloneOfClone(pick: Int, isReadOnly: Bool, isLarger: Bool)
    /// Writes to a clone, or zeroes.
    case writeClone(pick: Int, cell: Int, count: Int, isForced: Bool, isZero: Bool)
    /// Flushed, or closed by its client.
    case flushClone(pick: Int, isClosed: Bool)
    /// Deleted; while a client has it open when `isOpen`, which is refused.
    case deleteClone(pick: Int, isOpen: Bool)
    /// Copied to a file of its own and deleted, as what becomes a volume; while a client has it open when `isOpen`,
    /// which is refused.
    case promoteClone(pick: Int, isOpen: Bool)
    /// A revert to a clone's snapshot with what was written to the clone, which may end with the merge; taken
    /// back when `isUndone`.
    case revertWith(pick: Int, withSafety: Bool, ends: Bool, isUndone: Bool)
    /// Opened again after a clean close, or (not clean) as after the process was killed.
    case reopen(isClean: Bool)
}

extension HistoryStep: CustomStringConvertible {
    var description: String {
        switch self {
        case .write(let cell, let count, let isForced):
            "write \(count) cells at \(cell)\(isForced ? ", fua" : "")"
        case .zero(let cell, let count, let isForced):
            "zero \(count) cells at \(cell)\(isForced ? ", fua" : "")"
        case .flush: "flush"
        case .snapshot: "snapshot"
        case .setSnapshot(let isUndone): "snapshot by steps\(isUndone ? ", rolled back" : "")"
        case .delete(let pick): "delete, pick \(pick)"
        case .collect: "collect"
        case .fold(let chunks): "fold, \(chunks) chunks at a time"
        case .revert(let pick, let withSafety):
            "revert, pick \(pick), \(withSafety ? "with" : "no") safety"
        case .setRevert(let pick, let isUndone):
            "revert by steps, pick \(pick)\(isUndone ? ", rolled back" : "")"
        case .merge(let chunks): "merge \(chunks) chunks"
        case .cancelMerge: "cancel the merge"
        case .pauseMerge: "pause the merge"
        case .resumeMerge: "resume the merge"
        case .openView(let pick): "open a view, pick \(pick)"
        case .closeView(let pick): "close a view, pick \(pick)"
        case .resize(let pick): "resize, pick \(pick)"
        case .makeClone(let pick): "clone, pick \(pick)"
        case .makeCloneOfClone(let pick, let isReadOnly, let isLarger):
            "clone a clone, pick \(pick)" + (isReadOnly ? ", read-only" : "")
                + (isLarger ? ", larger" : "")
        case .writeClone(let pick, let cell, let count, let isForced, let isZero):
            "\(isZero ? "zero" : "write") \(count) cells at \(cell) of a clone, pick \(pick)"
                + (isForced ? ", fua" : "")
        case .flushClone(let pick, let isClosed):
            "\(isClosed ? "close" : "flush") a clone, pick \(pick)"
        case .deleteClone(let pick, let isOpen):
            "delete a clone\(isOpen ? " that is open" : ""), pick \(pick)"
        case .promoteClone(let pick, let isOpen):
            "promote a clone\(isOpen ? " that is open" : ""), pick \(pick)"
        case .revertWith(let pick, let withSafety, let ends, let isUndone):
            "revert with a clone, pick \(pick), \(withSafety ? "with" : "no") safety"
                + (ends ? ", ending it" : "") + (isUndone ? ", rolled back" : "")
        case .reopen(let isClean): isClean ? "close and open" : "kill and open"
        }
    }
}

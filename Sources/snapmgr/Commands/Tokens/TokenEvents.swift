import Manager
import SnapshotModel

extension CommandContext {
    /// Has the event log tell of a change of tokens. What was done stays done when it cannot, and that is said.
    func log(_ kind: EventKind, _ message: String, _ manager: Manager?) {
        do {
            try manager?.events.note(kind, message)
        } catch {
            terminal.note("the event log does not tell of it: \(Problem(error).message)")
        }
    }
}

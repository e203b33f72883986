internal import System
package import SnapshotModel
internal import StoreFormat
internal import Synchronization

/// A clone that nobody writes to as long as it is held, so that it can be copied as it is at one moment.
package final class CloneHold: Sendable {
    package let clone: LiveClone
    private let open: OpenClone
    private let engine: LiveEngine
    private let isHeld = Atomic<Bool>(true)

    init(_ open: OpenClone, engine: LiveEngine) {
        clone = open.clone
        self.open = open
        self.engine = engine
    }

    deinit { close() }

    /// Lets it be written to again.
    package func close() {
        guard isHeld.exchange(false, ordering: .relaxed) else { return }
        engine.release(clone)
        open.close()
    }
}

extension LiveEngine {
    /// Has nobody write to a clone until the hold is closed; what was written is durable.
    ///
    /// - Throws: as ``openClone(_:readOnly:)``; `refused` while a client has it open for writing.
    package func holdClone(_ name: String) throws(Problem) -> CloneHold {
        let open = try openClone(name, readOnly: true)
        let clone = open.clone
        try chainLock.during { () throws(Problem) in
            let record = clone.record
            let writers = cloneTable.withLock { $0.open[record.ordinal]?.writers ?? 0 }
            guard writers == 0 else { throw copyProblem(record, writers) }
            cloneTable.withLock { $0.holds[record.ordinal, default: 0] += 1 }
            do throws(Problem) { _ = try clone.freeze() } catch {
                release(clone)
                throw error
            }
        }
        return CloneHold(open, engine: self)
    }

    fileprivate func release(_ clone: LiveClone) {
        let ordinal = clone.record.ordinal
        cloneTable.withLock { table in
            let count = table.holds[ordinal, default: 0] - 1
            table.holds[ordinal] = count > 0 ? count : nil
            if !table.isFrozen(ordinal), !table.going.contains(ordinal) { clone.thaw() }
        }
    }

    /// Removes a clone that is held, with what was written to it, durably, and ends the hold.
    ///
    /// - Returns: the bytes that its area occupied.
    /// - Throws: as ``deleteClone(_:)``; the hold goes on then.
    package func deleteClone(_ hold: CloneHold) throws(Problem) -> Int {
        let bytes = try deleteClone(hold.clone.record.name, heldBy: hold)
        hold.close()
        return bytes
    }

    private func copyProblem(_ clone: CloneRecord, _ count: Int) -> Problem {
        Problem(
            .refused,
            "\(title(of: clone)) is open for writing: \(count) \(count == 1 ? "client has" : "clients have") "
                + "it open over NBD, and a copy would be of no one moment",
            hint: "unmount it in the client or stop the VM, then try again")
    }
}

internal import SnapshotModel
internal import StoreFormat
internal import Synchronization
internal import System
internal import VirtualMachines

/// A VM's memory on its way into a store: QEMU writes into a pipe, a thread reads it, compresses it, and writes it.
final class MachineMemory: Sendable {
    private let pipe: DataPipe
    private let thread: BackgroundThread
    private let outcome: MemoryOutcome

    /// - Parameters:
    ///   - id: the snapshot whose store gets it.
    ///   - patienceMilliseconds: how long nothing may come.
    ///   - shares: how many VMs share the room in the store.
    init(
        of machine: String, into store: Store, _ id: SnapshotID, patienceMilliseconds: Int,
        shares: Int = 1
    ) throws {
        let file = try store.makeState(id, machine)
        // A store that is full loses snapshots.
        let limitBytes = try store.freeBytes() / 2 / max(1, shares)
        let pipe = try DataPipe()
        self.pipe = pipe
        let outcome = MemoryOutcome()
        self.outcome = outcome
        thread = try BackgroundThread.startIfPossible(name: "snapmgr-memory") {
            outcome.set(
                Result { () throws(Problem) in
                    let writer = try MachineStateWriter(file, limitBytes: limitBytes)
                    let end = PipeEnd(
                        pipe.reader, path: "the VM's memory",
                        patienceMilliseconds: patienceMilliseconds, isOver: { outcome.isGivenUp })
                    try writer.add(from: end)
                    return try writer.finish()
                })
            // QEMU gives up at once when nobody reads any more.
            if outcome.problem != nil { pipe.closeReader() }
        }
    }

    deinit {
        outcome.giveUp()
        pipe.closeWriter()
        thread.join()
    }

    /// Why it came to nothing, as far as that is known.
    var problem: Problem? { outcome.problem }

    /// Where QEMU writes to.
    var writer: Int32 { pipe.writer }

    /// QEMU has a descriptor of its own by now.
    func handedOver() { pipe.closeWriter() }

    /// Waits until all that QEMU wrote is durable.
    func finish() throws(Problem) -> StoredMachineState {
        pipe.closeWriter()
        thread.join()
        return try outcome.get()
    }

    /// Ends it; what was written is of no use.
    func abandon() {
        outcome.giveUp()
        pipe.closeWriter()
        thread.join()
        pipe.closeReader()
    }
}

/// What became of it, between two threads.
private final class MemoryOutcome: Sendable {
    private let result = Mutex<Result<StoredMachineState, Problem>?>(nil)
    private let givenUp = Atomic(false)

    var isGivenUp: Bool { givenUp.load(ordering: .relaxed) }
    func giveUp() { givenUp.store(true, ordering: .relaxed) }
    func set(_ value: Result<StoredMachineState, Problem>) { result.withLock { $0 = value } }

    var problem: Problem? {
        if case .failure(let problem) = result.withLock({ $0 }) { return problem }
        return nil
    }

    func get() throws(Problem) -> StoredMachineState {
        guard let value = result.withLock({ $0 }) else {
            throw Problem(.failed, "the memory of the VM was not written")
        }
        return try value.get()
    }
}

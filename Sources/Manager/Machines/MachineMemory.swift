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
    ///   - file: new and empty.
    ///   - patienceMilliseconds: how long nothing may come.
    init(into file: any BlockDevice, patienceMilliseconds: Int) throws {
        let pipe = try DataPipe()
        self.pipe = pipe
        let outcome = MemoryOutcome()
        self.outcome = outcome
        thread = try BackgroundThread.startIfPossible(name: "snapmgr-memory") {
            outcome.set(
                Result { () throws(Problem) in
                    let writer = try MachineStateWriter(file)
                    let end = PipeEnd(
                        pipe.reader, path: "the VM's memory",
                        patienceMilliseconds: patienceMilliseconds, isOver: { outcome.isGivenUp })
                    try writer.add(from: end)
                    return try writer.finish()
                })
        }
    }

    deinit {
        outcome.giveUp()
        pipe.closeWriter()
        thread.join()
    }

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

    func get() throws(Problem) -> StoredMachineState {
        guard let value = result.withLock({ $0 }) else {
            throw Problem(.failed, "the memory of the VM was not written")
        }
        return try value.get()
    }
}

internal import SnapshotModel
internal import Synchronization
internal import System
internal import VirtualMachines

/// A VM's memory on its way back: a thread reads it from the store, and QEMU reads it from a pipe.
final class MachineFeed: Sendable {
    private let pipe: DataPipe
    private let thread: BackgroundThread
    private let progress: FeedProgress

    /// - Parameter patienceMilliseconds: how long QEMU may read nothing.
    init(_ memory: MachineStateReader, patienceMilliseconds: Int) throws {
        let pipe = try DataPipe()
        let progress = FeedProgress()
        (self.pipe, self.progress) = (pipe, progress)
        thread = try BackgroundThread.startIfPossible(name: "snapmgr-memory") {
            let result: Result<Void, Problem> = Result { () throws(Problem) in
                let end = PipeEnd(
                    pipe.writer, path: "QEMU's end of a pipe",
                    patienceMilliseconds: patienceMilliseconds, isOver: { progress.isGivenUp })
                try memory.write(to: end)
            }
            progress.end(result)
            pipe.closeWriter()
        }
    }

    deinit {
        progress.giveUp()
        pipe.closeReader()
        thread.join()
    }

    /// Where QEMU reads from.
    var reader: Int32 { pipe.reader }

    /// QEMU has a descriptor of its own by now.
    func handedOver() { pipe.closeReader() }

    /// What was wrong with the memory, as far as it was read.
    var problem: Problem? { progress.problem }
}

/// How far it is, between two threads.
private final class FeedProgress: Sendable {
    private let failure = Mutex<Problem?>(nil)
    private let givenUp = Atomic(false)

    var isGivenUp: Bool { givenUp.load(ordering: .relaxed) }
    func giveUp() { givenUp.store(true, ordering: .relaxed) }

    func end(_ result: Result<Void, Problem>) {
        if case .failure(let problem) = result { failure.withLock { $0 = problem } }
    }

    var problem: Problem? { failure.withLock { $0 } }
}

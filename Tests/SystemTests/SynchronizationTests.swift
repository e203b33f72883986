import System
import Synchronization
import TestKit
import Testing

@Suite("Locks between threads and processes")
struct SynchronizationTests {
    @Test("a file lock keeps others out until it goes")
    func fileLock() throws {
        let temporary = TemporaryFolder()
        let path = temporary.path + "/lock"
        var first = try FileLock.acquire(path: path)
        #expect(first != nil)
        #expect(try FileLock.acquire(path: path) == nil)
        first = nil
        #expect(try FileLock.acquire(path: path) != nil)
        #expect(throws: IOFailure.self) { try FileLock.acquire(path: path + "/missing/lock") }
        _ = first
    }

    @Test("a closed gate waits for those inside, and keeps all others out")
    func gate() {
        let gate = Gate()
        let inside = Atomic(0)
        let passed = Atomic(0)
        let held = Atomic(0)
        let sawOthers = Atomic(false)
        WorkerThreads.run(4) { thread in
            for _ in 0..<500 {
                if thread == 0 {
                    gate.close()
                    if inside.load(ordering: .sequentiallyConsistent) != 0 {
                        sawOthers.store(true, ordering: .relaxed)
                    }
                    held.wrappingAdd(1, ordering: .relaxed)
                    gate.open()
                } else {
                    gate.pass {
                        inside.wrappingAdd(1, ordering: .sequentiallyConsistent)
                        passed.wrappingAdd(1, ordering: .relaxed)
                        inside.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    }
                }
            }
        }
        let (holds, passes) = (held.load(ordering: .relaxed), passed.load(ordering: .relaxed))
        #expect(holds == 500 && passes == 1500)
        let isBroken = sawOthers.load(ordering: .relaxed)
        #expect(!isBroken)
    }

    @Test("a monitor's waiters wake by a broadcast, or when their time is over")
    func monitor() {
        let monitor = Monitor()
        #expect(monitor.withLock { monitor.wait(milliseconds: 5) } == false)
        let ready = Atomic(0)
        WorkerThreads.run(3) { thread in
            monitor.lock()
            defer { monitor.unlock() }
            ready.wrappingAdd(1, ordering: .relaxed)
            monitor.broadcast()
            while ready.load(ordering: .relaxed) < 3 { monitor.wait() }
        }
        let count = ready.load(ordering: .relaxed)
        #expect(count == 3)
    }
}

import System
import Glibc
import TestKit
import Testing

/// The ranks of locks, as all tests have them checked: what is out of order ends a process.
@Suite(.enabled(if: LockOrder.isChecked, "SNAPMGR_CHECKS_LOCKS is not set"))
struct LockOrderTests {
    @Test("locks are taken from the top down, and again when they were given back")
    func inOrder() {
        let (chain, list, value) = (WorkLock(.chain), Monitored(0, .list), Monitored(0))
        for _ in 0..<2 {
            chain.during { list.withLock { list in value.withLock { list += $0 } } }
            value.withLock { $0 += 1 }
        }
        #expect(list.withLock { $0 } == 1)
    }

    @Test("a turn that is taken under a lower one ends the process")
    func turns() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            let (chain, steering) = (WorkLock(.chain), WorkLock(.steering))
            steering.during { chain.during {} }
        }
    }

    @Test("one of two locks of the same rank that is taken under the other ends the process")
    func alike() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            let (one, other) = (Monitored(1), Monitored(2))
            one.withLock { one in other.withLock { $0 = one } }
        }
    }

    @Test("a turn that one thread takes and another gives back is checked when it is taken")
    func handedOver() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            let (chain, steering) = (WorkLock(.chain), WorkLock(.steering))
            steering.during { chain.take() }
        }
    }

    @Test("what is read from a file under a list's lock ends the process")
    func fileUnderList() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            let list = Monitored(0, .list)
            let folder = FileFolder(path: "/")
            try list.withLock { _ in _ = try folder.exists("etc") }
        }
    }

    @Test("what is read from a simulated disk under a list's lock ends the process")
    func simulatedUnderList() async {
        await #expect(processExitsWith: .signal(SIGABRT)) {
            let (list, disk) = (Monitored(0, .list), SimulatedDisk())
            try list.withLock { _ in _ = try disk.exists("etc") }
        }
    }

    @Test("another machine's part is played without the locks of this one")
    func elsewhere() {
        let (chain, steering) = (WorkLock(.chain), WorkLock(.steering))
        let result = steering.during { LockOrder.elsewhere { chain.during { 7 } } }
        #expect(result == 7)
    }
}

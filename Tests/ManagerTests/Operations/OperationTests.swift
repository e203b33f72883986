import Catalog
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

@Suite struct OperationTests {
    private let over = Deadline(milliseconds: 0)

    @Test("an operation whose time is over says so; that somebody wanted its end comes first")
    func reasons() throws {
        let cancellation = Cancellation()
        let end = Operation(cancellation: cancellation, deadline: over).end
        #expect(end.isDue && end.problem == OperationEnd.timeIsOver)
        #expect(throws: OperationEnd.timeIsOver) { try end.check() }
        #expect(end.patience(milliseconds: 1000) == 0)
        cancellation.request()
        #expect(end.problem == Cancellation.problem)
        let patient = Operation(deadline: Deadline(milliseconds: 3_600_000)).end
        #expect(!patient.isDue && patient.problem == nil)
        #expect(patient.patience(milliseconds: 1000) == 1000)
    }

    @Test("a cancellation within another is requested with that one, and wakes who waits for it")
    func within() {
        let outer = Cancellation()
        let inner = Cancellation(within: outer)
        let woken = Monitored(0)
        inner.onRequest { woken.change { $0 += 1 } }
        #expect(!inner.isRequested)
        outer.request()
        #expect(inner.isRequested && woken.withLock { $0 } == 1)
        let other = Cancellation()
        Cancellation(within: other).request()
        #expect(!other.isRequested)
    }

    @Test("the deadline ends the wait for a merge, which goes on later")
    func mergeDeadline() throws {
        let merges = try LongMerge(["a": 4096])
        let run = merges.start(
            "a", Operation(clock: merges.fixture.clock, deadline: Deadline(milliseconds: 300)))
        #expect(run.end() == OperationEnd.timeIsOver)
        let manager = merges.fixture.manager
        #expect(try manager.merges.status([]).map(\.volume) == ["a"])
        _ = try manager.merges.throttle(["a"], bytesPerSecond: nil)
        #expect(try manager.merges.resume(["a"]).isEmpty)
    }

    @Test("the deadline ends an export, and no file is left")
    func exportDeadline() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let id = try fixture.snapshot("a")[0]
        let late = fixture.manager.performing(Operation(clock: fixture.clock, deadline: over))
        #expect(throws: OperationEnd.timeIsOver) {
            try late.exports.export("\(id)", to: fixture.folder + "/out")
        }
        #expect(try FileFolder(path: fixture.folder).list("").allSatisfy { !$0.hasPrefix("out") })
    }

    @Test("the deadline ends checks, prunes, deletions and sets before they change anything")
    func otherDeadlines() throws {
        let fixture = try ManagerFixture()
        for volume in ["a", "b"] { try fixture.makeVolume(volume) }
        let ids = try fixture.snapshot("a", "b")
        let late = fixture.manager.performing(Operation(clock: fixture.clock, deadline: over))
        #expect(throws: OperationEnd.timeIsOver) {
            try late.checks.check([], readsData: false, repairs: false)
        }
        #expect(throws: OperationEnd.timeIsOver) { try late.pruning.prune([], isDryRun: false) }
        #expect(throws: OperationEnd.timeIsOver) {
            try late.deletions.delete([ids[0].description], isDryRun: false)
        }
        #expect(throws: OperationEnd.timeIsOver) {
            try late.snapshots.take(TakeRequest(volumes: ["a", "b"]))
        }
        #expect(try fixture.list().map(\.id) == ids)
    }

    @Test("the deadline ends the wait for another command's lock")
    func lockDeadline() throws {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("a")
        let lock = try FileLock.acquire(path: fixture.options.state.lockPath(volume: "a"))
        defer { withExtendedLifetime(lock) {} }
        let late = fixture.manager.performing(Operation(clock: fixture.clock, deadline: over))
        #expect(throws: OperationEnd.timeIsOver) {
            try late.snapshots.take(TakeRequest(volumes: ["a"]))
        }
    }

    @Test("who finds a volume locked is told by which process, for what and for whom")
    func holder() throws {
        let merges = try LongMerge(["a": 4096])
        let anna = Requester(userID: 0, userName: "root", sudoUser: "anna")
        let run = merges.start("a", Operation(requester: anna, clock: merges.fixture.clock))
        _ = run.hasBegun()
        let problem = #expect(throws: Problem.self) {
            try merges.fixture.manager.snapshots.take(TakeRequest(volumes: ["a"]))
        }
        #expect(problem?.code == .locked)
        #expect(problem?.message.contains("(merge resume for anna (as root))") == true)
        for job in merges.fixture.manager.jobs.jobs {
            try merges.fixture.manager.jobs.cancel(job.id)
        }
        _ = run.end()
    }
}

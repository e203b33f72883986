import Catalog
import SnapshotModel
import Testing

@testable import Manager

@Suite struct JobTests {
    @Test(
        "of two requests in one process one is cancelled by its job's id, and the other goes on to its end"
    )
    func cancelOne() throws {
        let merges = try LongMerge(["a": 4096, "b": 128 << 10])
        let manager = merges.fixture.manager
        let anna = Requester(userID: 0, userName: "root", sudoUser: "anna")
        let first = merges.start("a", Operation(requester: anna, clock: merges.fixture.clock))
        let second = merges.start("b", Operation(clock: merges.fixture.clock))
        _ = first.hasBegun()
        let job = try #require(manager.jobs.jobs.first { $0.volumes == ["a"] })
        try manager.jobs.cancel(job.id)
        #expect(first.end() == Cancellation.problem)
        #expect(second.end() == nil)
        #expect(try manager.merges.status([]).map(\.volume) == ["a"])
        #expect(try merges.fixture.catalog().reverts(volume: "b").map(\.state) == [.done])
        _ = try manager.merges.throttle(["a"], bytesPerSecond: nil)
        #expect(try manager.merges.resume(["a"]).isEmpty)
    }

    @Test(
        "a job says what it is, of which volumes, for whom, since when, how far, and whether it can end"
    )
    func facts() throws {
        let merges = try LongMerge(["a": 4096])
        let jobs = merges.fixture.manager.jobs
        #expect(jobs.jobs.isEmpty)
        let anna = Requester(userID: 1000, userName: "anna")
        let clock = merges.fixture.clock
        let before = clock.now()
        let run = merges.start("a", Operation(requester: anna, clock: clock))
        let progress = run.hasBegun()
        let job = try #require(jobs.jobs.first)
        #expect(jobs.jobs.count == 1)
        #expect(job.kind == .mergeResume && job.volumes == ["a"] && job.requester == anna)
        #expect(job.since > before && job.since < clock.now())
        #expect(job.isCancellable)
        #expect(progress?.activity == .merging && progress?.volume == "a")
        guard case .bytes(let bytes) = job.progress?.amount else {
            Issue.record("a job that merges counts bytes")
            return
        }
        #expect(bytes.doneBytes > 0 && bytes.totalBytes == 64 * 4096)
        try jobs.cancel(job.id)
        // It goes on until it sees that.
        #expect(jobs.jobs.allSatisfy { !$0.isCancellable })
        #expect(run.end() == Cancellation.problem)
        #expect(jobs.jobs.isEmpty)
    }

    @Test(
        "an id is never given to a second job, of whatever manager, and one that has ended is not found"
    )
    func ids() throws {
        let fixture = try ManagerFixture()
        let boards = [JobBoard(), JobBoard()]
        var ids: [Job.ID] = []
        for board in boards + boards {
            try board.run(.prune, [], Operation()) { operation in
                ids.append(try #require(operation.job).id)
                #expect(board.jobs.map(\.id) == [ids[ids.count - 1]])
            }
        }
        #expect(ids == ids.sorted() && Set(ids).count == ids.count)
        for id in ids {
            #expect(throws: Problem.self) { try fixture.manager.jobs.cancel(id) }
        }
    }

    @Test("what a job does in its turn is a part of it, and has its id")
    func nested() throws {
        let fixture = try ManagerFixture()
        let context = ManagerContext(catalog: try fixture.catalog(), options: fixture.options)
        try context.asJob(.tick) { tick in
            try tick.asJob(.prune) { _ in #expect(context.jobs.jobs.map(\.kind) == [.tick]) }
        }
        #expect(context.jobs.jobs.isEmpty)
    }

    @Test("a use case that fails leaves no job behind")
    func failure() throws {
        let fixture = try ManagerFixture()
        #expect(throws: Problem.self) {
            try fixture.manager.pruning.prune(["none"], isDryRun: true)
        }
        #expect(throws: Problem.self) {
            try fixture.manager.snapshots.take(TakeRequest(volumes: ["none"]))
        }
        #expect(fixture.manager.jobs.jobs.isEmpty)
    }
}

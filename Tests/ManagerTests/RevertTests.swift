import System
import Catalog
import MergeKit
import SnapshotModel
import Testing

@testable import Manager

@Suite struct RevertTests {
    private func fixture(_ volumes: [String]) throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        for volume in volumes {
            try fixture.makeVolume(volume)
            try fixture.write(1, to: 0..<8, of: volume)
        }
        return fixture
    }

    private func ignore(_ volume: String, _ progress: TransferProgress) {}

    @Test("a revert can be undone, and keeps every other snapshot")
    func undo() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        let before = try fixture.content(of: "a")
        try fixture.write(2, to: 4..<12, of: "a")
        let after = try fixture.content(of: "a")
        let preview = try fixture.manager.reverts.revert(
            "1", RevertOptions(isDryRun: true), onProgress: ignore)
        #expect(preview.items.first?.planBytes == 8 * 4096)
        #expect(try fixture.list().count == 1)
        let report = try fixture.manager.reverts.revert("1", RevertOptions(), onProgress: ignore)
        let item = try #require(report.items.first)
        #expect(item.state == .done)
        #expect(item.planBytes == 8 * 4096)
        #expect(try fixture.content(of: "a") == before)
        let safety = try #require(item.safety)
        _ = try fixture.manager.reverts.revert("\(safety)", RevertOptions(), onProgress: ignore)
        #expect(try fixture.content(of: "a") == after)
        #expect(try fixture.list().count == 3)
        #expect(try fixture.manager.diffs.diff("a@1", "a@live").isExact == false)
    }

    @Test("a revert to what the volume is already does nothing")
    func nothingToDo() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        let report = try fixture.manager.reverts.revert("1", RevertOptions(), onProgress: ignore)
        #expect(report.items.map(\.state) == [.done])
        #expect(report.items.map(\.id) == [nil])
        #expect(try fixture.list().count == 1)
    }

    @Test("a merge that was left is seen, resumed and cancelled")
    func merges() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        let old = try fixture.content(of: "a")
        try fixture.write(2, to: 0..<8, of: "a")
        let new = try fixture.content(of: "a")
        let options = RevertOptions(waits: false)
        _ = try fixture.manager.reverts.revert("1", options, onProgress: ignore)
        let merge = try #require(try fixture.manager.merges.status(["a"]).first)
        #expect(merge.progress.planBytes == 8 * 4096)
        #expect(try fixture.content(of: "a") == old)
        let refusal = #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("1", options, onProgress: ignore)
        }
        #expect(refusal?.code == .refused)
        let dry = try fixture.manager.merges.cancel("a", isDryRun: true) { _ in }
        #expect(dry.items.first?.state == nil)
        let report = try fixture.manager.merges.cancel("a", isDryRun: false) { _ in }
        #expect(report.items.first?.state == .done)
        #expect(try fixture.content(of: "a") == new)
        #expect(try fixture.catalog().reverts(volume: "a").map(\.state) == [.cancelled, .done])
        _ = try fixture.manager.reverts.revert("1", options, onProgress: ignore)
        #expect(try fixture.manager.merges.resume(["a"]) { _, _ in }.isEmpty)
        #expect(try fixture.content(of: "a") == old)
    }

    @Test("a merge cannot be cancelled once a later snapshot exists")
    func cancelRefused() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        try fixture.write(2, to: 0..<8, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false), onProgress: ignore)
        try fixture.snapshot("a")
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.merges.cancel("a", isDryRun: true) { _ in }
        }
        #expect(problem?.code == .refused)
    }

    @Test("of two operations of one manager one is stopped, and the other goes on to its end")
    func twoOperations() throws {
        let fixture = try fixture(["a", "b"])
        try fixture.snapshot("a", "b")
        let limits = ["a": 4096, "b": 128 << 10]
        for (volume, limit) in limits {
            try fixture.write(2, to: 0..<ManagerFixture.chunkCount, of: volume)
            _ = try fixture.manager.reverts.revert(
                volume == "a" ? "1" : "2", RevertOptions(waits: false), onProgress: ignore)
            _ = try fixture.manager.merges.throttle([volume], bytesPerSecond: limit)
        }
        let moved = Monitored<Set<String>>([])
        func operation(_ volume: String) throws -> (Cancellation, () -> Problem?) {
            let cancellation = Cancellation()
            let manager = fixture.manager.performing(
                Operation(clock: fixture.clock, cancellation: cancellation))
            let problem = Monitored<Problem?>(nil)
            let thread = BackgroundThread.start(name: "operation-\(volume)") {
                do {
                    _ = try manager.merges.resume([volume]) { name, progress in
                        if progress.doneBytes > 0 { moved.change { _ = $0.insert(name) } }
                    }
                } catch { problem.withLock { $0 = Problem(error) } }
            }
            return (
                cancellation,
                {
                    thread.join()
                    return problem.withLock { $0 }
                }
            )
        }
        let (stopFirst, endOfFirst) = try operation("a")
        let (_, endOfSecond) = try operation("b")
        let _: Bool? = moved.wait { $0.contains("a") ? true : nil }
        stopFirst.request()
        #expect(endOfFirst() == Cancellation.problem)
        #expect(endOfSecond() == nil)
        #expect(try fixture.manager.merges.status([]).map(\.volume) == ["a"])
        #expect(try fixture.catalog().reverts(volume: "b").map(\.state) == [.done])
        _ = try fixture.manager.merges.throttle(["a"], bytesPerSecond: nil)
        #expect(try fixture.manager.merges.resume(["a"]) { _, _ in }.isEmpty)
    }

    @Test("a set is reverted in all its volumes, and its safety snapshots are a set that undoes it")
    func set() throws {
        let fixture = try fixture(["a", "b"])
        try fixture.snapshot("a", "b")
        for volume in ["a", "b"] { try fixture.write(2, to: 0..<4, of: volume) }
        let changed = try fixture.content(of: "a")
        let report = try fixture.manager.reverts.revert(
            "set:1", RevertOptions(), onProgress: ignore)
        #expect(report.items.map(\.volume) == ["a", "b"])
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume)[0] == 1) }
        _ = try fixture.manager.reverts.revert("set:2", RevertOptions(), onProgress: ignore)
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume) == changed) }
    }

    @Test("when one volume of a set cannot be reverted, none is")
    func allOrNothing() throws {
        let fixture = try fixture(["a", "b"])
        try fixture.snapshot("a", "b")
        for volume in ["a", "b"] { try fixture.write(2, to: 0..<4, of: volume) }
        fixture.sessions.fail("b") { $0.isCommit }
        #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("set:1", RevertOptions(), onProgress: ignore)
        }
        fixture.sessions.heal()
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume)[0] == 2, "\(volume)") }
        #expect(try fixture.list().map(\.id.rawValue) == [1, 2])
        #expect(try fixture.catalog().unfinishedReverts().isEmpty)
    }
}

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

    @Test("a revert can be undone, and keeps every other snapshot")
    func undo() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        let before = try fixture.content(of: "a")
        try fixture.write(2, to: 4..<12, of: "a")
        let after = try fixture.content(of: "a")
        let preview = try fixture.manager.reverts.revert(
            "1", RevertOptions(isDryRun: true))
        #expect(preview.items.first?.planBytes == 8 * 4096)
        #expect(try fixture.list().count == 1)
        let report = try fixture.manager.reverts.revert("1", RevertOptions())
        let item = try #require(report.items.first)
        #expect(item.state == .done)
        #expect(item.planBytes == 8 * 4096)
        #expect(try fixture.content(of: "a") == before)
        let safety = try #require(item.safety)
        _ = try fixture.manager.reverts.revert("\(safety)", RevertOptions())
        #expect(try fixture.content(of: "a") == after)
        #expect(try fixture.list().count == 3)
        #expect(try fixture.manager.diffs.diff("a@1", "a@live").isExact == false)
    }

    @Test("a revert to what the volume is already does nothing")
    func nothingToDo() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        let report = try fixture.manager.reverts.revert("1", RevertOptions())
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
        _ = try fixture.manager.reverts.revert("1", options)
        let merge = try #require(try fixture.manager.merges.status(["a"]).first)
        #expect(merge.progress.planBytes == 8 * 4096)
        #expect(try fixture.content(of: "a") == old)
        let refusal = #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("1", options)
        }
        #expect(refusal?.code == .refused)
        let dry = try fixture.manager.merges.cancel("a", isDryRun: true)
        #expect(dry.items.first?.state == nil)
        let report = try fixture.manager.merges.cancel("a", isDryRun: false)
        #expect(report.items.first?.state == .done)
        #expect(try fixture.content(of: "a") == new)
        #expect(try fixture.catalog().reverts(volume: "a").map(\.state) == [.cancelled, .done])
        _ = try fixture.manager.reverts.revert("1", options)
        #expect(try fixture.manager.merges.resume(["a"]).isEmpty)
        #expect(try fixture.content(of: "a") == old)
    }

    @Test("a merge cannot be cancelled once a later snapshot exists")
    func cancelRefused() throws {
        let fixture = try fixture(["a"])
        try fixture.snapshot("a")
        try fixture.write(2, to: 0..<8, of: "a")
        _ = try fixture.manager.reverts.revert("1", RevertOptions(waits: false))
        try fixture.snapshot("a")
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.merges.cancel("a", isDryRun: true)
        }
        #expect(problem?.code == .refused)
    }

    @Test("a set is reverted in all its volumes, and its safety snapshots are a set that undoes it")
    func set() throws {
        let fixture = try fixture(["a", "b"])
        try fixture.snapshot("a", "b")
        for volume in ["a", "b"] { try fixture.write(2, to: 0..<4, of: volume) }
        let changed = try fixture.content(of: "a")
        let report = try fixture.manager.reverts.revert(
            "set:1", RevertOptions())
        #expect(report.items.map(\.volume) == ["a", "b"])
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume)[0] == 1) }
        _ = try fixture.manager.reverts.revert("set:2", RevertOptions())
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume) == changed) }
    }

    @Test("when one volume of a set cannot be reverted, none is")
    func allOrNothing() throws {
        let fixture = try fixture(["a", "b"])
        try fixture.snapshot("a", "b")
        for volume in ["a", "b"] { try fixture.write(2, to: 0..<4, of: volume) }
        fixture.sessions.fail("b") { $0.isCommit }
        #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("set:1", RevertOptions())
        }
        fixture.sessions.heal()
        for volume in ["a", "b"] { #expect(try fixture.content(of: volume)[0] == 2, "\(volume)") }
        #expect(try fixture.list().map(\.id.rawValue) == [1, 2])
        #expect(try fixture.catalog().unfinishedReverts().isEmpty)
    }
}

import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager
import MergeKit
import Catalog

/// What is written on snapshots, and is written anew.
@Suite struct LabelTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    private func labels(_ manager: Manager? = nil) throws -> [SnapshotLabels] {
        try fixture.list(manager).map(\.manifest.labels)
    }

    @discardableResult
    private func modify(
        _ references: String..., name: String? = nil, note: String? = nil, tags: [String] = [],
        untag: [String] = [], isDryRun: Bool = false
    ) throws -> LabelReport {
        try fixture.manager.labels.modify(
            LabelRequest(
                references, name: name, note: note, addedTags: tags, removedTags: untag,
                isDryRun: isDryRun))
    }

    @Test("an empty tag is refused, and what a terminal obeys is shown escaped")
    func words() throws {
        #expect(SnapshotLabels(note: "a\nb", tags: ["c\u{1b}d"]).words.contains("\n") == false)
        #expect(SnapshotLabels(tags: ["c\u{1b}d"]).words.contains("\u{1b}") == false)
        try fixture.snapshot("a", name: "first")
        let problem = #expect(throws: Problem.self) { try modify("a@first", tags: [""]) }
        #expect(problem?.code == .usage)
    }

    @Test("name, note and tags change, each alone, and an empty text takes one away")
    func changes() throws {
        try fixture.snapshot("a", name: "first")
        try modify("a@first", note: "why", tags: ["b", "a", "b"])
        #expect(
            try labels() == [SnapshotLabels(name: "first", note: "why", tags: ["b", "a"])])
        let report = try modify("1", name: "second", tags: ["c"], untag: ["b", "none"])
        let wanted = SnapshotLabels(name: "second", note: "why", tags: ["a", "c"])
        #expect(report.snapshots.map(\.manifest.labels) == [wanted])
        #expect(report.changed.map(\.rawValue) == [1])
        #expect(try labels() == [wanted])
        #expect(try fixture.manager.details.show("a@second").summary.id.rawValue == 1)
        try modify("1", name: "", note: "", untag: ["a", "c"])
        #expect(try labels() == [SnapshotLabels()])
    }

    @Test("the store has it, so that a catalog that is rebuilt has it, too")
    func rebuilt() throws {
        try fixture.snapshot("a")
        try fixture.snapshot("a")
        try modify("1", name: "old", note: "n", tags: ["t"])
        let before = try labels()
        _ = try RebuildService(fixture.options).rebuild(store: nil)
        #expect(try labels(fixture.nextCommand()) == before)
        #expect(before.first == SnapshotLabels(name: "old", note: "n", tags: ["t"]))
        // What is taken and deleted later leaves it alone.
        try fixture.snapshot("a")
        _ = try fixture.manager.deletions.delete(["2"], isDryRun: false)
        #expect(try labels().first == before.first)
    }

    @Test("what says it already, and a dry run, change nothing")
    func unchanged() throws {
        try fixture.snapshot("a", name: "first")
        #expect(try modify("1", name: "first").changed.isEmpty)
        let events = try fixture.catalog().events(limit: 1000).count
        let report = try modify("1", name: "other", isDryRun: true)
        #expect(report.isDryRun && report.changed.count == 1)
        #expect(report.snapshots.map(\.manifest.name) == ["other"])
        #expect(try labels().map(\.name) == ["first"])
        #expect(try fixture.catalog().events(limit: 1000).count == events)
    }

    @Test("a name is there once in a volume, whoever gives it")
    func once() throws {
        try fixture.makeVolume("b")
        try fixture.snapshot("a", "b", name: "same")
        let id = try fixture.snapshot("a")[0]
        func expectTaken(_ body: () throws -> Void) {
            let problem = #expect(throws: Problem.self) { try body() }
            #expect(problem?.code == .exists)
            #expect(problem?.message.contains("snapshot 1 of volume a") == true)
        }
        expectTaken { try modify("\(id)", name: "same") }
        expectTaken { try modify("\(id)", name: "same", isDryRun: true) }
        expectTaken { try fixture.snapshot("a", name: "same") }
        expectTaken { try fixture.snapshot("b", "a", name: "same") }
        #expect(try fixture.list().count == 3, "nothing was taken")
        try modify("1", name: "")
        try modify("\(id)", name: "same")
        _ = try fixture.manager.deletions.delete(["\(id)"], isDryRun: false)
        try fixture.snapshot("a", name: "same")
    }

    @Test("a set stands for its snapshots, of which each volume's gets the name")
    func sets() throws {
        try fixture.makeVolume("b")
        let ids = try fixture.snapshot("a", "b")
        let set = try #require(try fixture.manager.lists.sets().first).id
        try modify("set:\(set)", name: "both", tags: ["keep"])
        let wanted = SnapshotLabels(name: "both", tags: ["keep"])
        #expect(try labels() == [wanted, wanted])
        try fixture.snapshot("a")
        let problem = #expect(throws: Problem.self) { try modify("\(ids[0])", "3", name: "x") }
        #expect(problem?.code == .usage)
        #expect(try labels().map(\.name) == ["both", "both", nil])
    }

    @Test("what cannot be written is refused before anything is")
    func refused() throws {
        try fixture.snapshot("a")
        let long = String(repeating: "x", count: 2000)
        let many = (0..<2000).map { "t\($0)" }
        for body: () throws -> Void in [
            { try modify("1", name: "2h") }, { try modify("1", name: "a b") },
            { try modify("1", note: long) }, { try modify("1", tags: [long]) },
            { try modify("1", tags: many) }, { try modify("1", tags: ["t"], untag: ["t"]) },
        ] {
            #expect(throws: Problem.self) { try body() }
        }
        #expect(try labels() == [SnapshotLabels()])
        let missing = #expect(throws: Problem.self) { try modify("1", "7", tags: ["t"]) }
        #expect(missing?.code == .notFound)
        #expect(try labels() == [SnapshotLabels()])
    }

    @Test("what would make a record that nobody can read is refused, and the volume goes on")
    func tooMuch() throws {
        let before = SnapshotLabels(tags: ["first"])
        try fixture.snapshot("a")
        try modify("1", tags: before.tags)
        // Each is short enough, and so is their number.
        let tags = (0..<1023).map { "\($0)" + String(repeating: "x", count: 1020) }
        let changed = #expect(throws: Problem.self) { try modify("1", tags: tags) }
        #expect(changed?.code == .refused)
        let taken = #expect(throws: Problem.self) {
            try fixture.manager.snapshots.take(TakeRequest(volumes: ["a"], tags: tags))
        }
        #expect(taken?.code == .refused)
        #expect(try labels() == [before])
        try fixture.write(1, to: 0..<2, of: "a")
        try fixture.snapshot("a")
        #expect(try labels(fixture.nextCommand()) == [before, SnapshotLabels()])
        #expect(try fixture.catalog().unfinished(volume: "a").isEmpty)
    }

    @Test("whoever asks a server is bound by what commands are")
    func impossible() throws {
        let id = try fixture.snapshot("a")[0]
        let long = String(repeating: "x", count: 2000)
        for labels in [
            SnapshotLabels(name: "a/b"), SnapshotLabels(note: long), SnapshotLabels(tags: [long]),
        ] {
            let problem = #expect(throws: Problem.self) {
                try fixture.withEngine("a") { try $0.label(id, labels) }
            }
            #expect(problem?.code == .refused)
        }
        #expect(try fixture.withEngine("a") { $0.snapshots().count } == 1, "it opens")
    }

    @Test(
        "a label that was cut, of a snapshot whose record cannot be read, keeps nobody from others")
    func unreadable() throws {
        let id = try fixture.snapshot("a")[0]
        try fixture.catalog().beginLabelling(id)
        let store = FileFolder(path: fixture.storePath("a"))
        let record = StoreLayout.snapshotFolder(SnapshotOrdinal(rawValue: 1)) + "/manifest.json"
        let saved = try store.readFile(record, limitBytes: 1 << 16)
        try store.writeFile(record, [1, 2, 3])
        _ = try fixture.manager.holds.hold("1", owner: "me", reason: "audit", until: nil)
        #expect(try fixture.catalog().volumes().first?.labelling == id)
        try store.writeFile(record, saved)
        try fixture.snapshot("a")
        #expect(try fixture.catalog().volumes().first?.labelling == nil)
    }

    @Test("a volume that somebody has open, and who cannot be asked, is locked")
    func locked() throws {
        try fixture.snapshot("a")
        _ = try fixture.withEngine("a") { _ in
            let problem = #expect(throws: Problem.self) { try modify("1", tags: ["t"]) }
            #expect(problem?.code == .locked)
        }
        #expect(try labels() == [SnapshotLabels()])
    }

    @Test("what a killed command has written in the store alone, the next one takes over")
    func killed() throws {
        let ids = try [fixture.snapshot("a")[0], fixture.snapshot("a")[0]]
        func leave(_ labels: SnapshotLabels) throws {
            try fixture.catalog().beginLabelling(ids[0])
            try fixture.withEngine("a") { try $0.label(ids[0], labels) }
        }
        try leave(SnapshotLabels(name: "new", tags: ["t"]))
        let found = try fixture.manager.checks.check([], readsData: false, repairs: false)
        #expect(found.damageCount == 0, "nothing is damaged that the next command finishes")
        let problem = #expect(throws: Problem.self) { try modify("2", name: "new") }
        #expect(problem?.code == .exists)
        #expect(try labels().first == SnapshotLabels(name: "new", tags: ["t"]))
        #expect(fixture.notes.all.count == 1)
        try leave(SnapshotLabels())
        try fixture.snapshot("a", name: "new")
        #expect(try labels().map(\.name) == [nil, nil, "new"])
        // Or it was cut before it wrote anything, or the snapshot has gone since.
        try fixture.catalog().beginLabelling(ids[1])
        try modify("2", note: "n")
        try fixture.catalog().beginLabelling(ids[1])
        _ = try fixture.manager.deletions.delete(["2"], isDryRun: false)
        try fixture.snapshot("a")
        #expect(try fixture.catalog().volumes().allSatisfy { $0.labelling == nil })
    }

    @Test("where one volume of several cannot be changed, it is told what was")
    func partly() throws {
        try fixture.makeVolume("b")
        let ids = try fixture.snapshot("a", "b")
        _ = try fixture.withEngine("b") { _ in
            let problem = #expect(throws: Problem.self) {
                try modify("\(ids[0])", "\(ids[1])", tags: ["t"])
            }
            #expect(problem?.code == .partial)
            #expect(problem?.message.contains("1 of 2 snapshots were changed (\(ids[0]))") == true)
        }
        #expect(try labels().map(\.tags) == [["t"], []])
    }

    @Test("what a killed command has written in the store alone is found by a check")
    func cut() throws {
        let id = try fixture.snapshot("a")[0]
        try fixture.withEngine("a") { try $0.label(id, SnapshotLabels(name: "new")) }
        #expect(try labels().map(\.name) == [nil])
        let report = try fixture.manager.checks.check(["a"], readsData: false, repairs: false)
        #expect(!report.items.isEmpty)
        _ = try fixture.manager.checks.check(["a"], readsData: false, repairs: true)
        #expect(try labels().map(\.name) == ["new"])
    }
}

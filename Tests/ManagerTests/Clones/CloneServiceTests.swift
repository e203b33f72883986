import Catalog
import Foundation
import Glibc
import MergeKit
import Scheduler
import Settings
import SnapshotModel
import StoreFormat
import System
import Testing

@testable import Manager

struct CloneServiceTests {
    private func fixture() throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        try fixture.write(1, to: 0..<8, of: "data")
        try fixture.snapshot("data")
        return fixture
    }

    private func names(_ manager: Manager) throws -> [String] {
        try manager.clones.list([]).map(\.record.name)
    }

    @Test("A clone is made, listed with what it occupies, and deleted; a dry run changes nothing")
    func lifeCycle() throws {
        let fixture = try fixture()
        let clones = fixture.manager.clones
        let dry = try clones.create("1", name: "trial", isDryRun: true)
        #expect(dry.isDryRun)
        #expect(try names(fixture.manager) == [])
        let made = try clones.create("data@1", name: "trial", isDryRun: false)
        #expect(made.clone?.record.snapshotID.rawValue == 1)
        let listed = try #require(clones.list(["data"]).first)
        #expect(listed.state == .ready)
        #expect(listed.storeBytes != nil)
        #expect(try clones.delete("trial", isDryRun: true).isDryRun)
        #expect(try names(fixture.manager) == ["trial"])
        _ = try clones.delete("data@trial", isDryRun: false)
        #expect(try names(fixture.manager) == [])
        let none = #expect(throws: Problem.self) { try clones.delete("trial", isDryRun: false) }
        #expect(none?.code == .notFound)
    }

    @Test("A clone that a cut command has made is in the catalog after the next command")
    func cutCreation() throws {
        let fixture = try fixture()
        try fixture.catalog().beginCloning(volume: "data", name: "trial")
        try fixture.withEngine("data") {
            _ = try $0.createClone(
                CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "trial"))
        }
        let next = try fixture.nextCommand()
        #expect(throws: (any Error).self) { try next.deletions.delete(["1"], isDryRun: false) }
        #expect(try names(next) == ["trial"])
        #expect(try fixture.catalog().volume(named: "data")?.cloning == nil)
    }

    @Test("Whoever only looks after a cut command sees what the store has")
    func lookAfterCut() throws {
        let fixture = try fixture()
        try fixture.catalog().beginCloning(volume: "data", name: "trial")
        try fixture.withEngine("data") {
            _ = try $0.createClone(
                CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "trial"))
        }
        #expect(try names(fixture.nextCommand()) == ["trial"])
        #expect(fixture.notes.all.contains { $0.contains("clone trial") })
    }

    @Test("A clone that a cut command has deleted is out of the catalog after the next command")
    func cutDeletion() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        try fixture.catalog().beginCloning(volume: "data", name: "trial")
        try fixture.withEngine("data") { _ = try $0.deleteClone("trial") }
        let next = try fixture.nextCommand()
        _ = try next.deletions.delete(["1"], isDryRun: false)
        #expect(try names(next) == [])
    }

    @Test("The catalog alone keeps a cloned snapshot from being marked as deleted")
    func catalogPins() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        let error = #expect(throws: CatalogError.self) {
            try fixture.catalog().markDeleting([SnapshotID(rawValue: 1)])
        }
        #expect(error?.code == .held)
        #expect(error?.hint.remedies == [.cloneDelete("trial")])
    }

    @Test("A volume with clones is not removed, unless its store stays")
    func removal() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        let problem = #expect(throws: Problem.self) {
            try fixture.manager.volumes.remove("data", keepsStore: false, isDryRun: false)
        }
        #expect(problem?.code == .refused)
        _ = try fixture.manager.volumes.remove("data", keepsStore: true, isDryRun: false)
        #expect(try names(fixture.manager) == [])
        _ = try RebuildService(fixture.options).rebuild(store: fixture.storePath("data"))
        #expect(try names(fixture.nextCommand()) == ["trial"])
    }

    @Test("Names of volumes, snapshots and clones do not meet")
    func names() throws {
        let fixture = try fixture()
        try fixture.makeVolume("other")
        try fixture.snapshot("other", name: "before")
        let clones = fixture.manager.clones
        _ = try clones.create("1", name: "trial", isDryRun: false)
        for (reference, name) in [("1", "other"), ("2", "trial"), ("2", "before"), ("1", "trial")] {
            let problem = #expect(throws: Problem.self) {
                try clones.create(reference, name: name, isDryRun: true)
            }
            #expect(problem?.code == .exists, "\(name)")
        }
        // A name of another volume's snapshot is no export's.
        #expect(try clones.create("1", name: "before", isDryRun: true).isDryRun)
        #expect(throws: Problem.self) { try fixture.makeVolume("trial") }
        #expect(throws: Problem.self) { try fixture.snapshot("data", name: "trial") }
    }

    @Test("A check finds a catalog that knows other clones than the store, and mends it")
    func comparison() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        try fixture.catalog().setClones(volume: "data", [])
        let report = try fixture.manager.checks.check([], readsData: false, repairs: false)
        #expect(report.items.contains { $0.finding.object == "clone trial" })
        _ = try fixture.manager.checks.check([], readsData: false, repairs: true)
        #expect(try names(fixture.manager) == ["trial"])
        #expect(
            try fixture.manager.checks.check([], readsData: true, repairs: false).damageCount == 0)
    }

    @Test("A prune spares a snapshot that a clone reads from, and says why")
    func retention() throws {
        let fixture = try fixture()
        for byte in 2...4 {
            try fixture.write(UInt8(byte), to: 0..<8, of: "data")
            try fixture.snapshot("data")
        }
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        #expect(try fixture.manager.details.show("1").clones == ["trial"])
        let policy = NamedPolicy(
            name: "test",
            policy: RetentionPolicy(rules: [.last(.atMost(1))], appliesToManual: true))
        var options = fixture.options
        options.operation.settings = SettingsSource {
            Settings(defaults: SettingsDefaults(policy: policy, freeSpaceFloor: .bytes(0)))
        }
        let manager = try Manager(options)
        let report = try manager.pruning.prune([], isDryRun: false, explains: true)
        #expect(report.volumes.first?.kept.first?.retention.keptBy == ["clone"])
        #expect(report.volumes.first?.removed.map(\.id.rawValue) == [2, 3])
        #expect(try fixture.list().map(\.id.rawValue) == [1, 4])
        _ = try manager.clones.delete("trial", isDryRun: false)
        #expect(
            try manager.pruning.prune([], isDryRun: false).volumes.first?.removed.map(\.id.rawValue)
                == [1])
    }

    @Test("A revert takes a clone's content, and the catalog follows when the clone ends with it")
    func revertsWith() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        try fixture.withEngine("data") { engine in
            let open = try engine.openClone("trial")
            defer { open.close() }
            let bytes = [UInt8](repeating: 7, count: ManagerFixture.chunkBytes)
            try open.clone.write(bytes.span.bytes, at: 0)
        }
        try fixture.write(2, to: 0..<8, of: "data")
        let options = RevertOptions(
            waits: false, clone: CloneUse(name: "data@trial", ends: true))
        let report = try fixture.manager.reverts.revert("1", options)
        #expect(report.items.first?.clone?.name == "trial")
        #expect(try fixture.content(of: "data").prefix(3) == [7, 1, 1])
        #expect(try fixture.manager.clones.list([]).first?.state == .merging)
        _ = try fixture.manager.merges.resume([])
        try fixture.withEngine("data") {
            while try $0.mergeStep(byteLimit: 1 << 20) == .progressed {}
        }
        let next = try fixture.nextCommand()
        #expect(try names(next) == [])
        #expect(try next.checks.check([], readsData: true, repairs: false).damageCount == 0)
        _ = try next.deletions.delete(["1"], isDryRun: false)
    }

    @Test("A set, and a clone of another volume, are refused in words")
    func refusedReverts() throws {
        let fixture = try fixture()
        try fixture.makeVolume("other")
        try fixture.snapshot("data", "other", name: "both")
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        let options = RevertOptions(clone: CloneUse(name: "trial", ends: false))
        let set = #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("set:1", options)
        }
        #expect(set?.code == .usage)
        #expect(set?.message.contains("set") == true)
        let other = #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert("other@both", options)
        }
        #expect(other?.code == .refused)
        let none = #expect(throws: Problem.self) {
            try fixture.manager.reverts.revert(
                "1", RevertOptions(clone: CloneUse(name: "none", ends: false)))
        }
        #expect(none?.code == .notFound)
    }

    @Test("A promotion that was cut leaves the clone whole, and says what to do")
    func cutPromotion() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        let path = "\(fixture.folder)/trial.img"
        // The image has been written, the volume made, and the clone not deleted.
        _ = try fixture.manager.exports.export("trial", to: path)
        let row = try fixture.manager.clones.clone("trial")
        try fixture.manager.volumes.create(
            CreateRequest(
                name: "trial", originPath: path, chunkBytes: ManagerFixture.chunkBytes),
            replacing: row)
        let problem = #expect(throws: Problem.self) {
            try fixture.nextCommand().clones.promote(
                "trial", PromoteOptions(originPath: "\(fixture.folder)/other.img"))
        }
        #expect(problem?.code == .exists)
        #expect(problem?.hint?.remedies.contains(.cloneDelete("trial")) == true)
        #expect(try names(fixture.manager) == ["trial"])
        #expect(try fixture.content(of: "trial").prefix(9) == [1, 1, 1, 1, 1, 1, 1, 1, 0])
        _ = try fixture.manager.clones.delete("trial", isDryRun: false)
        #expect(try fixture.content(of: "trial").prefix(9) == [1, 1, 1, 1, 1, 1, 1, 1, 0])
    }

    @Test("A promotion that cannot make its volume leaves no image, and the clone")
    func failedPromotion() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        // Its store would be here.
        let store = fixture.storePath("trial")
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
        try Data("strange".utf8).write(to: URL(filePath: store + "/strange"))
        let path = "\(fixture.folder)/own.img"
        #expect(throws: (any Error).self) {
            try fixture.manager.clones.promote("trial", PromoteOptions(originPath: path))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try names(fixture.nextCommand()) == ["trial"])
    }
}

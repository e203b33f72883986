import Catalog
import Foundation
import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import Testing

@testable import Manager

@Suite("Clones of clones, as commands make them")
struct CloneLayerServiceTests {
    /// A volume with snapshot 1, and the clone `trial` of it that is 7 in its first chunk.
    private func fixture() throws -> ManagerFixture {
        let fixture = try ManagerFixture()
        try fixture.makeVolume("data")
        try fixture.write(1, to: 0..<8, of: "data")
        try fixture.snapshot("data")
        _ = try fixture.manager.clones.create("1", name: "trial", isDryRun: false)
        try write(7, chunk: 0, "trial", fixture)
        return fixture
    }

    private func write(
        _ value: UInt8, chunk: Int, _ name: String, _ fixture: ManagerFixture
    ) throws {
        try fixture.withEngine("data") { engine in
            let open = try engine.openClone(name)
            defer { open.close() }
            let bytes = [UInt8](repeating: value, count: ManagerFixture.chunkBytes)
            try open.clone.write(bytes.span.bytes, at: chunk * ManagerFixture.chunkBytes)
        }
    }

    @Test(
        "A clone of a clone is listed with its parent, and the catalog has all that the store says")
    func listed() throws {
        let fixture = try fixture()
        let clones = fixture.manager.clones
        let dry = try clones.create("trial", name: "next", isDryRun: true)
        #expect(dry.isDryRun && dry.parent == "trial")
        let volume = try #require(clones.list([]).first?.record.volumeBytes)
        let made = try clones.create(
            "data@trial", name: "next", byteCount: volume + 512, isReadOnly: true, isDryRun: false)
        #expect(made.parent == "trial")
        let list = try clones.list(["data"])
        #expect(list.map(\.record.name) == ["next", "trial"])
        let next = try #require(list.first)
        #expect(next.record.parent == "trial" && next.record.isReadOnly)
        #expect(next.record.volumeBytes == volume + 512)
        #expect(next.layerBytes > 0)
        let checks = fixture.manager.checks
        #expect(try checks.check([], readsData: true, repairs: false).damageCount == 0)
        let rows = try fixture.catalog().clones(volume: "data").map(\.record)
        for suffix in ["", "-wal", "-shm"] { unlink(fixture.options.state.catalogPath + suffix) }
        _ = try RebuildService(fixture.options).rebuild(store: fixture.storePath("data"))
        #expect(try fixture.catalog().clones(volume: "data").map(\.record) == rows)
        let problem = #expect(throws: Problem.self) {
            try fixture.nextCommand().deletions.delete(["1"], isDryRun: false)
        }
        #expect(problem?.code == .refused)
    }

    @Test("A clone that would lack the end of what it is made of is refused, also in a dry run")
    func tooSmall() throws {
        let fixture = try fixture()
        for reference in ["1", "trial"] {
            let problem = #expect(throws: Problem.self) {
                try fixture.manager.clones.create(
                    reference, name: "small", byteCount: 4096, isDryRun: true)
            }
            #expect(problem?.code == .refused)
            #expect(problem?.message.contains("would lack the last") == true)
        }
    }

    @Test(
        "What is compared with its parent differs in what was written since, and an export has all of it"
    )
    func compared() throws {
        let fixture = try fixture()
        _ = try fixture.manager.clones.create("trial", name: "next", isDryRun: false)
        try write(8, chunk: 2, "next", fixture)
        let chunk = ManagerFixture.chunkBytes
        let diffs = fixture.manager.diffs
        #expect(try diffs.diff("trial", "next").ranges == [2 * chunk..<3 * chunk])
        #expect(
            try diffs.diff("next", nil).ranges == [0..<chunk, 2 * chunk..<3 * chunk])
        let path = "\(fixture.folder)/exported.img"
        _ = try fixture.manager.exports.export("next", to: path)
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect((0..<4).map { bytes[$0 * chunk] } == [7, 1, 8, 1])
        _ = try fixture.manager.clones.delete("trial", isDryRun: false)
        let promoted = try fixture.manager.clones.promote("next", PromoteOptions())
        #expect(promoted.name == "next")
        #expect(try fixture.content(of: "next").prefix(4) == [7, 1, 8, 1])
        #expect(try fixture.manager.clones.list([]).isEmpty)
        _ = try fixture.manager.deletions.delete(["1"], isDryRun: false)
    }

    @Test("A snapshot of a clone is refused with the command that keeps its state")
    func snapshots() throws {
        let fixture = try fixture()
        let problem = #expect(throws: Problem.self) { try fixture.snapshot("trial") }
        #expect(problem?.code == .refused)
        #expect(problem?.hint?.remedies == [.cloneKeep("trial")])
    }
}

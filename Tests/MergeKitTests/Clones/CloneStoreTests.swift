import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

/// What may be found in the folders of clones.
struct CloneStoreTests {
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 4)
        try fixture.write(1, to: 0..<4)
        try fixture.snapshot(1)
        try fixture.snapshot(2)
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        let open = try fixture.engine.openClone("c")
        try open.clone.write([UInt8](repeating: 5, count: 512).span.bytes, at: 0)
        open.close()
        return fixture
    }

    private func overwrite(_ name: String, _ text: String, on disk: SimulatedDisk) throws {
        try disk.writeFile(name, Array(text.utf8))
    }

    @Test("A whole clone is no finding")
    func soundClones() throws {
        #expect(try fixture().check(readData: true).filter { $0.severity != .note } == [])
    }

    @Test("What the engine and its store know of clones is the same")
    func sameState() throws {
        let fixture = try fixture()
        #expect(try fixture.engine.stateMismatch() == nil)
        #expect(fixture.engine.volumeState.clones.map(\.name) == ["c"])
        _ = try fixture.engine.deleteClone("c")
        #expect(try fixture.engine.stateMismatch() == nil)
    }

    @Test("While a clone's record is damaged the volume goes on, and no snapshot is deleted")
    func damagedRecord() throws {
        let fixture = try fixture()
        try overwrite("clones/000001/clone.json", "{\"checksum\":\"00000000\"", on: fixture.disk)
        let reopened = try fixture.reopened()
        #expect(reopened.engine.clones.isEmpty)
        #expect(reopened.engine.warnings.contains { $0.description.contains("clone") })
        let problem = #expect(throws: Problem.self) { try reopened.delete(2) }
        #expect(problem?.code == .refused)
        #expect(try reopened.disk.exists("clones/000001/area.cow"))
        #expect(try reopened.check().contains { $0.severity == .damage && $0.isRepairable })
        _ = try reopened.check(repair: true)
        #expect(try reopened.disk.exists("clones/aside-000001/area.cow"))
        try reopened.reopened().delete(1, 2)
    }

    @Test("A record that is lost leaves the clone's writes where they are")
    func lostRecord() throws {
        let fixture = try fixture()
        try fixture.disk.removeFile("clones/000001/clone.json")
        let reopened = try fixture.reopened()
        #expect(throws: Problem.self) { try reopened.delete(1) }
        #expect(try reopened.disk.exists("clones/000001/area.cow"))
        // No new clone gets in its way.
        let record = try reopened.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 2), name: "d"))
        #expect(record.ordinal.rawValue == 2)
    }

    @Test("A record of a newer version is told as newer, and keeps its snapshot")
    func newerRecord() throws {
        let fixture = try fixture()
        let bytes = try fixture.disk.readFile("clones/000001/clone.json", limitBytes: 1 << 20)
        let text = String(decoding: bytes, as: UTF8.self)
            .replacing("\"version\":2", with: "\"version\":4")
        try overwrite("clones/000001/clone.json", text, on: fixture.disk)
        let reopened = try fixture.reopened()
        #expect(throws: Problem.self) { try reopened.delete(1) }
        _ = try reopened.check(repair: true)
        #expect(try reopened.disk.exists("clones/000001/clone.json"))
    }

    @Test("An unfinished creation is swept, and a stranger's file stays and is told")
    func unfinished() throws {
        let fixture = try fixture()
        try fixture.disk.makeFolder("clones/000002")
        try overwrite("clones/000002/clone.json.new", "", on: fixture.disk)
        try overwrite("clones/000002/mine", "x", on: fixture.disk)
        try fixture.disk.makeFolder("clones/keepsake")
        let reopened = try fixture.reopened()
        #expect(try !reopened.disk.exists("clones/000002/clone.json.new"))
        #expect(try reopened.disk.exists("clones/000002/mine"))
        #expect(try reopened.disk.exists("clones/keepsake"))
        #expect(
            reopened.engine.warnings.contains {
                $0.description.contains("clones/000002/mine is not snapmgr's")
            })
        #expect(reopened.engine.clones.map(\.name) == ["c"])
    }

    @Test("A damaged area makes its clone unreadable, and nothing else")
    func damagedArea() throws {
        let fixture = try fixture()
        let area = try fixture.disk.openFile("clones/000001/area.cow", writable: true)
        try area.write([UInt8](repeating: 0xFF, count: 16).span.bytes, at: 0)
        let reopened = try fixture.reopened()
        let problem = #expect(throws: Problem.self) { _ = try reopened.engine.openClone("c") }
        #expect(problem?.code == .corrupt)
        #expect(try reopened.content(1) == [1, 1, 1, 1])
        #expect(try reopened.check().contains { $0.object == "clone c" && $0.severity == .damage })
        _ = try reopened.engine.deleteClone("c")
        try reopened.delete(1)
    }

    @Test("A clone's area and record are what is written of them in docs/on-disk.md")
    func goldenArea() throws {
        let fixture = try EngineFixture(chunks: 4)
        try fixture.snapshot(1)
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        let open = try fixture.engine.openClone("c")
        try open.clone.write([UInt8](repeating: 5, count: 4096).span.bytes, at: 3 * 4096)
        open.close()
        let area = try fixture.disk.openFile("clones/000001/area.cow", writable: false)
        func bytes(_ range: Range<Int>) throws -> [UInt8] {
            var buffer = AlignedBuffer(count: range.count)
            var bytes = buffer.mutableBytes
            try area.read(into: &bytes, at: range.lowerBound)
            return buffer.bytes.array
        }
        #expect(
            try bytes(0..<16) == [
                0x53, 0x6e, 0x41, 0x70, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0,
            ])
        let entry: [UInt8] = [3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
        #expect(try bytes(0x1000..<0x1020) == entry + [UInt8](repeating: 0, count: 16))
        #expect(try bytes(0x2000..<0x3000).allSatisfy { $0 == 5 })
        let record = try fixture.disk.readFile("clones/000001/clone.json", limitBytes: 4096)
        let text = String(decoding: record, as: UTF8.self)
        #expect(text.hasSuffix("\"format\":\"snapmgr-clone\",\"version\":2}\n"))
        #expect(text.contains("\"name\":\"c\",\"ordinal\":1,\"snapshot\":1,\"snapshotID\":1"))
    }

    @Test("Making a clone allocates a few blocks, whatever the volume's size")
    func allocatesLittle() throws {
        let fixture = try EngineFixture(bytes: 1 << 40)
        try fixture.snapshot(1)
        let before = fixture.disk.allocatedBytes
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        #expect(fixture.disk.allocatedBytes - before < 64 << 10)
    }
}

import MergeKit
import SnapshotModel
import Stream
import StoreFormat
import System
import Testing

@testable import Manager

@Suite("A stream brings snapshots to another volume, as they were")
struct ReceiveTests {
    @Test("a whole snapshot makes the volume; what changed since becomes its next snapshot")
    func wholeAndChanges() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<8, name: "first")
        let second = try scene.snapshot(2, 4..<16)
        let made = try scene.receive(scene.send(first))
        #expect(made.isNewVolume)
        let brought = try scene.receive(scene.send(second, from: first, .zstd(level: 1)))
        #expect(!brought.isNewVolume)
        let ids = try scene.ids()
        #expect(ids == [made.snapshots[0].id, brought.snapshots[0].id])
        #expect(try scene.content(of: ids[0], in: "b") == scene.content(of: first, in: "a"))
        #expect(try scene.content(of: ids[1], in: "b") == scene.content(of: second, in: "a"))
        // What was unchanged did not travel.
        #expect(brought.snapshots[0].dataBytes == 12 * ManagerFixture.chunkBytes)
    }

    @Test("name, note, tags and time come along, and where it comes from is known for good")
    func labels() throws {
        let scene = try StreamScene()
        let id = try scene.snapshot(1, 0..<1, name: "one")
        _ = try scene.manager.labels.modify(
            LabelRequest(["\(id)"], note: "a note", addedTags: ["x"]))
        let sent = try scene.manager.details.show("\(id)")
        let copy = try scene.receive(scene.send(id)).snapshots[0].id
        func check(_ manager: Manager) throws {
            let details = try manager.details.show("\(copy)")
            let manifest = details.summary.manifest
            #expect(manifest.kind == .mirror)
            #expect(
                manifest.labels == SnapshotLabels(name: "one", note: "a note", tags: ["x"]))
            #expect(manifest.takenAt == sent.summary.manifest.takenAt)
            #expect(details.uuid == sent.uuid)
            #expect(details.source?.id == id)
            #expect(details.source?.volume == (try scene.manager.volumes.show("a").record.uuid))
        }
        try check(scene.manager)
        // Written anew with other labels, it still knows.
        _ = try scene.manager.labels.modify(LabelRequest(["\(copy)"], addedTags: ["y"]))
        _ = try scene.manager.labels.modify(LabelRequest(["\(copy)"], removedTags: ["y"]))
        _ = try RebuildService(scene.fixture.options).rebuild(store: nil)
        try check(try scene.fixture.nextCommand())
    }

    @Test("sixty snapshots come in one stream, oldest first, and each is as it was")
    func many() throws {
        let scene = try StreamScene()
        let base = try scene.snapshot(1, 0..<8)
        try scene.receive(scene.send(base))
        var ids: [SnapshotID] = []
        for number in 0..<60 {
            ids.append(try scene.snapshot(UInt8(number + 2), number..<number + 3))
        }
        let last = try #require(ids.last)
        let report = try scene.receive(scene.send(last, from: base))
        #expect(report.snapshots.map(\.sourceID) == ids)
        for (original, copy) in zip(ids, report.snapshots) {
            #expect(
                try scene.content(of: copy.id, in: "b") == scene.content(of: original, in: "a"))
        }
    }

    @Test("what became zeroes or a hole becomes one there, and takes no space")
    func holes() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<32)
        try scene.fixture.withEngine("a") { engine in
            try engine.zero(0..<8 * ManagerFixture.chunkBytes)
            let zeroes = [UInt8](repeating: 0, count: 8 * ManagerFixture.chunkBytes)
            try engine.write(zeroes.span.bytes, at: 8 * ManagerFixture.chunkBytes)
        }
        let second = try scene.fixture.snapshot("a")[0]
        try scene.receive(scene.send(first))
        let report = try scene.receive(scene.send(second, from: first))
        #expect(report.snapshots[0].dataBytes == 0)
        #expect(
            try scene.content(of: report.snapshots[0].id, in: "b")
                == scene.content(of: second, in: "a"))
        let status = try FileStatus(path: "\(scene.fixture.folder)/b.img")
        #expect(status.allocatedBytes <= 16 * ManagerFixture.chunkBytes)
    }

    @Test("a snapshot that is there is passed over, and the stream goes on after it")
    func again() throws {
        let scene = try StreamScene()
        let ids = try (0..<4).map { try scene.snapshot(UInt8($0 + 1), $0..<$0 + 2) }
        let whole = try scene.send(ids[0])
        try scene.receive(whole)
        try scene.receive(scene.send(ids[2], from: ids[0]))
        let report = try scene.receive(scene.send(ids[3], from: ids[0]))
        #expect(report.snapshots.map(\.wasThere) == [true, true, false])
        #expect(try scene.receive(whole).taken.isEmpty)
        #expect(try scene.ids().count == 4)
    }

    @Test("a snapshot goes on from the copy: to a third volume, and back to where it was taken")
    func onward() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<8)
        let copy = try scene.receive(scene.send(first)).snapshots[0].id
        let third = try scene.receive(scene.send(copy), into: "c").snapshots[0]
        #expect(third.uuid == (try scene.manager.details.show("\(first)").uuid))
        try scene.fixture.write(9, to: 2..<4, of: "b")
        let later = try scene.fixture.snapshot("b")[0]
        let back = try scene.receive(scene.send(later, from: copy), into: "a").snapshots[0].id
        #expect(try scene.content(of: back, in: "a") == scene.content(of: later, in: "b"))
        #expect(try scene.content(of: first, in: "a") == scene.content(of: copy, in: "b"))
    }

    @Test("a dry run tells how much there is to send, and logs nothing")
    func preview() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<8)
        let second = try scene.snapshot(2, 4..<6)
        let whole = try scene.manager.sends.preview(SendRequest("\(first)"))
        #expect(whole.dataBytes == 8 * ManagerFixture.chunkBytes)
        let changes = try scene.manager.sends.preview(SendRequest("\(second)", base: "\(first)"))
        #expect(changes.dataBytes == 2 * ManagerFixture.chunkBytes)
        #expect(changes.streamBytes == nil)
    }

    @Test("only snapshots of one volume are sent, from an older one to a newer")
    func wrongBases() throws {
        let scene = try StreamScene()
        try scene.fixture.makeVolume("c")
        let first = try scene.snapshot(1, 0..<8)
        let second = try scene.snapshot(2, 4..<6)
        let other = try scene.fixture.snapshot("c")[0]
        for base in [second, other] {
            let problem = #expect(throws: Problem.self) { try scene.send(first, from: base) }
            #expect(problem?.code == .usage)
        }
    }

    @Test("a name that is taken there is left out, with a word")
    func takenName() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<2)
        try scene.receive(scene.send(first))
        try scene.fixture.snapshot("b", name: "same")
        let second = try scene.snapshot(2, 0..<2, name: "same")
        let report = try scene.receive(scene.send(second, from: first))
        #expect(report.snapshots[0].name == nil)
        #expect(scene.fixture.notes.all.contains { $0.contains("without its name") })
    }
}

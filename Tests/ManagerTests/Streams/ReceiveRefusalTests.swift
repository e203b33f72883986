import MergeKit
import SnapshotModel
import Stream
import StoreFormat
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite("A stream that does not fit is refused, and one that breaks leaves everything as it was")
struct ReceiveRefusalTests {
    /// A volume `b` with the first of three snapshots of `a`, and the stream of the two others.
    private func scene() throws -> (scene: StreamScene, ids: [SnapshotID], changes: [UInt8]) {
        let scene = try StreamScene()
        let ids = try [(UInt8(1), 0..<8), (2, 4..<16), (3, 8..<20)].map {
            try scene.snapshot($0.0, $0.1)
        }
        try scene.receive(scene.send(ids[0]))
        return (scene, ids, try scene.send(ids[2], from: ids[0]))
    }

    private func expectRefused(
        _ problem: Problem?, _ words: String, location: SourceLocation = #_sourceLocation
    ) {
        #expect(problem?.code == .refused, sourceLocation: location)
        #expect(
            problem?.message.contains(words) == true, "\(problem?.message ?? "nothing")",
            sourceLocation: location)
        #expect(problem?.hint != nil, sourceLocation: location)
    }

    @Test("changes are refused by a volume that lacks their base, has none, or is another one's")
    func wrongBase() throws {
        let (scene, ids, _) = try scene()
        expectRefused(scene.refusal(try scene.send(ids[2], from: ids[1])), "does not have")
        expectRefused(scene.refusal(try scene.send(ids[2], from: ids[1]), into: "new"), "not there")
        try scene.fixture.makeVolume("c")
        try scene.fixture.snapshot("c")
        expectRefused(
            scene.refusal(try scene.send(ids[2], from: ids[1]), into: "c"), "does not come from")
        #expect(try scene.ids().count == 1)
    }

    @Test("a volume that was written to since is refused, until it reads as the base again")
    func diverged() throws {
        let (scene, ids, changes) = try scene()
        try scene.fixture.write(77, to: 30..<31, of: "b")
        let before = try scene.fixture.content(of: "b")
        expectRefused(scene.refusal(changes), "has been written to")
        #expect(try scene.fixture.content(of: "b") == before)
        // What was written and written back is no difference.
        try scene.fixture.withEngine("b") { engine in
            try engine.zero(30 * ManagerFixture.chunkBytes..<31 * ManagerFixture.chunkBytes)
        }
        let report = try scene.receive(changes)
        #expect(report.taken.map(\.sourceID) == Array(ids[1...]))
    }

    @Test("a snapshot of the copy itself is no reason against a stream, when nothing was written")
    func ownSnapshot() throws {
        let (scene, ids, changes) = try scene()
        try scene.fixture.snapshot("b")
        #expect(try scene.receive(changes).taken.map(\.sourceID) == Array(ids[1...]))
    }

    @Test("all of a volume is received only where nothing is lost by it")
    func whole() throws {
        let (scene, ids, _) = try scene()
        let whole = try scene.send(ids[1])
        expectRefused(scene.refusal(whole), "has snapshots")
        try scene.fixture.makeVolume("c")
        try scene.fixture.write(9, to: 60..<61, of: "c")
        expectRefused(scene.refusal(whole, into: "c"), "holds data")
        #expect(try scene.fixture.content(of: "c")[60] == 9)
        try scene.receive(whole, into: "c", overwrites: true)
        #expect(try scene.fixture.content(of: "c")[60] == 0)
        try scene.fixture.makeVolume("d")
        try scene.receive(whole, into: "d")
    }

    @Test("a smaller volume is refused, until it is as large")
    func smaller() throws {
        let scene = try StreamScene()
        let first = try scene.snapshot(1, 0..<8)
        try scene.receive(scene.send(first))
        let bytes = 80 * ManagerFixture.chunkBytes
        _ = try scene.manager.volumes.resize("a", to: bytes, isDryRun: false)
        let second = try scene.snapshot(2, 70..<72)
        let changes = try scene.send(second, from: first)
        expectRefused(scene.refusal(changes), "bytes, and snapshot")
        _ = try scene.manager.volumes.resize("b", to: bytes, isDryRun: false)
        let copy = try scene.receive(changes).snapshots[0].id
        #expect(try scene.content(of: copy, in: "b") == scene.content(of: second, in: "a"))
    }

    @Test("whose snapshots they are is asked before how large they are")
    func otherAndLarger() throws {
        let (scene, ids, _) = try scene()
        try scene.fixture.makeVolume("c")
        try scene.fixture.snapshot("c")
        _ = try scene.manager.volumes.resize(
            "a", to: 80 * ManagerFixture.chunkBytes, isDryRun: false)
        let larger = try scene.snapshot(9, 70..<72)
        let problem = scene.refusal(try scene.send(larger, from: ids[2]), into: "c")
        expectRefused(problem, "does not come from")
    }

    @Test("a copy that is further, and has lost what lies between, is told from where to send")
    func prunedMiddle() throws {
        let (scene, ids, changes) = try scene()
        try scene.receive(changes)
        let copies = try scene.ids()
        _ = try scene.manager.deletions.delete(["\(copies[1])"], isDryRun: false)
        let later = try scene.snapshot(5, 1..<3)
        let problem = scene.refusal(try scene.send(later, from: ids[0]))
        expectRefused(problem, "a later copy, of snapshot \(ids[2])")
        #expect(problem?.hint.map { "\($0)" }?.contains("--from \(ids[2])") == true)
        #expect(try scene.receive(scene.send(later, from: ids[2])).taken.count == 1)
    }

    @Test("a volume that holds a part of a whole stream says so in its status, and is not served")
    func partIsShown() throws {
        let scene = try StreamScene()
        let id = try scene.snapshot(1, 0..<64)
        let whole = try scene.send(id)
        _ = scene.refusal(Array(whole[..<StreamScene.boundaries(whole)[3]]))
        let health = try #require(try scene.manager.status.status(["b"]).first)
        #expect(health.receivingSince != nil)
        #expect(health.warnings.contains { $0.contains("a part of a stream") })
        let volume = try scene.manager.volumes.show("b")
        let place = VolumePlace(volume.record, storePath: volume.storePath)
        let problem = #expect(throws: Problem.self) {
            try scene.fixture.sessions.requireServable(place)
        }
        #expect(problem?.code == .refused)
        let served = try scene.fixture.sessions.serve(place, report: { _ in }, letGo: {})
        defer { served.stop() }
        #expect(throws: Problem.self) { _ = try served.openVolume(readOnly: true) }
    }

    @Test("a stream that is cut between two records brings what it had whole, and nothing else")
    func cut() throws {
        let (scene, ids, changes) = try scene()
        let contents = try ids.map { try scene.content(of: $0, in: "a") }
        var taken = 0
        for boundary in StreamScene.boundaries(changes) {
            let problem = scene.refusal(Array(changes[..<boundary]))
            #expect(problem?.message.contains("was cut") == true, "\(boundary)")
            let copies = try scene.ids()
            #expect(copies.count >= taken + 1)
            taken = copies.count - 1
            for (copy, content) in zip(copies, contents) {
                #expect(try scene.content(of: copy, in: "b") == content)
            }
            #expect(try scene.fixture.content(of: "b") == contents[taken])
        }
        #expect(taken == 2)
        #expect(try scene.receive(changes).taken.isEmpty)
    }

    @Test("a whole snapshot that was cut is received again; no snapshot is taken of its part")
    func cutWhole() throws {
        let scene = try StreamScene()
        let id = try scene.snapshot(1, 0..<64)
        let whole = try scene.send(id)
        let boundaries = StreamScene.boundaries(whole)
        #expect(scene.refusal(Array(whole[..<boundaries[3]]))?.code == .corrupt)
        let problem = #expect(throws: Problem.self) { try scene.fixture.snapshot("b") }
        #expect(problem?.message.contains("part of a stream") == true)
        let copy = try scene.receive(whole).snapshots[0].id
        #expect(try scene.content(of: copy, in: "b") == scene.content(of: id, in: "a"))
        try scene.fixture.snapshot("b")
    }

    @Test("a receiver that dies in mid-stream: whoever opens the volume next finds it as it was")
    func killed() throws {
        let (scene, _, changes) = try scene()
        let before = try scene.fixture.content(of: "b")
        let copies = try scene.ids()
        try scene.fixture.withEngine("b") { engine in
            try engine.beginReceiving(
                "volume", "snapshot", base: engine.volumeState.readable.last)
            let bytes = [UInt8](repeating: 88, count: 20 * ManagerFixture.chunkBytes)
            try engine.write(bytes.span.bytes, at: 2 * ManagerFixture.chunkBytes)
            try engine.zero(0..<2 * ManagerFixture.chunkBytes)
        }
        // The engine of the next line opens the volume, whatever for.
        #expect(try scene.fixture.content(of: "b") == before)
        #expect(try scene.content(of: copies[0], in: "b") == before)
        let store = FileFolder(path: scene.fixture.storePath("b"))
        #expect(try !store.exists(StoreLayout.receiveNote))
        #expect(try scene.receive(changes).taken.count == 2)
    }

    @Test("a receiver that dies after the snapshot was taken loses nothing")
    func killedLate() throws {
        let (scene, _, changes) = try scene()
        try scene.receive(changes)
        let after = try scene.fixture.content(of: "b")
        let newest = try #require(try scene.ids().last)
        let source = try #require(try scene.manager.details.show("\(newest)").source)
        let store = Store(folder: FileFolder(path: scene.fixture.storePath("b")))
        try store.writeReceiveNote(
            ReceiveNote(
                volume: source.volume, snapshot: source.snapshot,
                base: SnapshotOrdinal(rawValue: 1), newest: SnapshotOrdinal(rawValue: 2),
                begunAt: .first))
        #expect(try scene.fixture.content(of: "b") == after)
        #expect(try store.receiveNote() == nil)
    }

    @Test("an earlier copy that was deleted is not taken for one that was not received whole")
    func killedAgain() throws {
        let (scene, _, changes) = try scene()
        try scene.receive(changes)
        let newest = try #require(try scene.ids().last)
        let source = try #require(try scene.manager.details.show("\(newest)").source)
        let base = try #require(try scene.ids().first)
        try revert(scene, to: base)
        _ = try scene.manager.deletions.delete(
            scene.ids().dropFirst().map { "\($0)" }, isDryRun: false)
        let before = try scene.fixture.content(of: "b")
        #expect(try scene.content(of: base, in: "b") == before)
        try scene.fixture.withEngine("b") { engine in
            try engine.beginReceiving(
                source.volume, source.snapshot, base: engine.volumeState.readable.last)
            let bytes = [UInt8](repeating: 88, count: 20 * ManagerFixture.chunkBytes)
            try engine.write(bytes.span.bytes, at: 0)
        }
        #expect(try scene.fixture.content(of: "b") == before)
    }

    private func revert(_ scene: StreamScene, to id: SnapshotID) throws {
        _ = try scene.manager.reverts.revert("\(id)", RevertOptions(waits: true))
    }

    @Test(
        "what a cut stream has changed becomes what it builds on, and not what a revert before it has left",
        arguments: [false, true])
    func afterRevert(isDeleted: Bool) throws {
        let (scene, _, changes) = try scene()
        let base = try #require(try scene.ids().first)
        // Of chunks that the stream brings, and of others.
        try scene.fixture.write(77, to: 2..<12, of: "b")
        expectRefused(scene.refusal(changes), "has been written to")
        try revert(scene, to: base)
        if isDeleted {
            _ = try scene.manager.deletions.delete(
                scene.ids().dropFirst().map { "\($0)" }, isDryRun: false)
        }
        let before = try scene.fixture.content(of: "b")
        #expect(try scene.content(of: base, in: "b") == before)
        let known = try scene.ids()
        for cut in StreamScene.boundaries(changes).dropFirst() {
            _ = scene.refusal(Array(changes[..<cut]))
            // From there on the first of the two is whole.
            guard try scene.ids() == known else { break }
            #expect(try scene.fixture.content(of: "b") == before, "cut at \(cut)")
        }
        #expect(try scene.receive(changes).snapshots.count == 2)
        #expect(try scene.fixture.content(of: "b") == scene.fixture.content(of: "a"))
    }

    @Test(
        "what lies behind the end of the base is not overwritten, and what a cut stream wrote there goes"
    )
    func tail() throws {
        let (scene, ids, changes) = try scene()
        try scene.receive(changes)
        let (bytes, chunk) = (80 * ManagerFixture.chunkBytes, ManagerFixture.chunkBytes)
        for volume in ["a", "b"] {
            _ = try scene.manager.volumes.resize(volume, to: bytes, isDryRun: false)
        }
        let larger = try scene.snapshot(9, 70..<72)
        let stream = try scene.send(larger, from: ids[2])
        try scene.fixture.write(77, to: 66..<67, of: "b")
        expectRefused(scene.refusal(stream), "behind the end")
        try scene.fixture.withEngine("b") { try $0.zero(66 * chunk..<67 * chunk) }
        let before = try scene.fixture.content(of: "b")
        let boundaries = StreamScene.boundaries(stream)
        #expect(scene.refusal(Array(stream[..<boundaries[boundaries.count - 2]])) != nil)
        #expect(try scene.fixture.content(of: "b") == before)
        try scene.receive(stream)
        #expect(try scene.fixture.content(of: "b") == scene.fixture.content(of: "a"))
    }

    @Test("a volume that gives its snapshots up for writes takes no changes of a stream")
    func breakingPolicy() throws {
        let (scene, _, changes) = try scene()
        let store = Store(folder: FileFolder(path: scene.fixture.storePath("b")))
        var record = try store.volume()
        record.storeFullPolicy = .breakSnapshots
        try store.writeVolume(record)
        expectRefused(scene.refusal(changes), "gives its snapshots up")
    }

    @Test("a volume whose receiver has died is not removed before it is what it was")
    func removal() throws {
        let (scene, _, _) = try scene()
        let before = try scene.fixture.content(of: "b")
        let store = Store(folder: FileFolder(path: scene.fixture.storePath("b")))
        try store.writeReceiveNote(
            ReceiveNote(
                volume: store.volume().uuid, snapshot: store.volume().uuid,
                base: SnapshotOrdinal(rawValue: 1), newest: SnapshotOrdinal(rawValue: 1),
                begunAt: .first))
        let problem = #expect(throws: Problem.self) {
            try scene.manager.volumes.remove("b", keepsStore: false, isDryRun: false)
        }
        #expect(problem?.code == .refused && problem?.message.contains("stream was cut") == true)
        #expect(try scene.fixture.content(of: "b") == before)
        _ = try scene.manager.volumes.remove("b", keepsStore: false, isDryRun: false)
    }

    @Test("a damaged stream changes nothing, wherever the damage is")
    func damaged() throws {
        let (scene, _, changes) = try scene()
        let before = try scene.fixture.content(of: "b")
        // Within the first snapshot of the stream.
        let boundaries = StreamScene.boundaries(changes)
        for position in stride(from: boundaries[1], to: boundaries[3], by: 4999) {
            var altered = changes
            altered[position] ^= 0x10
            #expect(scene.refusal(altered)?.code == .corrupt)
            #expect(try scene.ids().count == 1)
            #expect(try scene.fixture.content(of: "b") == before)
        }
    }

    @Test("a served volume is refused")
    func served() throws {
        let (scene, _, changes) = try scene()
        let volume = try scene.manager.volumes.show("b")
        let served = try scene.fixture.sessions.serve(
            VolumePlace(volume.record, storePath: volume.storePath), report: { _ in }, letGo: {})
        expectRefused(scene.refusal(changes), "is served")
        served.stop()
        #expect(scene.refusal(changes) == nil)
    }
}

import Catalog
import Foundation
import Glibc
import Scheduler
import SnapshotModel
import Stream
import StoreFormat
import Synchronization
import System
import Testing

@testable import Manager

@Suite("A transfer that was cut goes on from what the target has of the snapshot")
struct MirrorPartTests {
    private let scene: MirrorTargetScene
    private let base: SnapshotID
    private let next: SnapshotID
    /// Four frames, in chunks 10, 20, 30 and 40.
    private let bytes: [UInt8]

    private static let chunk = ManagerFixture.chunkBytes

    init() throws {
        scene = try MirrorTargetScene()
        base = try #require(try scene.streams.ids("a").first)
        for (index, chunk) in [10, 20, 30, 40].enumerated() {
            try scene.fixture.write(UInt8(index + 2), to: chunk..<chunk + 1, of: "a")
        }
        next = try scene.fixture.snapshot("a")[0]
        bytes = try scene.streams.send(next, from: base)
    }

    private func problem(_ body: () throws -> Void) -> Problem? {
        do { try body() } catch { return Problem(error) }
        return nil
    }

    /// Two of the frames come.
    private func cut() throws {
        let part = Array(bytes[..<StreamScene.boundaries(bytes)[4]])
        let cut = problem { try scene.mirror(part, resumes: true) }
        #expect(cut?.message.contains("was cut") == true, "\(cut as Any)")
        #expect(try scene.store.receiveNote()?.mark == 21 * Self.chunk)
    }

    private func plan(
        _ id: SnapshotID? = nil, from older: SnapshotID?, of volume: String = "a"
    ) throws -> SendPlan {
        func row(_ id: SnapshotID) throws -> SnapshotRow {
            try #require(try scene.context.catalog.snapshot(id))
        }
        return try SendPlan(
            scene.context, scene.context.volume(volume), from: older.map(row), to: row(id ?? next))
    }

    /// The stream that goes on from a chunk.
    private func rest(
        at chunk: Int, _ id: SnapshotID? = nil, from older: SnapshotID?
    ) throws -> [UInt8] {
        var plan = try plan(id, from: older)
        try plan.resume(at: chunk * Self.chunk)
        let sink = MemoryStream()
        let session = try TurnSession(scene.context, plan.volume)
        defer { session.close() }
        _ = try SnapshotSender(scene.context, plan, session).run(.none, to: sink)
        return sink.bytes
    }

    @Test("what a target says that it has is looked at only where it can be a part of what is sent")
    func said() throws {
        let plan = try plan(from: base)
        let first = try #require(plan.steps.first?.snapshot)
        let all = ManagerFixture.chunkCount * Self.chunk
        func end(_ byteCount: Int, _ uuid: String? = nil, on base: String?) -> Int? {
            MirrorResume(
                PeerPart(uuid: uuid ?? first.uuid, base: base, byteCount: byteCount), plan)?.end
        }
        let uuid = first.base?.uuid
        for count in [Int.min, -1, 0, 65_535, all + 1, Int.max] {
            #expect(end(count, on: uuid) == nil)
        }
        #expect(end(65_536, on: uuid) == 65_536 && end(100_000, on: uuid) == 65_536)
        #expect(end(all, on: uuid) == all)
        #expect(end(all, on: nil) == nil && end(all, on: first.uuid) == nil)
        #expect(end(all, UUID().uuidString, on: uuid) == nil)
        #expect(MirrorResume(nil, plan) == nil)
    }

    @Test("a volume that is smaller than what is compared at once comes as a whole")
    func small() throws {
        _ = try scene.manager.volumes.create(
            CreateRequest(
                name: "s", originPath: scene.fixture.folder + "/s.img", createBytes: Self.chunk,
                chunkBytes: Self.chunk))
        let plan = try plan(scene.fixture.snapshot("s")[0], from: nil, of: "s")
        let first = try #require(plan.steps.first?.snapshot)
        for count in [Int.min, -1, 0, Self.chunk, 65_535, 65_536, Int.max] {
            let part = PeerPart(uuid: first.uuid, base: nil, byteCount: count)
            #expect(MirrorResume(part, plan) == nil)
        }
    }

    @Test("only a stream that goes on is of a version that older programs do not know")
    func version() throws {
        #expect(bytes[8] == 1)
        #expect(try rest(at: 21, from: base)[8] == 2)
    }

    private func expectSame() throws {
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == scene.content("a"))
    }

    @Test(
        "only what is missing comes, and what was deleted there meanwhile is no reason against it")
    func goesOn() throws {
        try scene.fixture.snapshot("b")
        let own = try #require(try scene.streams.ids("b").last)
        try cut()
        _ = try scene.manager.deletions.delete(["\(own)"], isDryRun: false)
        let health = try #require(try scene.manager.status.status(["b"]).first)
        #expect(health.receivedBytes == 21 * Self.chunk)
        #expect(health.warnings.contains { $0.contains("goes on from there") })
        let report = try scene.mirror(rest(at: 21, from: base), resumes: true)
        #expect(report.taken.map(\.dataBytes) == [2 * Self.chunk])
        try expectSame()
    }

    @Test("a part may be cut again and again")
    func oftener() throws {
        try cut()
        let second = try rest(at: 21, from: base)
        let part = Array(second[..<StreamScene.boundaries(second)[3]])
        #expect(problem { try scene.mirror(part, resumes: true) } != nil)
        #expect(try scene.store.receiveNote()?.mark == 31 * Self.chunk)
        // Nothing new comes, and nothing is lost.
        let third = try rest(at: 31, from: base)
        let none = Array(third[..<StreamScene.boundaries(third)[2]])
        #expect(problem { try scene.mirror(none, resumes: true) } != nil)
        #expect(try scene.store.receiveNote()?.mark == 31 * Self.chunk)
        try scene.mirror(third, resumes: true)
        try expectSame()
    }

    @Test(
        "whoever needs the volume as it was has it, and what would go on is refused, and comes anew"
    )
    func givenBack() throws {
        let before = try scene.content("b")
        try cut()
        let own = try #require(try scene.fixture.snapshot("b").first)
        #expect(try scene.streams.content(of: own, in: "b") == before)
        let stale = problem { try scene.mirror(rest(at: 21, from: base), resumes: true) }
        #expect(stale?.code == .refused, "\(stale as Any)")
        #expect(stale?.message.contains("does not hold what comes before") == true)
        #expect(try scene.content("b") == before)
        try scene.mirror(bytes, resumes: true)
        try expectSame()
    }

    @Test("a stream that claims too much is refused, and the part stays")
    func forged() throws {
        try cut()
        for forged in [try rest(at: 22, from: base), try rest(at: 40, from: base)] {
            let refused = problem { try scene.mirror(forged, resumes: true) }
            #expect(refused?.code == .refused, "\(refused as Any)")
        }
        let other = try scene.streams.snapshot(9, 12..<14)
        let refused = problem {
            try scene.mirror(rest(at: 21, other, from: next), resumes: true)
        }
        #expect(refused?.code == .refused, "\(refused as Any)")
        #expect(try scene.store.receiveNote()?.mark == 21 * Self.chunk)
        _ = try scene.manager.reverts.revert("\(next)", RevertOptions(waits: true))
        try scene.mirror(rest(at: 21, from: base), resumes: true)
        try expectSame()
    }

    @Test(
        "a source that does not go on is taken from its beginning, and leaves nothing to go on from"
    )
    func older() throws {
        try cut()
        try scene.mirror(bytes)
        try expectSame()
        let later = try scene.streams.snapshot(9, 12..<14)
        let more = try scene.streams.send(later, from: next)
        let before = try scene.content("b")
        let part = Array(more[..<StreamScene.boundaries(more)[3]])
        #expect(problem { try scene.mirror(part) } != nil)
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
    }

    @Test("a first copy goes on, too")
    func first() throws {
        let whole = try scene.streams.send(next)
        let boundaries = StreamScene.boundaries(whole)
        let part = Array(whole[..<boundaries[4]])
        #expect(problem { try scene.mirror(part, into: "c", resumes: true) } != nil)
        let store = Store(folder: FileFolder(path: scene.fixture.storePath("c")))
        let mark = try #require(try store.receiveNote()?.mark)
        #expect(mark > 0 && mark < ManagerFixture.chunkCount * Self.chunk)
        let offered = try ReceivedPart.offered(
            scene.context, scene.context.volume("c"), to: scene.uuid("a"))
        #expect(offered?.base == nil && offered?.byteCount == mark)
        // Somebody has moved or touched its image since it was closed.
        let times = [timespec(tv_sec: 1, tv_nsec: 1), timespec(tv_sec: 1, tv_nsec: 1)]
        #expect(utimensat(AT_FDCWD, scene.fixture.folder + "/c.img", times, 0) == 0)
        try scene.mirror(rest(at: mark / Self.chunk, from: nil), into: "c", resumes: true)
        #expect(try scene.content("c") == scene.content("a"))
    }

    @Test("what came of a stream that is damaged is given back, and nothing goes on from it")
    func damaged() throws {
        let before = try scene.content("b")
        var damaged = bytes
        damaged[StreamScene.boundaries(bytes)[5] - 1] ^= 1
        let problem = problem { try scene.mirror(damaged, resumes: true) }
        #expect(problem?.code == .corrupt, "\(problem as Any)")
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
        try scene.mirror(bytes, resumes: true)
        try expectSame()
    }

    // MARK: Faults

    /// Receives the stream, of which each frame is marked, while a call fails.
    private func fail(
        _ code: Problem.Code, in call: FaultyReceiver.Call, after count: Int
    ) -> Problem? {
        scene.fixture.sessions.onReceive.withLock {
            $0 = { FaultyReceiver($0, code, in: call, after: count) }
        }
        defer { scene.fixture.sessions.onReceive.withLock { $0 = nil } }
        return problem { try scene.mirror(bytes, resumes: true, markBytes: 1) }
    }

    @Test(
        "a target that is full, or whose disk fails, keeps what was durable",
        arguments: [Problem.Code.noSpace, .inputOutput])
    func full(code: Problem.Code) throws {
        #expect(fail(code, in: .write, after: 2)?.code == code)
        #expect(try scene.store.receiveNote()?.mark == 21 * Self.chunk)
        try scene.mirror(rest(at: 21, from: base), resumes: true)
        try expectSame()
    }

    @Test("a mark that finds no room ends nothing")
    func unmarked() throws {
        #expect(fail(.noSpace, in: .mark, after: 1) == nil)
        try expectSame()
    }

    @Test("what fails before anything is durable is given back")
    func none() throws {
        let before = try scene.content("b")
        #expect(fail(.noSpace, in: .write, after: 0)?.code == .noSpace)
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
    }

    @Test("what cannot be read of it is like nothing that was sent")
    func unreadable() throws {
        try cut()
        scene.fixture.sessions.onReceive.withLock {
            $0 = { FaultyReceiver($0, .inputOutput, in: .read, after: 0) }
        }
        defer { scene.fixture.sessions.onReceive.withLock { $0 = nil } }
        let answer = try scene.serve(
            [scene.greeting(resumes: true)], [order(0, chunks: 16), order(20, chunks: 1)])
        let none = [String](repeating: "\"\"", count: 16).joined(separator: ",")
        #expect(answer.contains("[\(none)]"), "\(answer)")
        #expect(answer.contains("[\"\"]"), "\(answer)")
    }

    /// Asks for the digests of some chunks of what has come.
    private func order(_ chunk: Int, chunks: Int) throws -> PeerOrder {
        PeerOrder(
            action: .digests, uuid: try scene.manager.details.show("\(next)").uuid,
            offset: chunk * Self.chunk, length: chunks * Self.chunk, unit: Self.chunk)
    }

    @Test("a promotion gives it back first")
    func promoted() throws {
        let before = try scene.content("b")
        try cut()
        _ = try scene.manager.mirrorRoles.promote("b", isDryRun: false)
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
    }

    @Test("a source that died while it compared keeps nobody from the volume")
    func dead() throws {
        let before = try scene.content("b")
        try cut()
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let said =
            try MirrorTargetScene.frame(scene.greeting(resumes: true))
            + MirrorTargetScene.frame(order(0, chunks: 21))
        #expect(said.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) } == said.count)
        let (input, manager) = (ends[0], try scene.fixture.nextCommand())
        let answers = scene.fixture.folder + "/answers"
        let target = BackgroundThread.start(name: "target") {
            try? MirrorTargetScene.serve(manager, MirrorAcceptRequest([]), input, answers)
        }
        defer {
            close(ends[1])
            target.join()
        }
        let deadline = Deadline(milliseconds: 60_000)
        while !deadline.hasPassed,
            (try? String(contentsOfFile: answers, encoding: .utf8))?.contains("digests") != true
        { usleep(5000) }
        _ = try scene.manager.mirrorRoles.promote("b", isDryRun: false)
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
    }

    @Test("nobody has gone on for a week: a prune takes it back, and not before")
    func old() throws {
        let before = try scene.content("b")
        try cut()
        scene.fixture.clock.advance(bySeconds: 6 * 86_400)
        _ = try scene.pruning(.last(.atMost(9))).pruning.prune(["b"], isDryRun: false)
        #expect(try scene.store.receiveNote()?.mark == 21 * Self.chunk)
        scene.fixture.clock.advance(bySeconds: 2 * 86_400)
        _ = try scene.pruning(.last(.atMost(9))).pruning.prune(["b"], isDryRun: true)
        #expect(try scene.store.receiveNote() != nil)
        _ = try scene.pruning(.last(.atMost(9))).pruning.prune(["b"], isDryRun: false)
        #expect(try scene.store.receiveNote() == nil)
        #expect(try scene.content("b") == before)
    }

    @Test("a part is told to who goes on with it, and its digests are those of what was sent")
    func compared() throws {
        try cut()
        let uuid = try #require(try scene.manager.details.show("\(next)").uuid)
        let word = "\"part\""
        #expect(try !scene.serve([scene.greeting()]).contains(word))
        let answers = try scene.serve([scene.greeting(resumes: true)])
        #expect(answers.contains(word) && answers.contains(uuid), "\(answers)")
        // Both sides may be of other versions.
        #expect(answers.contains("\"byteCount\":\(21 * Self.chunk)"), "\(answers)")
        let stranger = try scene.serve([
            scene.greeting(source: UUID().uuidString.lowercased(), resumes: true)
        ])
        #expect(!stranger.contains(word), "\(stranger)")
        func digests(_ length: Int, _ greeting: PeerGreeting) throws -> String {
            try scene.serve([greeting], [order(0, chunks: length / Self.chunk)])
        }
        let other = try digests(
            21 * Self.chunk, scene.greeting(source: UUID().uuidString.lowercased(), resumes: true))
        #expect(other.contains("does not have the snapshot"), "\(other)")
        let session = try TurnSession(scene.context, scene.context.volume("a"))
        let own = try ViewDigests(SnapshotContent(session, next))
            .digests(of: 0..<21 * Self.chunk, unit: 4096)
        session.close()
        let there = try digests(21 * Self.chunk, scene.greeting(resumes: true))
        #expect(own.count == 21 && own.allSatisfy { there.contains($0) }, "\(there)")
        // Behind it nothing is told.
        let behind = try digests(22 * Self.chunk, scene.greeting(resumes: true))
        #expect(behind.contains("less than what is to be compared"), "\(behind)")
        #expect(try scene.store.receiveNote()?.mark == 21 * Self.chunk)
    }
}

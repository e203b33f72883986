import Catalog
import Glibc
import MergeKit
import Scheduler
import Settings
import SnapshotModel
import StoreFormat
import Synchronization
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite("A mirror's target keeps what it reads as, and takes its source's word for nothing else")
struct MirrorTargetTests {
    private let scene: MirrorTargetScene

    init() throws { scene = try MirrorTargetScene() }

    private func code(_ body: () throws -> Void) -> Problem? {
        do { try body() } catch { return Problem(error) }
        return nil
    }

    @Test(
        "a stream that is cut leaves a target that goes on from the last whole copy, and keeps it")
    func cut() throws {
        let (bytes, ids) = try scene.three()
        #expect(try scene.store.mirrorStanding() == nil)
        let boundaries = StreamScene.boundaries(bytes)
        let part = Array(bytes[..<boundaries[boundaries.count - 2]])
        #expect(code { try scene.mirror(part) } != nil)
        let copies = try scene.streams.ids("b")
        #expect(copies.count == 2)
        let standing = try #require(try scene.store.mirrorStanding())
        #expect(standing.role == .target && standing.source == scene.uuid("a"))
        #expect(try standing.snapshot == scene.manager.details.show("\(ids[1])").uuid)
        #expect(
            code { _ = try scene.manager.reverts.revert("\(copies[0])", RevertOptions()) }?.code
                == .refused)
        // Its own snapshots come after it.
        for _ in 0..<3 { try scene.fixture.snapshot("b") }
        let deletion = code {
            _ = try scene.manager.deletions.delete(["\(copies[1])"], isDryRun: false)
        }
        #expect(deletion?.code == .refused && deletion?.hint?.remedies == [.mirrorPromote("b")])
        _ = try scene.pruning(.last(.atMost(1))).pruning.prune(["b"], isDryRun: false)
        let kept = try scene.streams.ids("b")
        #expect(kept.contains(copies[1]) && !kept.contains(copies[0]))
        try scene.mirror(bytes)
        #expect(try scene.content("b") == scene.content("a"))
    }

    @Test("a catalog that is made anew, without any hold, still knows what a target goes on from")
    func rebuilt() throws {
        let (bytes, _) = try scene.three()
        try scene.mirror(bytes)
        let base = try #require(try scene.streams.ids("b").last)
        try scene.fixture.snapshot("b")
        try FileFolder(path: scene.fixture.folder + "/state").writeFile(
            "catalog.sqlite", Array("no catalog".utf8))
        _ = try RebuildService(scene.fixture.options).rebuild(store: nil)
        let manager = try scene.pruning(.last(.atMost(1)))
        _ = try manager.pruning.prune(["b"], isDryRun: false)
        #expect(try scene.fixture.list(manager).contains { $0.id == base })
        #expect(
            code { _ = try manager.deletions.delete(["\(base)"], isDryRun: false) }?.code
                == .refused)
    }

    @Test("a generation is known from its first copy on, though the rest is cut")
    func generation() throws {
        let (bytes, _) = try scene.three()
        let boundaries = StreamScene.boundaries(bytes)
        let part = Array(bytes[..<boundaries[boundaries.count - 2]])
        let generation = MirrorGeneration(number: 2, promotion: "2f")
        #expect(code { try scene.mirror(part, generation) } != nil)
        #expect(try scene.store.mirrorStanding()?.generation == generation)
        #expect(code { try scene.mirror(bytes) }?.message.contains("taken over from") == true)
    }

    @Test("copies grow old from when they were taken, whatever was taken here before they came")
    func ages() throws {
        let (bytes, _) = try scene.three()
        scene.fixture.clock.advance(bySeconds: 3 * 3600)
        try scene.fixture.snapshot("b")
        try scene.mirror(bytes)
        let copies = try scene.streams.ids("b")
        scene.fixture.clock.advance(bySeconds: 600)
        let manager = try scene.pruning(.within(CalendarSpan(minutes: 60)))
        _ = try manager.pruning.prune(["b"], isDryRun: false)
        // The first one, which came before, the one between, and not the newest.
        #expect(try scene.streams.ids("b") == [copies[1], copies[3]])
    }

    @Test("a source that says earlier times has no copy take the place of one that came before")
    func backdated() throws {
        let (bytes, ids) = try scene.three()
        try scene.mirror(bytes)
        let copies = try scene.streams.ids("b")
        let early = try scene.mirrorNext(since: ids[2], clockOff: -11 * 3600)
        _ = try scene.mirrorNext(since: early, clockOff: -10 * 3600)
        let all = try scene.streams.ids("b")
        // The oldest of the day stays, and the newest copy; not what says that it is older.
        let gone = try scene.pruned(by: .buckets(.daily, .atMost(7)))
        #expect(gone == Array(all[1..<4]) && copies[0] == all[0])
    }

    @Test("of a source whose clock is ahead each copy counts from when it came")
    func clockAhead() throws {
        var last = try #require(try scene.streams.ids("a").last)
        for _ in 0..<3 {
            scene.fixture.clock.advance(bySeconds: 3600)
            last = try scene.mirrorNext(since: last, clockOff: 86_400)
        }
        #expect(try scene.pruned(by: .buckets(.hourly, .atMost(24))).isEmpty)
    }

    @Test("of a copy that is sent on, it is told when it was taken")
    func cascade() throws {
        let (bytes, ids) = try scene.three()
        scene.fixture.clock.advance(bySeconds: 3600)
        try scene.fixture.snapshot("b")
        try scene.mirror(bytes)
        let copies = try scene.streams.ids("b")
        try scene.streams.receive(scene.streams.send(copies[0]), into: "c")
        try scene.streams.receive(scene.streams.send(copies[2], from: copies[0]), into: "c")
        let sources = try scene.manifests("c").map { $0.source }
        let taken = try scene.manifests("a")
        #expect(sources.last??.takenAt == taken.first { $0.id == ids[1] }?.takenAt)
        #expect(sources.last??.volume == scene.uuid("b"))
    }

    // MARK: Words

    @Test("a copy that was taken and not noted is kept, and so is what a promotion was cut at")
    func unnoted() throws {
        let (bytes, _) = try scene.three()
        try scene.mirror(bytes)
        let copies = try scene.streams.ids("b")
        var standing = try #require(try scene.store.mirrorStanding())
        // As if it was killed between the two.
        standing.snapshot = try scene.manager.details.show("\(copies[0])").uuid
        try scene.store.writeMirrorStanding(standing)
        try scene.fixture.snapshot("b")
        #expect(try scene.pruned(by: .last(.atMost(1))) == [copies[1]])
        func deletion(_ id: SnapshotID) -> Problem? {
            code { _ = try scene.manager.deletions.delete(["\(id)"], isDryRun: false) }
        }
        #expect(deletion(copies[2])?.code == .refused)
        standing.role = .promoting
        try scene.store.writeMirrorStanding(standing)
        #expect(try scene.pruned(by: .last(.atMost(1))) == [copies[1], copies[2]])
        let refused = deletion(copies[0])
        #expect(refused?.code == .refused && refused?.hint?.remedies == [.mirrorPromote("b")])
    }

    @Test("a stream of another volume than was said is refused before anything of it is taken")
    func otherStream() throws {
        let (bytes, _) = try scene.three()
        let before = try scene.streams.ids("b")
        let other = "0b6f4f6c-1111-4222-8333-444444444444"
        #expect(code { try scene.mirror(bytes, source: other) }?.code == .corrupt)
        #expect(try scene.streams.ids("b") == before)
        #expect(code { try scene.mirror(bytes, source: other, into: "new") }?.code == .corrupt)
        #expect(try scene.manager.volumes.list().map(\.record.name) == ["a", "b"])
        #expect(try scene.store.mirrorStanding() == nil)
    }

    @Test(
        "another volume of the same generation speaks for nobody's copy, and none says a number that nobody reaches"
    )
    func otherSource() throws {
        let (bytes, _) = try scene.three()
        try scene.mirror(bytes)
        let targets = MirrorTargets(scene.context)
        let volume = try scene.context.volume("b")
        let other = "0b6f4f6c-1111-4222-8333-444444444444"
        let refused = code { try targets.requireTarget(volume, scene.greeting(source: other)) }
        #expect(refused?.code == .refused && refused?.message.contains("is the copy of") == true)
        // That one was promoted.
        let next = MirrorGeneration(number: 1, promotion: "1f")
        try targets.requireTarget(volume, scene.greeting(next, source: other))
        let far = MirrorGeneration(number: MirrorGeneration.numberMaximum, promotion: "9f")
        #expect(
            code { try targets.requireTarget(volume, scene.greeting(far)) }?.code == .refused)
        let vacant = try scene.context.volume("a")
        #expect(
            code { try targets.requireTarget(vacant, scene.greeting(far)) }?.code == .refused)
        // Nothing of the first one's is let go of.
        let hold = "mirror off from \(scene.uuid("a"))"
        let ids = try scene.streams.ids("b")
        try scene.context.catalog.hold(ids[0], owner: hold, reason: "")
        let uuid = try scene.manager.details.show("\(ids[2])").uuid
        var greeting = try scene.greeting(far)
        greeting.base = uuid
        _ = try scene.serve([greeting])
        #expect(try scene.context.catalog.holds(snapshot: ids[0]).count == 1)
        var own = try scene.greeting()
        own.base = uuid
        _ = try scene.serve([own])
        #expect(try scene.context.catalog.holds(snapshot: ids[0]).isEmpty)
    }

    @Test("a key that names its source takes no other one's word")
    func namedSource() throws {
        let own = try scene.serve([scene.greeting()], sources: [scene.uuid("a")])
        #expect(own.contains("\"exists\":true"), "\(own)")
        let other = try scene.serve(
            [scene.greeting()], sources: ["0b6f4f6c-1111-4222-8333-444444444444"])
        #expect(other.contains("may not be mirrored here"), "\(other)")
        let problem = code { _ = try scene.serve([scene.greeting()], sources: ["no.uuid"]) }
        #expect(problem?.code == .usage)
        let capitals = try scene.serve([scene.greeting()], sources: [scene.uuid("a").uppercased()])
        #expect(capitals.contains("\"exists\":true"), "\(capitals)")
        let short = code {
            _ = try scene.serve([scene.greeting()], sources: [String(scene.uuid("a").prefix(8))])
        }
        #expect(short?.code == .usage)
    }

    @Test("a source holds a snapshot once, whatever its reasons, and so many of them at most")
    func holds() throws {
        let first = try #require(try scene.streams.ids("a").first)
        for number in 0..<17 { try scene.streams.snapshot(UInt8(number), 0..<1) }
        let last = try #require(try scene.streams.ids("a").last)
        try scene.mirror(scene.streams.send(last, from: first))
        let uuids = try scene.streams.ids("b").compactMap {
            try scene.manager.details.show("\($0)").uuid
        }
        func keep(_ uuid: String, _ reason: String) -> PeerOrder {
            PeerOrder(action: .keep, uuid: uuid, reason: reason)
        }
        let orders = [keep(uuids[0], "one"), keep(uuids[0], "two")]
        _ = try scene.serve([scene.greeting()], orders)
        let holds = try scene.manager.holds.list()
        #expect(holds.count == 1 && holds.first?.reason.contains("volume a was reverted") == true)
        let answer = try scene.serve([scene.greeting()], uuids.prefix(17).map { keep($0, "") })
        #expect(answer.contains("no more"), "\(answer)")
        #expect(try scene.manager.holds.list().count == 16)
    }

    @Test("whoever hears it is told that a target is at work; an older source is not")
    func signs() throws {
        let first = try #require(try scene.streams.ids("b").first)
        let uuid = try scene.manager.details.show("\(first)").uuid
        // What it waits for does not come before it has said so.
        let answers = scene.fixture.folder + "/answers"
        let slow = try holding { MirrorTargetScene.text(answers).contains("isWorking") }
        defer { slow.join() }
        var greeting = try scene.greeting()
        greeting.hearsSigns = true
        let order = PeerOrder(action: .hold, uuid: uuid)
        let answer = try scene.serve([greeting], [order], signMilliseconds: 100)
        #expect(answer.contains("isWorking"), "\(answer)")
        slow.join()
        let quiet = Deadline(milliseconds: 700)
        let again = try holding { quiet.hasPassed }
        defer { again.join() }
        let old = try scene.serve([scene.greeting()], [order], signMilliseconds: 100)
        #expect(!old.contains("isWorking"), "\(old)")
    }

    /// A thread that has the volume from now on until something is so, and not for as long as commands wait for a volume.
    private func holding(until isSo: @escaping @Sendable () -> Bool) throws -> BackgroundThread {
        let has = Monitored(false)
        let thread = BackgroundThread.start(name: "slow") { [context = scene.context] in
            _ = try? Reconciler(context).withVolume("b") { _ in
                has.change { $0 = true }
                let deadline = Deadline(milliseconds: 4_000)
                while !isSo(), !deadline.hasPassed { usleep(10_000) }
            }
        }
        try #require(has.wait(milliseconds: 300_000) { $0 ? true : nil } == true)
        return thread
    }

    // MARK: Promotion

    @Test(
        "a promotion does not wait for a source that is dead: what has come of a snapshot is given back"
    )
    func interrupted() throws {
        let (bytes, _) = try scene.three()
        let content = try scene.content("b")
        let boundaries = StreamScene.boundaries(bytes)
        let part = Array(bytes[..<boundaries[boundaries.count / 2 - 1]])
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { close(ends[1]) }
        let first = try #require(try scene.streams.ids("b").first)
        let base = try scene.manager.details.show("\(first)").uuid
        let said =
            try MirrorTargetScene.frame(scene.greeting())
            + MirrorTargetScene.frame(PeerOrder(action: .receive, uuid: base))
            + MirrorTargetScene.frame(bytes: part)
        #expect(said.withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) } == said.count)
        let (input, manager) = (ends[0], try scene.fixture.nextCommand())
        let answers = scene.fixture.folder + "/answers"
        let end = ReceiverEnd()
        let receiver = BackgroundThread.start(name: "receiver") {
            do {
                try MirrorTargetScene.serve(manager, MirrorAcceptRequest([]), input, answers)
            } catch { end.problem.withLock { $0 = Problem(error) } }
        }
        defer { receiver.join() }
        let deadline = SystemClock().monotonicNanoseconds() + 300_000_000_000
        while try scene.context.inspector(scene.context.volume("b")).receiving() == nil,
            SystemClock().monotonicNanoseconds() < deadline
        { usleep(5000) }
        let report = try scene.manager.mirrorRoles.promote("b", isDryRun: false)
        #expect(report.snapshot == first && report.generation == 1)
        #expect(try scene.content("b") == content)
        receiver.join()
        let refused = end.problem.withLock { $0 }
        #expect(refused?.code == .refused, "\(refused as Any)")
        #expect(refused?.message.contains("is being promoted") == true)
    }
}

/// How what another thread receives has ended.
private final class ReceiverEnd: Sendable {
    let problem = Mutex<Problem?>(nil)
}

import Catalog
import SnapshotModel
import StoreFormat
import System
import Testing
import VolumeAccess

@testable import Manager

@Suite("A mirror's target takes over, and what was taken over from follows")
struct MirrorRoleTests {
    private let scene: StreamScene
    private let first: SnapshotID
    private let second: SnapshotID

    /// `b` is a target with two copies of `a`'s snapshots.
    init() throws {
        scene = try StreamScene()
        let one = try scene.snapshot(1, 0..<8)
        let two = try scene.snapshot(2, 4..<16)
        try scene.receive(scene.send(one))
        try scene.receive(scene.send(two, from: one))
        let ids = try scene.ids()
        (first, second) = (ids[0], ids[1])
        try record(.target, .first)
    }

    private var store: Store { Store(folder: FileFolder(path: scene.fixture.storePath("b"))) }
    private var roles: MirrorRoleService { scene.manager.mirrorRoles }

    private func record(
        _ role: MirrorStanding.Role, _ generation: MirrorGeneration, at snapshot: SnapshotID? = nil
    ) throws {
        var standing = MirrorStanding(
            role: role, generation: generation, since: scene.fixture.clock.now())
        standing.snapshot = try snapshot.flatMap { try scene.manager.details.show("\($0)").uuid }
        try store.writeMirrorStanding(standing)
    }

    private func standing() throws -> MirrorStanding { try #require(try store.mirrorStanding()) }

    private func code(_ body: () throws -> Void) -> Problem? {
        do { try body() } catch { return Problem(error) }
        return nil
    }

    @Test("a target is not reverted by hand; its snapshots are read, and it takes snapshots")
    func protected() throws {
        for isDryRun in [true, false] {
            let refused = code {
                _ = try scene.manager.reverts.revert(
                    "\(first)", RevertOptions(isDryRun: isDryRun))
            }
            #expect(refused?.code == .refused)
            #expect(refused?.hint?.remedies == [.mirrorPromote("b")])
        }
        #expect(try scene.content(of: second, in: "b") == scene.fixture.content(of: "b"))
        try scene.fixture.snapshot("b")
    }

    @Test("it is promoted at the newest whole copy, or at the one that is named, and once")
    func promoted() throws {
        let preview = try roles.promote("b@\(first)", isDryRun: true)
        #expect(preview.isDryRun && preview.generation == 1 && preview.snapshot == first)
        #expect(preview.revert?.planBytes ?? 0 > 0)
        #expect(try standing().role == .target)
        // Its own snapshots are no copies.
        try scene.fixture.snapshot("b")
        let report = try roles.promote("b", isDryRun: false)
        #expect(report.snapshot == second && report.generation == 1 && !report.wasThat)
        #expect(try scene.fixture.content(of: "b") == scene.content(of: second, in: "b"))
        let begun = try standing()
        #expect(begun.role == .primary && begun.generation.number == 1)
        #expect(begun.snapshot == (try scene.manager.details.show("\(second)").uuid))
        let again = try roles.promote("b", isDryRun: false)
        #expect(again.wasThat && again.generation == 1)
        #expect(try standing() == begun)
        #expect(code { _ = try roles.promote("b@\(first)", isDryRun: false) }?.code == .refused)
        let events = try scene.manager.events.latest(100).map(\.kind)
        #expect(events.filter { $0 == EventKind.mirrorPromoted.rawValue }.count == 1)
    }

    @Test("promoted at an older copy it reads as that, and nothing is lost")
    func older() throws {
        let report = try roles.promote("b@\(first)", isDryRun: false)
        #expect(try scene.fixture.content(of: "b") == scene.content(of: first, in: "b"))
        let safety = try #require(report.revert?.safety)
        #expect(try scene.content(of: safety, in: "b") == scene.content(of: second, in: "b"))
    }

    @Test("a demotion keeps what the volume was, held, and a promotion has it again")
    func demoted() throws {
        _ = try roles.promote("b", isDryRun: false)
        try scene.fixture.write(7, to: 20..<24, of: "b")
        let content = try scene.fixture.content(of: "b")
        #expect(try roles.demote("b", isDryRun: true).snapshot == nil)
        #expect(try standing().role == .primary)
        let report = try roles.demote("b", isDryRun: false)
        let kept = try #require(report.snapshot)
        #expect(try scene.content(of: kept, in: "b") == content)
        #expect(
            code { _ = try scene.manager.deletions.delete(["\(kept)"], isDryRun: false) } != nil)
        #expect(try scene.manager.holds.list().contains { $0.owner == "mirror demote" })
        #expect(try standing().role == .target && standing().isDemoted == true)
        #expect(try standing().generation.number == 1)
        #expect(try roles.demote("b", isDryRun: false).wasThat)
        // Of what was demoted all that it was is the newest, and not its newest copy.
        let back = try roles.promote("b", isDryRun: false)
        #expect(back.snapshot == kept && back.generation == 2)
        #expect(try scene.fixture.content(of: "b") == content)
    }

    @Test(
        "a target that another program has written to is told what to do, and begins anew by that")
    func writtenTo() throws {
        let third = try scene.snapshot(3, 8..<12)
        let stream = try scene.send(third, from: scene.ids("a")[1])
        try scene.fixture.write(9, to: 40..<41, of: "b")
        let content = try scene.fixture.content(of: "b")
        let refusal = scene.refusal(stream)
        #expect(refusal?.code == .refused)
        #expect(refusal?.hint?.remedies == [.mirrorDemote("b")])
        let kept = try #require(try roles.demote("b", isDryRun: false).snapshot)
        #expect(try scene.content(of: kept, in: "b") == content)
        #expect(try standing().isDemoted == true)
        // By hand it takes nothing still, and another demotion would not help.
        #expect(scene.refusal(stream)?.hint?.remedies == [.mirrorPromote("b")])
    }

    @Test("what was demoted reads once as what it goes on from, however many streams are cut")
    func rewound() throws {
        _ = try roles.promote("b", isDryRun: false)
        try scene.fixture.write(7, to: 20..<24, of: "b")
        _ = try roles.demote("b", isDryRun: false)
        let context = roles.context
        let uuid = try scene.manager.details.show("\(second)").uuid
        let greeting = PeerGreeting(
            version: 1, mirror: "off", volume: "b", source: "a1", sourceName: "a", base: uuid,
            isPreview: false,
            standing: PeerStanding(
                MirrorStanding(
                    role: .primary, generation: MirrorGeneration(number: 2, promotion: "2f"),
                    since: scene.fixture.clock.now())))
        try MirrorTargets(context).rewind(context.volume("b"), greeting, to: second, uuid: uuid)
        let begun = try standing()
        #expect(begun.isDemoted == nil && begun.kept == nil && begun.snapshot == uuid)
        #expect(try scene.fixture.content(of: "b") == scene.content(of: second, in: "b"))
    }

    @Test("a volume without snapshots may be mirrored to, though a mirror is to send from it")
    func empty() throws {
        try scene.fixture.makeVolume("c")
        _ = try scene.manager.mirrors.add(
            MirrorRequest("off", volume: "c", target: "ssh://other/copy"), isDryRun: false)
        let context = roles.context
        #expect(try VolumeStandings(context).known(context.volume("c")) == nil)
        try scene.fixture.snapshot("c")
        #expect(try VolumeStandings(context).known(context.volume("c"))?.role == .primary)
    }

    @Test("a volume whose promotion was cut takes no stream by hand")
    func cutTakesNothing() throws {
        let third = try scene.snapshot(3, 8..<12)
        let stream = try scene.send(third, from: scene.ids("a")[1])
        try record(.promoting, MirrorGeneration(number: 4, promotion: "4f"))
        let refusal = scene.refusal(stream)
        #expect(refusal?.code == .refused)
        #expect(refusal?.hint?.remedies == [.mirrorPromote("b")])
    }

    @Test("a promotion that was cut is ended by the next one, as the same generation")
    func cut() throws {
        let generation = MirrorGeneration(number: 4, promotion: "4f")
        try record(.promoting, generation)
        let warnings = try scene.manager.status.status(["b"]).flatMap(\.warnings)
        #expect(warnings.contains { $0.contains("promote it again") })
        #expect(try roles.promote("b", isDryRun: false).generation == 4)
        #expect(try standing().generation == generation && standing().role == .primary)
    }

    @Test("a promotion that was cut in mid-merge is ended at the snapshot that it was begun at")
    func cutInMerge() throws {
        var options = RevertOptions(waits: false)
        options.isForMirror = true
        _ = try scene.manager.reverts.revert("\(first)", options)
        try record(.promoting, MirrorGeneration(number: 4, promotion: "4f"), at: first)
        let report = try roles.promote("b", isDryRun: false)
        #expect(report.snapshot == first && report.generation == 4)
        #expect(try standing().role == .primary)
        #expect(try scene.fixture.content(of: "b") == scene.content(of: first, in: "b"))
    }

    @Test("a target that goes on from a snapshot of its own is promoted at that")
    func ownBase() throws {
        let own = try scene.fixture.snapshot("b")[0]
        try record(.target, .first, at: own)
        #expect(try roles.promote("b", isDryRun: false).snapshot == own)
    }

    @Test("a demotion that was cut before what it was is held is done again, and once")
    func cutDemotion() throws {
        var begun = MirrorStanding(
            role: .target, generation: .first, since: scene.fixture.clock.now())
        begun.isDemoted = true
        try store.writeMirrorStanding(begun)
        let report = try roles.demote("b", isDryRun: false)
        #expect(!report.wasThat && report.snapshot != nil)
        #expect(
            try scene.manager.holds.list().filter { $0.owner == "mirror demote" }.count == 1)
        #expect(try standing().kept != nil)
        #expect(try roles.demote("b", isDryRun: false).wasThat)
    }

    @Test("another site that says the highest generation keeps nobody from a promotion")
    func highest() throws {
        let highest = MirrorGeneration.numberMaximum
        try record(.target, MirrorGeneration(number: highest, promotion: "9f"))
        #expect(try roles.promote("b", isDryRun: false).generation == highest)
        #expect(try standing().generation.promotion != "9f")
    }

    @Test("a promotion whose revert is refused leaves a target")
    func refused() throws {
        scene.fixture.sessions.fail("b") { $0.isOneRevert }
        #expect(throws: Problem.self) { try roles.promote("b@\(first)", isDryRun: false) }
        scene.fixture.sessions.heal()
        #expect(try standing().role == .target)
    }

    @Test("what is no target begins a generation above all that its mirrors have met")
    func numbered() throws {
        #expect(try roles.promote("a", isDryRun: false).generation == 1)
        let folder = MirrorFolder(StateFolder(path: scene.fixture.folder + "/state"))
        _ = try scene.manager.mirrors.add(
            MirrorRequest("off", volume: "a", target: "ssh://other/copy"), isDryRun: false)
        var record = try #require(try folder.record("off"))
        #expect(record.lowestVersion == 1)
        record.peer = PeerStanding(
            MirrorStanding(
                role: .target, generation: MirrorGeneration(number: 6, promotion: "6f"),
                since: scene.fixture.clock.now()))
        try folder.write(record)
        #expect(try folder.record("off")?.version == 2)
        #expect(try roles.promote("a", isDryRun: false).generation == 7)
        // Nobody was promoted so often.
        let far = PeerStanding(
            MirrorStanding(
                role: .primary,
                generation: MirrorGeneration(
                    number: MirrorGeneration.numberMaximum, promotion: "9f"),
                since: scene.fixture.clock.now()))
        record.peer = far
        try folder.write(record)
        #expect(try roles.promote("a", isDryRun: false).wasThat)
        let greeting = PeerGreeting(
            version: 1, mirror: "off", volume: "a", source: "b1", sourceName: "b", base: nil,
            isPreview: false, standing: far)
        let context = roles.context
        let refused = code { try MirrorTargets(context).noteSplit(greeting, common: nil) }
        #expect(refused?.code == .refused)
    }

    @Test("a damaged record is told, keeps the volume from being written, and is written anew")
    func damaged() throws {
        let folder = FileFolder(path: scene.fixture.storePath("b"))
        try folder.writeFile("mirror.json", Array("torn".utf8))
        let warnings = try scene.manager.status.status(["b"]).flatMap(\.warnings)
        #expect(warnings.contains { $0.contains("mirror.json is damaged") })
        #expect(
            code { _ = try scene.manager.reverts.revert("\(first)", RevertOptions()) }?.code
                == .corrupt)
        #expect(try roles.promote("b", isDryRun: false).generation == 1)
        #expect(try standing().role == .primary)
    }
}

extension VolumeRequest {
    fileprivate var isOneRevert: Bool {
        if case .revert(_) = self { return true }
        return false
    }
}

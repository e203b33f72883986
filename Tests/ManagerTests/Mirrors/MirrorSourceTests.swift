import Catalog
import Foundation
import Monitoring
import SnapshotModel
import Stream
import System
import Testing

@testable import Manager

@Suite("A mirror's source asks once, holds what may be needed, and is not stopped by one mirror")
struct MirrorSourceTests {
    private let fixture: ManagerFixture

    init() throws {
        fixture = try ManagerFixture()
        try fixture.makeVolume("a")
    }

    private var mirrors: MirrorService { fixture.manager.mirrors }
    private var folder: MirrorFolder { MirrorFolder(fixture.options.state) }

    /// Fills all of the volume with a byte, and takes a snapshot.
    private func snapshot(_ byte: UInt8) throws -> SnapshotID {
        try fixture.write(byte, to: 0..<ManagerFixture.chunkCount, of: "a")
        return try fixture.snapshot("a")[0]
    }

    private func uuid(_ id: SnapshotID) throws -> String {
        try #require(try fixture.manager.details.show("\(id)").uuid)
    }

    /// A mirror whose target says what `answers` has, reads so many bytes and hangs up.
    private func add(_ name: String = "off", _ behaviour: RevertBehaviour = .ask) throws {
        try Data(
            """
            cat '\(fixture.folder)/answers'
            head -c "$(cat '\(fixture.folder)/patience')" >'\(fixture.folder)/said'
            exit 1
            """.utf8
        ).write(to: URL(filePath: fixture.folder + "/target.sh"))
        var request = MirrorRequest(name, volume: "a", target: "ssh://other/copy")
        request.onRevert = behaviour
        request.connector = ["sh", fixture.folder + "/target.sh"]
        _ = try mirrors.add(request, isDryRun: false)
        try answer(PeerOffer(exists: false, snapshots: [], problem: Problem(.failed, "no")))
    }

    private func answer(
        _ offer: PeerOffer, _ answers: [PeerAnswer] = [], reads: Int = 1
    ) throws {
        let bytes =
            try MirrorTargetScene.frame(offer) + answers.flatMap(MirrorTargetScene.frame)
        try Data(bytes).write(to: URL(filePath: fixture.folder + "/answers"))
        try Data("\(reads)".utf8).write(to: URL(filePath: fixture.folder + "/patience"))
    }

    private func offer(_ ids: SnapshotID...) throws -> PeerOffer {
        PeerOffer(
            exists: true,
            snapshots: try ids.map { PeerOffer.Snapshot(uuid: try uuid($0), id: $0) })
    }

    private var said: String {
        String(
            decoding: (try? Data(contentsOf: URL(filePath: fixture.folder + "/said"))) ?? Data(),
            as: UTF8.self)
    }

    private func run(due: Bool = false, accepts: Bool = false) throws -> [MirrorOutcome] {
        var options = MirrorService.RunOptions()
        options.onlyDue = due
        options.acceptsRevert = accepts
        return try mirrors.run([], options)
    }

    private func change(_ change: (inout MirrorRecord) throws -> Void) throws {
        var record = try #require(try folder.record("off"))
        try change(&record)
        try folder.write(record)
    }

    private func failures() throws -> Int {
        try fixture.manager.events.latest(1000).count { $0.kind == "mirror_failed" }
    }

    // MARK: Reverts

    @Test(
        "after a first transfer that was cut a revert is asked about, too; and once, though what follows is cut"
    )
    func asksOnce() throws {
        let ids = [try snapshot(1), try snapshot(2)]
        try add()
        _ = try fixture.manager.reverts.revert("\(ids[0])", RevertOptions(waits: true))
        _ = try snapshot(3)
        try answer(offer(ids[0], ids[1]))
        let asked = try #require(try run().first?.problem)
        #expect(asked.code == .refused, "\(asked)")
        #expect(asked.hint?.remedies == [.mirrorRun("off", acceptsRevert: true)])
        #expect(try mirrors.show("off").state == .waiting)
        // It is sent now, and the target hangs up in the middle of it.
        try answer(offer(ids[0], ids[1]), reads: 3000)
        #expect(try run(accepts: true).first?.problem?.code == .failed)
        #expect(said.contains("\"receive\""))
        #expect(try run().first?.problem?.code == .failed)
        // Another revert is another question.
        _ = try fixture.manager.reverts.revert("\(ids[1])", RevertOptions(waits: true))
        _ = try snapshot(4)
        #expect(try run().first?.problem?.code == .refused)
    }

    @Test("what was before a revert is kept by one order, however often what follows it is cut")
    func keepsOnce() throws {
        let ids = [try snapshot(1), try snapshot(2)]
        try add("off", .keep)
        _ = try fixture.manager.reverts.revert("\(ids[0])", RevertOptions(waits: true))
        _ = try snapshot(3)
        try answer(offer(ids[0], ids[1]), [PeerAnswer()], reads: 3000)
        #expect(try run().first?.problem?.code == .failed)
        let kept = try uuid(ids[1])
        #expect(said.contains("\"keep\"") && said.contains(kept))
        #expect(try run().first?.problem?.code == .failed)
        #expect(said.contains("\"receive\"") && !said.contains("\"keep\""))
    }

    @Test("a revert before anything was sent is nobody's question")
    func asksNobody() throws {
        let ids = [try snapshot(1), try snapshot(2)]
        try add()
        _ = try fixture.manager.reverts.revert("\(ids[0])", RevertOptions(waits: true))
        try answer(PeerOffer(exists: true, snapshots: []), reads: 3000)
        #expect(try run().first?.problem?.code == .failed)
        try answer(offer(ids[0]), reads: 3000)
        #expect(try run().first?.problem?.code == .failed)
        #expect(said.contains("\"receive\""))
    }

    // MARK: Holds

    @Test(
        "what was not begun is not held when a run ends, however it ends; what the target may have is"
    )
    func holds() throws {
        let ids = try (1...8).map { try snapshot(UInt8($0)) }
        try add()
        try answer(PeerOffer(exists: true, snapshots: []), reads: 3000)
        #expect(try run().first?.problem?.code == .failed)
        func held() throws -> [SnapshotID] {
            try fixture.manager.holds.list().map(\.snapshot).sorted()
        }
        let begun = try held()
        #expect(begun.first == ids[0] && begun.count < ids.count, "\(begun)")
        #expect(begun == Array(ids[..<begun.count]))
        // The target has had the first one whole: nothing goes on from what was before it.
        try answer(offer(ids[1]), reads: 3000)
        #expect(try run().first?.problem?.code == .failed)
        let later = try held()
        #expect(!later.contains(ids[0]) && later.contains(ids[1]))
        #expect(later.count < ids.count - 1)
    }

    // MARK: Due

    @Test("a clock that was ahead stops no mirror")
    func clock() throws {
        _ = try snapshot(1)
        try add()
        #expect(try run().map(\.state) == [.failed])
        #expect(try run(due: true).map(\.state) == [.skipped])
        try change {
            $0.nextAttemptAt = fixture.clock.now().advanced(bySeconds: 5 * 365 * 86_400)
        }
        #expect(try run(due: true).map(\.state) == [.failed])
        let now = fixture.clock.now()
        let next = try #require(try folder.record("off")?.nextAttemptAt)
        #expect(next < now.advanced(bySeconds: MirrorRecord.restMaximumSeconds))
    }

    @Test("a target that has all is asked again after an hour: it may be gone")
    func contact() throws {
        let id = try snapshot(1)
        try add()
        try change {
            let row = try #require(try fixture.list().first)
            $0.base = MirrorBase(
                uuid: try uuid(id), id: id, ordinal: row.manifest.ordinal,
                takenAt: row.manifest.takenAt, targetID: id)
            $0.lastSuccessAt = fixture.clock.now()
        }
        #expect(try mirrors.show("off").state == .current)
        fixture.clock.advance(bySeconds: 3000)
        #expect(try run(due: true).map(\.state) == [.skipped])
        fixture.clock.advance(bySeconds: 700)
        #expect(try run(due: true).map(\.state) == [.failed])
        #expect(try mirrors.show("off").state == .failing)
    }

    // MARK: Patience

    @Test("a target that says that it is at work is waited for, and one that is silent is not")
    func signs() throws {
        let ids = [try snapshot(1), try snapshot(2)]
        try add()
        let sign = try MirrorTargetScene.frame(PeerAnswer(isWorking: true))
        try Data(sign).write(to: URL(filePath: fixture.folder + "/sign"))
        let ready = try MirrorTargetScene.frame(PeerAnswer(isReady: true))
        let refusal = try MirrorTargetScene.frame(PeerAnswer(problem: Problem(.refused, "at last")))
        try Data(ready + refusal).write(to: URL(filePath: fixture.folder + "/refusal"))
        var offer = try offer(ids[0])
        offer.givesSigns = true
        try answer(offer)
        func script(_ pause: String, count: Int) throws {
            try Data(
                """
                cd '\(fixture.folder)'
                cat answers
                for sign in $(seq \(count)); do \(pause); sleep 0.4; done
                cat refusal; head -c 3000 >said
                """.utf8
            ).write(to: URL(filePath: fixture.folder + "/target.sh"))
        }
        func run() throws -> Problem? {
            try mirrors.run([], MirrorService.RunOptions(), patienceMilliseconds: 5000)
                .first?.problem
        }
        // Six seconds in all, which are more than its patience.
        try script("cat sign", count: 15)
        let told = try run()
        #expect(told?.message.contains("at last") == true, "\(told as Any)")
        try script(":", count: 100)
        let silent = try run()
        #expect(silent?.message.contains("nothing for too long") == true, "\(silent as Any)")
    }

    // MARK: What fails

    @Test("somebody else at work at the target is no failure until that goes on")
    func conflicts() throws {
        _ = try snapshot(1)
        try add()
        try answer(
            PeerOffer(exists: false, snapshots: [], problem: Problem(.locked, "at work")))
        let outcome = try #require(try run(due: true).first)
        #expect(outcome.state == .skipped && outcome.problem?.code == .locked)
        #expect(try failures() == 0 && mirrors.show("off").record.failure == nil)
        #expect(try run(due: true).first?.problem == nil, "it rests")
        fixture.clock.advance(bySeconds: 61)
        // Whoever asks for it is told.
        #expect(try run().map(\.state) == [.failed])
        #expect(try failures() == 0)
        fixture.clock.advance(bySeconds: 61)
        #expect(try run(due: true).map(\.state) == [.failed])
        #expect(try failures() == 1 && mirrors.show("off").state == .failing)
        // Another failure ends the row.
        try answer(PeerOffer(exists: false, snapshots: [], problem: Problem(.failed, "no")))
        #expect(try run().map(\.state) == [.failed])
        #expect(try folder.record("off")?.conflictCount == nil)
    }

    @Test("a mirror of a volume that is gone keeps no other from being run")
    func gone() throws {
        _ = try snapshot(1)
        try fixture.makeVolume("gone")
        try add()
        var request = MirrorRequest("late", volume: "gone", target: "ssh://other/copy")
        request.connector = ["sh", fixture.folder + "/target.sh"]
        _ = try mirrors.add(request, isDryRun: false)
        request.name = "lost"
        _ = try mirrors.add(request, isDryRun: false)
        _ = try fixture.manager.volumes.remove("gone", keepsStore: false, isDryRun: false)
        let outcomes = try run(due: true)
        #expect(outcomes.map(\.mirror) == ["late", "lost", "off"])
        #expect(outcomes.map(\.state) == [.failed, .failed, .failed])
        #expect(outcomes.map { $0.problem?.code } == [.notFound, .notFound, .failed])
    }
}

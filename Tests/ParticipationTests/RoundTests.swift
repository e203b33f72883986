import Participation
import SnapshotModel
import Testing

/// Who is asked what, in which order, and what is believed of the answers.
@Suite struct RoundTests {
    private let registry = ParticipantRegistry()
    private let caller = FakeCaller()

    private func join(
        _ who: String, scope: [String] = [], mode: Participant.Mode = .snapshot, prepare: Int = 200,
        freeze: Int = 200
    ) throws -> Int64 {
        try registry.add(
            Participant(
                id: 0, who: who, scope: scope, mode: mode, prepareMilliseconds: prepare,
                freezeMilliseconds: freeze)
        ).id
    }

    private func round(
        _ kind: RoundKind = .snapshot, _ volumes: [String] = ["a"], _ snapshots: [Int64] = []
    ) -> ParticipantRound {
        ParticipantRound(
            kind, cookie: 7, volumes: volumes, snapshots: snapshots, registry: registry,
            caller: caller)
    }

    private func reason(_ outcomes: [ParticipantOutcome], _ id: Int64) -> String? {
        outcomes.first { $0.id == id }?.reason
    }

    @Test("who says yes to all and stays can be relied upon")
    func ordinary() throws {
        let id = try join("one")
        let round = round()
        #expect(round.prepare().allSatisfy { $0.reason == nil })
        #expect(round.freeze().allSatisfy { $0.reason == nil })
        #expect(caller.debts == [7])
        #expect(round.thaw(succeeded: true).allSatisfy { $0.reason == nil })
        #expect(caller.debts.isEmpty)
        #expect(
            caller.log == [
                "begins", "prepare \(id)", "owe 1", "freeze \(id)", "thaw \(id)", "ends",
            ])
    }

    @Test("the watchdog knows of it before anybody is at rest")
    func watchdogFirst() throws {
        _ = try join("one")
        let round = round()
        _ = round.prepare()
        _ = round.freeze()
        let log = caller.log
        #expect(
            try #require(log.firstIndex(of: "owe 1")) < #require(
                log.firstIndex { $0.hasPrefix("freeze") })
        )
    }

    @Test("without a watchdog nobody comes to rest")
    func noWatchdog() throws {
        let id = try join("one")
        let caller = FakeCaller(hasWatchdog: false)
        let round = ParticipantRound(
            .snapshot, cookie: 7, volumes: ["a"], registry: registry, caller: caller)
        _ = round.prepare()
        #expect(reason(round.freeze(), id) == "there is no watchdog")
        _ = round.thaw(succeeded: true)
        #expect(caller.log == ["begins", "prepare \(id)", "thaw \(id)", "ends"])
    }

    @Test("only those in scope are asked, of their own volumes")
    func scope() throws {
        let near = try join("near", scope: ["a", "x"])
        _ = try join("far", scope: ["b"])
        _ = try join("other", mode: .revert)
        caller.behave(near) { call in
            if case .prepare(let volumes) = call, volumes != ["a"] {
                .failed("\(volumes)")
            } else {
                .yes
            }
        }
        let round = round(.snapshot, ["a", "c"])
        #expect(round.participants.map(\.id) == [near])
        #expect(round.prepare().map(\.reason) == [nil])
    }

    @Test("who refuses to prepare is not frozen, and is told to go on")
    func veto() throws {
        let (no, yes) = (try join("no"), try join("yes"))
        caller.behave(no) { call in if case .prepare = call { .veto("busy") } else { .yes } }
        let round = round()
        let prepared = round.prepare()
        #expect(reason(prepared, no) == "it refused: busy")
        #expect(prepared.first { $0.id == no }?.isVeto == true)
        _ = round.freeze()
        let ended = round.thaw(succeeded: true)
        #expect(reason(ended, yes) == nil)
        #expect(reason(ended, no) == "it refused: busy")
        #expect(!caller.log.contains("freeze \(no)"))
        #expect(caller.log.contains("thaw \(no)"))
    }

    @Test("who wants to be asked again is, once, within its time")
    func retry() throws {
        let (soon, never) = (try join("soon", prepare: 5_000), try join("never", prepare: 5_000))
        let asked = FakeCaller()
        let registry = registry
        asked.behave(soon) { call in
            guard case .prepare = call else { return .yes }
            let count = asked.log.count { $0 == "prepare \(soon)" }
            return count > 1 ? .yes : .retry(milliseconds: 20, "in a moment")
        }
        asked.behave(never) { call in
            if case .prepare = call { .retry(milliseconds: 20, "later") } else { .yes }
        }
        let round = ParticipantRound(
            .snapshot, cookie: 7, volumes: ["a"], registry: registry, caller: asked)
        let outcomes = round.prepare()
        #expect(reason(outcomes, soon) == nil)
        #expect(reason(outcomes, never) == "it was not ready: later")
        #expect(asked.log.count { $0 == "prepare \(never)" } == 2)
    }

    @Test("who does not answer costs its time and no more")
    func silence() throws {
        let (mute, fine) = (try join("mute", freeze: 100), try join("fine"))
        caller.behave(mute) { call in if case .freeze = call { nil } else { .yes } }
        let round = round()
        _ = round.prepare()
        let outcomes = round.freeze()
        #expect(reason(outcomes, mute) == "it did not answer within 100 ms")
        #expect(reason(outcomes, fine) == nil)
        #expect(reason(round.thaw(succeeded: true), fine) == nil)
        #expect(caller.log.contains("thaw \(mute)"))
    }

    @Test("who goes away while it is at rest cannot be relied upon")
    func gone() throws {
        let id = try join("one")
        let round = round()
        _ = round.prepare()
        #expect(reason(round.freeze(), id) == nil)
        registry.remove(id)
        #expect(reason(round.thaw(succeeded: true), id) == "it went away")
    }

    @Test("who registers after the beginning is not asked, and cannot be relied upon")
    func newcomer() throws {
        let first = try join("first")
        let round = round()
        _ = round.prepare()
        let (late, far) = (try join("late"), try join("far", scope: ["b"]))
        let outcomes = round.freeze()
        #expect(reason(outcomes, late) == "it came too late")
        #expect(outcomes.map(\.id) == [first, late])
        #expect(round.participants.map(\.id) == [first, late])
        #expect(reason(round.thaw(succeeded: true), first) == nil)
        #expect(!caller.log.contains { $0.hasSuffix(" \(late)") || $0.hasSuffix(" \(far)") })
    }

    @Test("who does not answer that it goes on is left to the watchdog, and nobody else is")
    func unanswered() throws {
        let (mute, fine) = (try join("mute"), try join("fine"))
        caller.behave(mute) { call in
            if case .thaw = call { .silent("it was not delivered") } else { .yes }
        }
        let round = round()
        _ = round.prepare()
        _ = round.freeze()
        let outcomes = round.thaw(succeeded: true)
        #expect(reason(outcomes, mute) == "it was not delivered")
        #expect(reason(outcomes, fine) == nil)
        #expect(caller.debts == [7])
        #expect(caller.log.filter { $0.hasPrefix("owe") } == ["owe 2", "owe 1"])
    }

    @Test("who was not at rest all the while is not believed")
    func thawedEarly() throws {
        let id = try join("one")
        caller.behave(id) { call in
            if case .thaw = call { .failed("it did not stay at rest") } else { .yes }
        }
        let round = round()
        _ = round.prepare()
        #expect(reason(round.freeze(), id) == nil)
        #expect(reason(round.thaw(succeeded: true), id) == "it did not stay at rest")
    }

    @Test("who was never asked to come to rest was not at rest")
    func notFrozen() throws {
        let id = try join("one")
        let round = round()
        _ = round.prepare()
        #expect(reason(round.thaw(succeeded: true), id) == "it was not asked to come to rest")
    }

    @Test("a revert is told with what the volumes go back to, and ended in any case")
    func revert() throws {
        let id = try join("one", scope: ["b"], mode: .all)
        caller.behave(id) { call in
            if case .prepareRevert(let volumes, let snapshots) = call,
                volumes != ["b"] || snapshots != [4]
            {
                .failed("\(volumes) \(snapshots)")
            } else {
                .yes
            }
        }
        let round = round(.revert, ["a", "b"], [3, 4])
        #expect(round.prepare().map(\.reason) == [nil])
        _ = round.reverted(succeeded: true)
        #expect(
            caller.log == [
                "revert begins", "prepare-revert \(id)", "reverted \(id)", "revert ends",
                "a reverted to 3", "b reverted to 4",
            ])
        round.abandon()
        #expect(caller.log.count == 6)
    }

    @Test("a participant says who it is, and not more than can be kept")
    func bounds() throws {
        #expect(throws: Problem.self) { try join("") }
        #expect(throws: Problem.self) { try join(String(repeating: "x", count: 201)) }
        #expect(throws: Problem.self) { try join("x", prepare: 30_001) }
        #expect(throws: Problem.self) { try join("x", freeze: 10_001) }
        for _ in 0..<ParticipantLimits.count { _ = try join("x") }
        #expect(throws: Problem.self) { try join("x") }
    }
}

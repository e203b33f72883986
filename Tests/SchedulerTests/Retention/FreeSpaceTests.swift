import Scheduler
import SnapshotModel
import Testing

@Suite("Below the floor of free space")
struct FreeSpaceTests {
    /// Every snapshot frees 10 bytes, and two neighbours that both go free 5 more.
    static func freed(_ subjects: [RetentionSubject]) -> Int {
        let numbers = Set(subjects.map(\.id.rawValue))
        return numbers.count * 10 + numbers.count { numbers.contains($0 + 1) } * 5
    }

    /// Hourly ones of two days: 1 goes, the other 47 stay, each an hour longer than the one before.
    static func plan(_ change: (inout [RetentionSubject]) -> Void = { _ in }) -> PrunePlan {
        var all = snapshots(at: slots(every: 3600, from: "2026-11-20", count: 48))
        change(&all)
        let scope = RetentionScope(
            name: "standard", policy: RetentionPolicy(.last(.atMost(47))),
            nextSlot: ExpiryTests.every(3600))
        return PrunePlan(of: all, scopes: [scope], now: all[47].takenAt) { _ in 0 }
    }

    static func numbers(_ plan: FreeSpacePlan) -> [Int64] { plan.victims.map(\.id.rawValue) }

    @Test("nothing the policy keeps goes unless that is allowed")
    func refuse() {
        let refused = FreeSpacePlanner.plan(
            Self.plan(), missingBytes: 11, below: .refuse, freedBytes: Self.freed)
        #expect(refused == FreeSpacePlan(victims: [], freedBytes: 10, isEnough: false))
        let enough = FreeSpacePlanner.plan(
            Self.plan(), missingBytes: 10, below: .refuse, freedBytes: Self.freed)
        #expect(enough == FreeSpacePlan(victims: [], freedBytes: 10, isEnough: true))
    }

    @Test("the fewest go, the nearest to their end first", arguments: 1...50)
    func fewest(missing: Int) {
        let bytes = missing * 15
        let found = FreeSpacePlanner.plan(
            Self.plan(), missingBytes: bytes, below: .prune, freedBytes: Self.freed)
        // 1 goes anyway, each further one frees 15; the newest never goes.
        let needed = (bytes - 10 + 14) / 15
        #expect(Self.numbers(found) == (0..<min(needed, 46)).map { Int64($0 + 2) })
        #expect(found.isEnough == (needed <= 46))
        #expect(found.freedBytes == 10 + 15 * min(needed, 46))
    }

    @Test("held, manual, used and forever kept ones never go")
    func never() throws {
        let plan = Self.plan { all in
            all[1].holds = [
                RetentionHold(owner: "ann", reason: "audit", until: moment("2027-01-01"))
            ]
            all[2].kind = .manual
            all[3].uses = [.mirrorBase]
        }
        let found = FreeSpacePlanner.plan(
            plan, missingBytes: 30, below: .prune, freedBytes: Self.freed)
        // The manual one does not count, so that none goes by itself.
        #expect(Self.numbers(found) == [1, 5, 6])
        var tagged = snapshots("2026-11-20", "2026-11-21", "2026-11-22")
        tagged[0].tags = ["keep"]
        let forever = PrunePlan(
            RetentionPolicy(.tags(TagRule(["keep"])), .buckets(.daily, .all)), of: tagged)
        let none = FreeSpacePlanner.plan(
            forever, missingBytes: 1, below: .prune, freedBytes: Self.freed)
        #expect(none == FreeSpacePlan(victims: [], freedBytes: 0, isEnough: false))
    }

    @Test("a sliding grid's snapshots go oldest first")
    func grid() throws {
        let all = snapshots(at: slots(every: 3600, from: "2026-11-20", count: 10))
        let plan = PrunePlan(
            RetentionPolicy(.grid(GridRule(try Grid(parsing: "9x1h(keep=all)")))), of: all)
        let found = FreeSpacePlanner.plan(
            plan, missingBytes: 35, below: .prune, freedBytes: Self.freed)
        #expect(plan.removedNumbers == [1])
        #expect(Self.numbers(found) == [2, 3])
    }

    @Test("the exact bytes are asked for a few times only")
    func questions() {
        var count = 0
        _ = FreeSpacePlanner.plan(Self.plan(), missingBytes: 400, below: .prune) {
            count += 1
            return Self.freed($0)
        }
        #expect(count <= 14)
    }
}

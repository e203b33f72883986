import Scheduler
import SnapshotModel
import Testing

@Suite("A policy's future")
struct PolicySimulationTests {
    static func scope(_ rules: KeepRule...) -> RetentionScope {
        RetentionScope(
            name: "standard", policy: RetentionPolicy(rules: rules),
            nextSlot: ExpiryTests.every(900))
    }

    @Test("a year at 15 minutes ends with what the rules say, for each sample and at the end")
    func year() throws {
        let start = moment("2026-06-01")
        let end = moment("2027-06-01")
        let simulation = try PolicySimulation(
            Self.scope(.last(.atMost(8)), .buckets(.daily, .atMost(30)), .buckets(.monthly, .all)),
            from: start, until: end, sampleCount: 73)
        #expect(simulation.takenCount == 35_040)
        #expect(simulation.rules == ["last(8)", "daily(30)", "monthly(all)"])
        #expect(simulation.samples.count == 73)
        #expect(simulation.samples.last?.at == end)
        #expect(simulation.samples.last?.countOfRule == [8, 30, 13])
        let all = snapshots(at: slots(every: 900, from: "2026-06-01T00:15", count: 35_040))
        for sample in simulation.samples {
            let taken = all.filter { $0.takenAt <= sample.at }
            let kept = Self.scope(
                .last(.atMost(8)), .buckets(.daily, .atMost(30)), .buckets(.monthly, .all))
            #expect(sample.count == kept.policy.survivors(of: taken).count)
        }
        #expect(simulation.survivors.count == simulation.samples.last?.count)
        #expect(simulation.survivors[0].takenAt == moment("2026-06-01T00:15"))
        #expect(simulation.survivors[0].reasons == ["monthly(all): 2026-06 (#13)"])
    }

    @Test("what exists takes part: it ages, is held and stays when it was taken by hand")
    func existing() throws {
        var all = snapshots("2026-05-01", "2026-05-02", "2026-05-03")
        all[0].kind = .manual
        all[1].holds = [RetentionHold(owner: "ann", reason: "audit", until: moment("2026-06-15"))]
        let simulation = try PolicySimulation(
            Self.scope(.last(.atMost(2))), existing: all, from: moment("2026-06-01"),
            until: moment("2026-07-01"), sampleCount: 30)
        #expect(simulation.samples.map(\.count).prefix(13).allSatisfy { $0 == 4 })
        #expect(simulation.samples.map(\.count).dropFirst(13).allSatisfy { $0 == 3 })
        #expect(simulation.survivors.map(\.existing).first == all[0].id)
        #expect(simulation.survivors.dropFirst().allSatisfy { $0.existing == nil })
    }

    @Test("a grid is pruned at every snapshot, as it would be")
    func grid() throws {
        let rule = KeepRule.grid(GridRule(try Grid(parsing: "1x1h(keep=all) | 3x1h | 3x1d")))
        let simulation = try PolicySimulation(
            Self.scope(rule), from: moment("2026-06-01"), until: moment("2026-06-08"),
            sampleCount: 5)
        var left: [RetentionSubject] = []
        for subject in snapshots(at: slots(every: 900, from: "2026-06-01T00:15", count: 672)) {
            left.append(subject)
            left =
                PolicyEvaluation(
                    RetentionPolicy(rule), of: left, now: subject.takenAt
                ).survivors
        }
        #expect(simulation.survivors.map(\.takenAt) == left.map(\.takenAt))
    }

    @Test("a schedule without a future leaves what there is")
    func noSlots() throws {
        let scope = RetentionScope(name: "standard", policy: RetentionPolicy(.last(.atMost(2))))
        let simulation = try PolicySimulation(
            scope, existing: snapshots("2026-05-01", "2026-05-02", "2026-05-03"),
            from: moment("2026-06-01"), until: moment("2026-07-01"), sampleCount: 1)
        #expect(simulation.takenCount == 0)
        #expect(simulation.samples.map(\.count) == [2])
    }

    @Test("what would fill the memory is refused, and whoever asks can end it at each snapshot")
    func bounded() throws {
        let (start, end) = (moment("2026-06-01"), moment("2480-06-01"))
        let problem = #expect(throws: Problem.self) {
            try PolicySimulation(Self.scope(.last(.all)), from: start, until: end, sampleCount: 1)
        }
        #expect(problem?.code == .usage)
        struct Enough: Error {}
        let grid = GridRule(try Grid(parsing: "9x1h | 9x1d"))
        for rule in [KeepRule.last(.atMost(2)), .grid(grid)] {
            var count = 0
            #expect(throws: Enough.self) {
                try PolicySimulation(Self.scope(rule), from: start, until: end, sampleCount: 1) {
                    count += 1
                    if count == 3 { throw Enough() }
                }
            }
        }
    }
}

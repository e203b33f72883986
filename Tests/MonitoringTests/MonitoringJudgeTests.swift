import Scheduler
import ShellWords
import SnapshotModel
import Testing

@testable import Monitoring
import VolumeAccess

/// What monitoring makes of a reading.
@Suite struct MonitoringJudgeTests {
    private typealias Sample = MonitoringSample

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var severity: MonitorSeverity
        /// A part of the finding; nil when there is to be none.
        var text: String?
        var change: @Sendable (inout VolumeReading) -> Void

        init(
            _ name: String, _ severity: MonitorSeverity, _ text: String?,
            _ change: @escaping @Sendable (inout VolumeReading) -> Void
        ) {
            testDescription = name
            self.severity = severity
            self.text = text
            self.change = change
        }
    }

    @Sendable private static func mirror(
        _ condition: MirrorCondition, _ failures: Int = 0, lag: Int = 0
    ) -> MirrorReading {
        var mirror = MirrorReading(
            name: "off", condition: condition, lagSeconds: lag, lagBytes: nil,
            failureCount: failures, lastSuccessAt: nil)
        mirror.failure = failures > 0 ? "away" : nil
        return mirror
    }

    @Test("mirrors that have no volume, and those that cannot be read, are told")
    func lostMirrors() {
        var reading = MonitorReading(now: Sample.now, volumes: [Sample.volume()])
        reading.orphans = [OrphanedMirror(name: "off", volume: "gone")]
        reading.unreadableMirrors = [Problem(.corrupt, "bad.json is damaged")]
        let findings = MonitorJudge(reading).findings
        #expect(findings.map(\.severity) == [.warning, .warning])
        #expect(findings.map(\.subject) == ["mirror off", "mirrors"])
    }

    static let day: Int64 = 86_400
    static let cases = [
        Case("a volume that is well", .ok, nil) { _ in },
        Case("a missing store", .critical, "the store is gone") {
            $0.condition = .missing
            $0.missing = "the store is gone"
        },
        Case("no device", .warning, "snapmgr activate data") { $0.condition = .inactive },
        Case("one broken snapshot", .critical, "broken: 1 snapshot lost") {
            $0.counts[0].state = .broken
            $0.counts[0].count = 1
        },
        Case("a broken chain that the catalog does not know", .critical, "broken") {
            $0.hasBrokenChain = true
        },
        Case("free space at the floor", .ok, nil) { $0.freeBytes = 1 << 20 },
        Case("free space below the floor", .critical, "1023 KiB free, less than the floor of 1 MiB")
        { $0.freeBytes = 1023 << 10 },
        Case("a store that is full after a week", .ok, nil) { $0.daysToFull = 7.1 },
        Case("a store that is full in a week", .warning, "full in 7.0 days") {
            $0.daysToFull = 7
        },
        Case("a store that is full after two days", .warning, "2.1 days") {
            $0.daysToFull = 2.1
        },
        Case("a store that is full in two days", .critical, "2.0 days") {
            $0.daysToFull = 2
        },
        Case("a split brain", .critical, "both written to") { $0.splits = ["both written to"] },
        Case("a mirror that has all", .ok, nil) { $0.mirrors = [mirror(.current)] },
        Case("a mirror that failed twice", .ok, nil) { $0.mirrors = [mirror(.failing, 2)] },
        Case("a mirror that failed three times", .warning, "failed 3 times, the last one: away") {
            $0.mirrors = [mirror(.failing, 3)]
        },
        Case("a mirror that waits for a word", .warning, "mirror run off --accept-revert") {
            $0.mirrors = [mirror(.waiting, 1)]
        },
        Case("a mirror whose target was promoted", .warning, "takes nothing") {
            $0.mirrors = [mirror(.promoted, 1)]
        },
        Case("a mirror that is two days behind", .ok, nil) {
            $0.mirrors = [mirror(.behind, lag: 2 * 86_400)]
        },
        Case("a mirror that is further behind", .warning, "behind for 2d 1h") {
            $0.mirrors = [mirror(.behind, lag: 49 * 3600)]
        },
        Case("a mirror that follows its target", .ok, nil) {
            $0.mirrors = [mirror(.reversed, lag: 49 * 3600)]
        },
        Case("a merge at work", .ok, nil) {
            $0.merge = MonitoringSample.merge(.merging, rate: 100)
            $0.mergeBegunAt = MonitoringSample.ago(86_400)
        },
        Case("a merge that nobody runs", .warning, "merge resume data") {
            $0.merge = MonitoringSample.merge(.paused)
            $0.isInUse = false
        },
        Case("a merge that is paused", .warning, "paused with 3 KiB to go") {
            $0.merge = MonitoringSample.merge(.paused)
        },
        Case("a merge that failed", .critical, "failed with 3 KiB to go: no space") {
            $0.merge = MonitoringSample.merge(.failed)
            $0.merge?.failure = "no space"
        },
        Case("a merge that stands still", .warning, "stands still") {
            $0.merge = MonitoringSample.merge(.merging)
            $0.isMergeStill = true
            $0.mergeBegunAt = MonitoringSample.ago(301)
        },
        Case("a merge that has just begun", .ok, nil) {
            $0.merge = MonitoringSample.merge(.merging)
            $0.isMergeStill = true
            $0.mergeBegunAt = MonitoringSample.ago(300)
        },
        Case("a merge that a command runs, which does not tell its pace", .ok, nil) {
            $0.merge = MonitoringSample.merge(.merging)
            $0.mergeBegunAt = MonitoringSample.ago(3600)
        },
        Case("snapshots that nobody prunes", .warning, "1 snapshot should have been pruned 2d ago")
        { $0.overdueCount = 1 },
        Case("a hold of a month", .ok, nil) {
            $0.holds = [MonitoringSample.hold(heldAt: MonitoringSample.ago(30 * day))]
        },
        Case("an old hold without an end", .warning, "is 31d old and has no end; run `snapmgr rel")
        { $0.holds = [MonitoringSample.hold(heldAt: MonitoringSample.ago(31 * day))] },
        Case("an old hold with an end", .ok, nil) {
            $0.holds = [
                MonitoringSample.hold(
                    heldAt: MonitoringSample.ago(31 * day), until: MonitoringSample.ago(-1))
            ]
        },
        Case("an expired hold, which is only told", .ok, "has expired") {
            $0.holds = [
                MonitoringSample.hold(
                    heldAt: MonitoringSample.ago(31 * day), until: MonitoringSample.now)
            ]
        },
        Case("a failure since the last success", .warning, "failed 2m ago: no freeze") {
            $0.failure = MonitoringSample.event(.hookFailed, volume: "data", "no freeze")
        },
        Case("a warning of the server", .warning, "the origin was changed") {
            $0.warnings = ["the origin was changed"]
        },
    ]

    @Test("a volume is judged", arguments: cases)
    func volumes(expected: Case) {
        var volume = Sample.volume()
        expected.change(&volume)
        let findings = MonitorJudge(MonitorReading(now: Sample.now, volumes: [volume])).findings
        #expect(findings.severity == expected.severity)
        #expect(findings.count == (expected.text == nil ? 0 : 1))
        #expect(findings.allSatisfy { $0.subject == "volume data" })
        if let text = expected.text {
            let told = findings.first.map { Wording.shell.text($0.text) }
            #expect(told?.contains(text) == true)
        }
    }

    @Test(
        "a slot may wait for five minutes or a quarter of the period, and is an alarm after two",
        arguments: [
            ("15m", "12:00:00", "12:14:59", MonitorSeverity.ok),
            ("15m", "12:00:00", "12:20:00", .ok), ("15m", "12:00:00", "12:20:01", .warning),
            ("15m", "12:00:00", "12:30:00", .warning), ("15m", "12:00:00", "12:44:59", .warning),
            ("15m", "12:00:00", "12:45:00", .critical),
            // Slots that come faster than a check can look.
            ("1m", "12:00:00", "12:06:00", .ok), ("1m", "12:00:00", "12:06:01", .warning),
            ("1m", "12:00:00", "12:11:00", .warning), ("1m", "12:00:00", "12:11:01", .critical),
            ("4h", "12:00:00", "17:00:00", .ok), ("4h", "12:00:00", "17:00:01", .warning),
            ("4h", "12:00:00", "23:59:59", .warning),
        ])
    func slots(every: String, served: String, now: String, severity: MonitorSeverity) throws {
        let clock = try Sample.moment("2026-11-22T\(now)Z")
        let schedule = Sample.schedule(
            .every(try TimeSpan(parsing: every)),
            served: [try Sample.moment("2026-11-22T\(served)Z")],
            now: clock)
        let findings = judge(schedule, now: clock)
        #expect(findings.severity == severity)
        #expect(findings.allSatisfy { $0.subject == "schedule auto of volume:data" })
    }

    private func judge(_ schedule: ScheduleReading, now: Timestamp) -> [MonitorFinding] {
        MonitorJudge(
            MonitorReading(now: now, volumes: [Sample.volume()], schedules: [schedule])
        ).findings
    }

    @Test("a schedule that rests over the weekend is no alarm, and one on Monday is")
    func weekend() throws {
        let timetable = Timetable.calendar(
            try CalendarExpression(parsing: "Mon..Fri *-*-* 09..18:00:00"))
        let friday = try Sample.moment("2026-11-20T18:00:00Z")
        for (now, severity) in [
            ("2026-11-22T12:00:00Z", MonitorSeverity.ok), ("2026-11-23T09:10:00Z", .ok),
            ("2026-11-23T09:16:00Z", .warning), ("2026-11-23T11:00:00Z", .critical),
        ] {
            let clock = try Sample.moment(now)
            let schedule = Sample.schedule(timetable, served: [friday], now: clock)
            #expect(judge(schedule, now: clock).severity == severity, "\(now)")
        }
    }

    @Test("how late a slot is, is told with how many were missed")
    func words() throws {
        let schedule = Sample.schedule(
            .every(.hour), served: [Sample.ago(4 * 3600)], now: Sample.now)
        #expect(schedule.missedCount == 3)
        #expect(
            judge(schedule, now: Sample.now).first?.text
                == "no snapshot for 4 slots, the first due 3h ago")
    }

    @Test("a schedule that no tick has seen, or that waits for the clock, is told")
    func standing() throws {
        let schedule = Schedule(name: "auto", timetable: .every(.hour), zone: .utc)
        let unseen = ScheduleReading(.set("vm"), schedule, nil, now: Sample.now)
        #expect(judge(unseen, now: Sample.now).map(\.severity) == [.warning])
        #expect(judge(unseen, now: Sample.now).first?.subject == "schedule auto of set:vm")
        let ahead = Sample.schedule(.every(.hour), served: [Sample.ago(-7200)])
        #expect(judge(ahead, now: Sample.now).map(\.severity) == [.warning])
        #expect(judge(ahead, now: Sample.now).first?.text.description.hasSuffix("for 3h") == true)
    }

    @Test("an alarm outranks what is unknown, which outranks a warning")
    func order() {
        var volume = Sample.volume()
        volume.daysToFull = 5
        var reading = MonitorReading(now: Sample.now, volumes: [volume])
        #expect(MonitorJudge(reading).findings.severity == .warning)
        reading.problems = [Problem(.failed, "the settings are wrong")]
        #expect(MonitorJudge(reading).findings.severity == .unknown)
        reading.volumes[0].hasBrokenChain = true
        let findings = MonitorJudge(reading).findings
        #expect(findings.map(\.severity) == [.critical, .unknown, .warning])
        #expect(PluginOutput(reading, .shell).status == 2)
    }

    @Test("nothing to look at is unknown, not well")
    func nothing() {
        let output = PluginOutput(MonitorReading(now: Sample.now), .shell)
        #expect(output.status == 3)
        #expect(output.text.hasPrefix("SNAPMGR UNKNOWN - check: there is no volume"))
    }

    @Test("ages have the two largest units")
    func ages() {
        let expected: [(Int64, String)] = [
            (-1, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (3601, "1h"), (3660, "1h 1m"),
            (86_400 + 60, "1d"), (90_061, "1d 1h"),
        ]
        for (seconds, text) in expected { #expect(MonitorJudge.age(seconds) == text) }
    }
}

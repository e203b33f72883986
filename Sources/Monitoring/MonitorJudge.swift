internal import Scheduler
internal import SnapshotModel
internal import VolumeAccess

/// What a reading means. Pure.
struct MonitorJudge {
    private let reading: MonitorReading

    init(_ reading: MonitorReading) { self.reading = reading }

    /// The worst first; among equals problems of the check, then volumes, then schedules.
    var findings: [MonitorFinding] {
        let all =
            problems + clock
            + reading.volumes.flatMap(findings(of:)) + reading.schedules.compactMap(finding(of:))
            + reading.setFailures.map { failure(of: "sets", $0) } + lostMirrors
        return all.enumerated().sorted {
            (-$0.element.severity.rank, $0.offset) < (-$1.element.severity.rank, $1.offset)
        }.map(\.element)
    }

    private var problems: [MonitorFinding] {
        let found = reading.problems.map { MonitorFinding(.unknown, "check", Advice($0.message)) }
        guard found.isEmpty, reading.volumes.isEmpty else { return found }
        return [MonitorFinding(.unknown, "check", "there is no volume to look at")]
    }

    private var clock: [MonitorFinding] {
        guard let clock = reading.clock, clock.isInDoubt else { return [] }
        return [MonitorFinding(.warning, "clock", clock.doubt)]
    }

    // MARK: volumes

    private func findings(of volume: VolumeReading) -> [MonitorFinding] {
        let subject = "volume \(volume.name)"
        let texts =
            [
                missing(volume), inactive(volume), broken(volume), space(volume), merge(volume),
                overdue(volume), scrub(volume),
            ]
            .compactMap { $0 } + holds(volume) + mirrors(volume) + warnings(volume)
        return texts.map { MonitorFinding($0.0, subject, $0.1) }
            + (volume.failure.map { [failure(of: subject, $0)] } ?? [])
    }

    private typealias Judgement = (MonitorSeverity, Advice)

    private func missing(_ volume: VolumeReading) -> Judgement? {
        guard volume.condition == .missing else { return nil }
        return (.critical, volume.missing.map { Advice($0) } ?? "its store or origin is missing")
    }

    /// What is written to its origin meanwhile changes what its snapshots show.
    private func inactive(_ volume: VolumeReading) -> Judgement? {
        guard volume.condition == .inactive else { return nil }
        return (.warning, "its device is not there; run \(.activate(volume.name))")
    }

    private func broken(_ volume: VolumeReading) -> Judgement? {
        let count = volume.brokenCount
        guard count > 0 || volume.hasBrokenChain else { return nil }
        let what = count > 0 ? "\(Self.count(count, "snapshot")) lost data" : "snapshots lost data"
        return (
            .critical,
            "the chain is broken: \(what); see \(.list(volume.name)), and delete them"
        )
    }

    private func space(_ volume: VolumeReading) -> Judgement? {
        if let free = volume.freeBytes, let floor = volume.floorBytes, free < floor {
            return (
                .critical,
                "the store has \(ByteCount(free)) free, less than the floor of \(ByteCount(floor))"
            )
        }
        guard let days = volume.daysToFull, days <= MonitorLimits.daysToFullWarning else {
            return nil
        }
        let isNear = days <= MonitorLimits.daysToFullCritical
        return (isNear ? .critical : .warning, "the store is full in \(days) days at this pace")
    }

    private func merge(_ volume: VolumeReading) -> Judgement? {
        guard let merge = volume.merge else { return nil }
        let rest = "with \(ByteCount(merge.restBytes)) to go"
        if merge.state == .failed {
            let cause = merge.failure.map { ": \($0)" } ?? ""
            return (.critical, "the merge failed \(rest)\(cause)")
        }
        guard volume.isInUse else {
            return (
                .warning,
                "a merge waits \(rest), and nobody runs it: "
                    + (volume.mergesByItself
                        ? "run \(.activate(volume.name))"
                        : "serve the volume, or run \(.mergeResume(volume.name))")
            )
        }
        if merge.state == .paused { return (.warning, "the merge is paused \(rest)") }
        let age = volume.mergeBegunAt?.seconds(until: reading.now) ?? 0
        guard volume.isMergeStill, age > MonitorLimits.mergeStandstillSeconds else { return nil }
        return (.warning, "the merge stands still \(rest)")
    }

    private func overdue(_ volume: VolumeReading) -> Judgement? {
        guard volume.overdueCount > 0 else { return nil }
        return (
            .warning,
            "\(Self.count(volume.overdueCount, "snapshot")) should have been pruned "
                + "\(Self.age(MonitorLimits.pruneSeconds)) ago: does \(.prune) run?"
        )
    }

    private func scrub(_ volume: VolumeReading) -> Judgement? {
        guard volume.scrubDamage > 0 else { return nil }
        return (
            .critical,
            "a scrub found damage in \(Self.count(volume.scrubDamage, "place")); see "
                + "\(.check(volume.name, readsData: true))"
        )
    }

    private func holds(_ volume: VolumeReading) -> [Judgement] {
        volume.holds.compactMap { hold in
            let age = hold.heldAt.seconds(until: reading.now)
            let what = "of \(hold.owner) on snapshot \(hold.snapshot) (\(hold.reason))"
            if hold.isExpired { return (.ok, "the hold \(what) has expired and keeps nothing") }
            guard hold.until == nil, age > MonitorLimits.holdSeconds else { return nil }
            return (
                .warning,
                "the hold \(what) is \(Self.age(age)) old and has no end; run "
                    + "\(.release(hold.snapshot, owner: hold.owner))"
            )
        }
    }

    private func warnings(_ volume: VolumeReading) -> [Judgement] {
        volume.warnings.map { (.warning, Advice($0)) }
    }

    // MARK: mirrors

    private func mirrors(_ volume: VolumeReading) -> [Judgement] {
        volume.splits.map { (.critical, Advice($0)) }
            + volume.mirrors.flatMap { mirror in
                [state(of: mirror, volume), lag(of: mirror)].compactMap { $0 }
            }
    }

    private func state(of mirror: MirrorReading, _ volume: VolumeReading) -> Judgement? {
        let name = "mirror \(mirror.name)"
        switch mirror.condition {
        case .current, .behind, .reversed, .orphaned: return nil
        // The volume itself tells it, and with more words.
        case .split:
            guard volume.splits.isEmpty else { return nil }
            return (.critical, "\(name): both sides are written to")
        case .waiting:
            return (
                .warning,
                "\(name) waits for a word on a revert; run "
                    + "\(.mirrorRun(mirror.name, acceptsRevert: true))"
            )
        case .promoted:
            return (.warning, "\(name): its target was promoted, and takes nothing")
        case .failing:
            guard mirror.failureCount >= MonitorLimits.mirrorFailures else { return nil }
            return (
                .warning,
                "\(name) has failed \(Self.count(mirror.failureCount, "time")), the last one: "
                    + Advice(mirror.failure ?? "")
            )
        }
    }

    private func lag(of mirror: MirrorReading) -> Judgement? {
        let lag = Int64(mirror.lagSeconds)
        guard lag > MonitorLimits.mirrorLagSeconds, mirror.condition != .reversed else {
            return nil
        }
        return (.warning, "mirror \(mirror.name) has been behind for \(Self.age(lag))")
    }

    private var lostMirrors: [MonitorFinding] {
        reading.orphans.map { mirror in
            MonitorFinding(
                .warning, "mirror \(mirror.name)",
                "volume \(mirror.volume) is not there, or is another one; run "
                    + "\(.mirrorRemove(mirror.name))")
        }
            + reading.unreadableMirrors.map {
                MonitorFinding(.warning, "mirrors", Advice($0.message))
            }
    }

    private func failure(of subject: String, _ event: EventCounts) -> MonitorFinding {
        let age = Self.age(event.lastTime.seconds(until: reading.now))
        return MonitorFinding(.warning, subject, "failed \(age) ago: \(event.lastMessage)")
    }

    // MARK: schedules

    private func finding(of schedule: ScheduleReading) -> MonitorFinding? {
        let subject = "schedule \(schedule.name) of \(schedule.target)"
        switch schedule.standing {
        case .served: return nil
        case .unseen:
            return MonitorFinding(
                .warning, subject, "no tick has seen it yet: is snapmgr-tick.timer on?")
        case .waiting(let until):
            let wait = Self.age(reading.now.seconds(until: until))
            return MonitorFinding(
                .warning, subject, "the clock was set back: nothing is taken for \(wait)")
        case .late(_, let missed):
            let late = schedule.lateSeconds(now: reading.now)
            let limits = schedule.lateLimits
            guard late > limits.warning else { return nil }
            let isAlarm =
                late > limits.critical || (missed > 1 && late > 2 * limits.warning)
            let count = Self.count(missed + 1, "slot")
            return MonitorFinding(
                isAlarm ? .critical : .warning, subject,
                "no snapshot for \(count), the first due \(Self.age(late)) ago")
        }
    }

    // MARK: words

    static func count(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    /// The largest unit and the one below it: `3d 4h`.
    static func age(_ seconds: Int64) -> String {
        let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
        guard let index = units.firstIndex(where: { seconds >= $0.0 }) else { return "0s" }
        let (unit, name) = units[index]
        let text = "\(seconds / unit)\(name)"
        guard index + 1 < units.count else { return text }
        let (smaller, smallerName) = units[index + 1]
        let rest = seconds % unit / smaller
        return rest > 0 ? "\(text) \(rest)\(smallerName)" : text
    }
}

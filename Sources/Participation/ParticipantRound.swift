package import SnapshotModel
internal import Synchronization
package import System

/// One snapshot or revert, and those who are told of it: prepare, freeze, thaw. Who hangs, dies or refuses costs at
/// most its time. Used by one thread, which never waits for anything but answers, and for these never for long.
package final class ParticipantRound {
    package let cookie: Int64
    package let kind: RoundKind
    package let volumes: [String]
    /// Of a revert: the snapshots, in the order of the volumes.
    private let snapshots: [Int64]
    private let registry: ParticipantRegistry
    private let caller: any ParticipantCaller
    private var members: [Member]
    private var hasBegun = false
    private var isPrepared = false
    private var isFrozen = false
    /// When they are thawed whatever happens; nil while none is frozen.
    package private(set) var ceiling: Deadline?

    private struct Member {
        let participant: Participant
        var outcome: ParticipantOutcome
        /// Whether it was told to prepare.
        var isTold = true
        /// Whether it was told to come to rest.
        var isFrozen = false

        var isFine: Bool { outcome.reason == nil }

        mutating func take(_ answer: ParticipantAnswer) {
            guard outcome.reason == nil, let reason = answer.reason else { return }
            outcome.reason = String(
                String.UnicodeScalarView(
                    reason.unicodeScalars.prefix(ParticipantLimits.reasonScalars)))
            if case .veto = answer { outcome.isVeto = true }
        }
    }

    /// - Parameter snapshots: of a revert, what the volumes go back to.
    package init(
        _ kind: RoundKind, cookie: Int64, volumes: [String], snapshots: [Int64] = [],
        registry: ParticipantRegistry, caller: any ParticipantCaller
    ) {
        self.kind = kind
        self.cookie = cookie
        self.volumes = volumes
        self.snapshots = snapshots
        self.registry = registry
        self.caller = caller
        members = registry.all.filter { $0.isConcerned(by: kind, of: volumes) }
            .map { Member(participant: $0, outcome: ParticipantOutcome(id: $0.id)) }
    }

    package var participants: [Participant] { members.map(\.participant) }
    package var outcomes: [ParticipantOutcome] { members.map(\.outcome) }

    // MARK: Before

    /// Has all of them prepare side by side. Those that want to be asked again are, once, within their time.
    package func prepare() -> [ParticipantOutcome] {
        guard !isPrepared else { return outcomes }
        (hasBegun, isPrepared) = (true, true)
        announce(isActive: true)
        let answers = ask(members.map(\.participant), prepareCall) { $0.prepareMilliseconds }
        take(answers)
        return outcomes
    }

    private func prepareCall(_ participant: Participant) -> ParticipantCall {
        let names = participant.volumes(among: volumes)
        switch kind {
        case .snapshot: return .prepare(volumes: names)
        case .revert:
            let targets = zip(volumes, snapshots).filter { names.contains($0.0) }
            return .prepareRevert(volumes: targets.map(\.0), snapshots: targets.map(\.1))
        }
    }

    private func announce(isActive: Bool) {
        caller.announce(
            kind == .snapshot
                ? .prepareForSnapshot(cookie, isActive: isActive, volumes: volumes)
                : .prepareForRevert(cookie, isActive: isActive, volumes: volumes))
    }

    // MARK: At rest

    /// Has those that are prepared come to rest, side by side. They stay so until ``thaw(succeeded:)``, or until the
    /// ceiling, whichever comes first.
    package func freeze() -> [ParticipantOutcome] {
        guard kind == .snapshot, isPrepared, !isFrozen else { return outcomes }
        loseThoseThatWent()
        addThoseThatCame()
        let chosen = members.filter(\.isFine).map(\.participant)
        guard !chosen.isEmpty else { return outcomes }
        do throws(Problem) {
            try caller.owe(
                cookie, chosen.map(\.id),
                milliseconds: ParticipantLimits.ceilingMilliseconds
                    + ParticipantLimits.watchdogMarginMilliseconds)
        } catch {
            take(chosen.reduce(into: [:]) { $0[$1.id] = .failed(error.message) })
            return outcomes
        }
        let ceiling = Deadline(milliseconds: ParticipantLimits.ceilingMilliseconds)
        (self.ceiling, isFrozen) = (ceiling, true)
        for index in members.indices where members[index].isFine { members[index].isFrozen = true }
        let answers = ask(
            chosen, { .freeze(milliseconds: $0.freezeMilliseconds) },
            milliseconds: { $0.freezeMilliseconds })
        take(answers)
        loseThoseThatWent()
        return outcomes
    }

    /// Has all that were told to prepare go on, whatever they said, and finds out who stayed at rest meanwhile.
    ///
    /// - Parameter succeeded: whether there is a snapshot.
    package func thaw(succeeded: Bool) -> [ParticipantOutcome] {
        guard kind == .snapshot, isPrepared else { return outcomes }
        let isLate = ceiling?.hasPassed == true
        loseThoseThatWent()
        let answers = ask(
            members.filter(\.isTold).map(\.participant), { _ in .thaw(succeeded: succeeded) },
            milliseconds: { _ in ParticipantLimits.thawMilliseconds })
        if isFrozen { settle(answers) }
        (isPrepared, isFrozen, ceiling) = (false, false, nil)
        take(answers)
        // Also who went just now may have gone before it was thawed.
        loseThoseThatWent()
        if isLate {
            take(
                members.filter(\.isFrozen).reduce(into: [:]) {
                    $0[$1.participant.id] = .failed(
                        "it was to be at rest for longer than it may be")
                })
        }
        for index in members.indices where !members[index].isFrozen {
            members[index].take(.failed("it was not asked to come to rest"))
        }
        announce(isActive: false)
        return outcomes
    }

    /// Who is not known to have heard of it is told again, by the watchdog, which waits for no answer.
    private func settle(_ answers: [Int64: ParticipantAnswer]) {
        let left = members.filter(\.isFrozen).map(\.participant.id).filter { id in
            guard case .silent? = answers[id] else { return false }
            return registry.contains(id)
        }
        guard !left.isEmpty else { return caller.settled(cookie) }
        // What fails leaves it with all of them, which is as good.
        try? caller.owe(
            cookie, left, milliseconds: ParticipantLimits.watchdogMarginMilliseconds)
    }

    // MARK: After

    /// Everybody hears what became of it.
    package func conclude(_ taken: [Int64], _ consistency: Consistency) {
        caller.announce(
            .snapshotTaken(cookie, snapshots: taken, consistency: consistency))
    }

    /// Tells those that let go of the volumes to take them up again.
    package func reverted(succeeded: Bool) -> [ParticipantOutcome] {
        guard kind == .revert, isPrepared else { return outcomes }
        isPrepared = false
        let answers = ask(
            members.map(\.participant), { _ in .reverted(succeeded: succeeded) },
            milliseconds: { _ in ParticipantLimits.prepareMilliseconds })
        take(answers)
        announce(isActive: false)
        guard succeeded else { return outcomes }
        let now = Int64(clamping: SystemClock().now().nanosecondsSinceEpoch / 1000)
        for (volume, snapshot) in zip(volumes, snapshots) {
            caller.announce(.reverted(volume: volume, snapshot: snapshot, microseconds: now))
        }
        return outcomes
    }

    /// Whoever wanted it has gone: everything is undone. May be called at any time.
    package func abandon() {
        switch kind {
        case .snapshot: _ = thaw(succeeded: false)
        case .revert: _ = reverted(succeeded: false)
        }
    }
}

// MARK: - Asking

extension ParticipantRound {
    private func take(_ answers: [Int64: ParticipantAnswer]) {
        for index in members.indices {
            guard let answer = answers[members[index].participant.id] else { continue }
            members[index].take(answer)
        }
    }

    /// Who has closed its lock is not asked any more, and cannot be relied upon.
    private func loseThoseThatWent() {
        for index in members.indices where !registry.contains(members[index].participant.id) {
            members[index].take(.failed("it went away"))
        }
    }

    /// Who registered when it had begun writes, too, and cannot come to rest any more.
    private func addThoseThatCame() {
        let known = Set(members.map(\.participant.id))
        for participant in registry.all
        where participant.isConcerned(by: kind, of: volumes) && !known.contains(participant.id) {
            var member = Member(
                participant: participant, outcome: ParticipantOutcome(id: participant.id))
            member.isTold = false
            member.take(.failed("it came too late"))
            members.append(member)
        }
    }

    private func ask(
        _ asked: [Participant], _ call: (Participant) -> ParticipantCall,
        milliseconds: (Participant) -> Int
    ) -> [Int64: ParticipantAnswer] {
        guard !asked.isEmpty else { return [:] }
        let started = Deadline(milliseconds: asked.map(milliseconds).max() ?? 0)
        let times = AnswerTimes()
        defer { note(times, of: asked) }
        var answers = askOnce(asked, call, times, milliseconds)
        let again = asked.compactMap { participant -> (Participant, Int)? in
            guard case .retry(let pause, _) = answers[participant.id] else { return nil }
            return (participant, pause)
        }
        guard let pause = again.map(\.1).max(), !isFrozen, pause < started.remainingMilliseconds
        else { return answers }
        BackgroundThread.sleep(milliseconds: max(0, pause))
        let rest = started.remainingMilliseconds
        answers.merge(askOnce(again.map(\.0), call, times) { min(milliseconds($0), rest) }) { $1 }
        return answers
    }

    private func note(_ times: AnswerTimes, of asked: [Participant]) {
        let ids = Set(asked.map(\.id))
        for index in members.indices where ids.contains(members[index].participant.id) {
            members[index].outcome.tookMicroseconds = times.microseconds(
                of: members[index].participant.id)
        }
    }

    private func askOnce(
        _ asked: [Participant], _ call: (Participant) -> ParticipantCall, _ times: AnswerTimes,
        _ milliseconds: (Participant) -> Int
    ) -> [Int64: ParticipantAnswer] {
        let answers = Monitored<[Int64: ParticipantAnswer]>([:])
        for participant in asked {
            let id = participant.id
            caller.call(
                id, call(participant), cookie: cookie, milliseconds: milliseconds(participant)
            ) { answer in
                times.note(id)
                answers.change { if $0[id] == nil { $0[id] = answer } }
            }
        }
        let longest = asked.map(milliseconds).max() ?? 0
        let count = asked.count
        _ = answers.wait(
            milliseconds: longest.addingClamped(ParticipantLimits.graceMilliseconds)
        ) { $0.count == count ? true : nil }
        let given = answers.withLock { $0 }
        return asked.reduce(into: [:]) {
            $0[$1.id] =
                given[$1.id] ?? .silent("it did not answer within \(milliseconds($1)) ms")
        }
    }
}

/// How long each took to answer.
private final class AnswerTimes: Sendable {
    private let start = SystemClock().monotonicNanoseconds()
    private let taken = Mutex<[Int64: Int64]>([:])

    /// Of an answer that came just now.
    func note(_ id: Int64) {
        let time = max(0, SystemClock().monotonicNanoseconds().subtractingClamped(start) / 1000)
        taken.withLock { $0[id] = time }
    }

    func microseconds(of id: Int64) -> Int64? { taken.withLock { $0[id] } }
}

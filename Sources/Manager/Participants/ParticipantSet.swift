internal import Catalog
internal import Participation
internal import Settings
internal import SnapshotModel

/// The programs that are registered for the volumes of a set that is taken. Whatever becomes of them or of the service
/// that knows them lowers what is reached, and ends nothing but what the settings require it for. Used by one thread.
final class ParticipantSet {
    private let context: ManagerContext
    private let volumes: [String]
    private let timeline: MachineTimeline
    private let client: ParticipantClient?
    private var participants: [Participant]
    private var outcomes: [Int64: ParticipantOutcome] = [:]
    /// The volumes whose snapshots must be consistent with programs.
    private let required: [String]
    /// Those of which a hook says that it brings to rest what writes to them.
    private let coveredByHooks: Set<String>
    private var isOwedThaw = false

    /// Nil when nobody listens and nothing is required.
    ///
    /// - Throws: the settings' errors.
    init?(
        _ context: ManagerContext, _ volumes: [VolumeRow], _ timeline: MachineTimeline,
        coveredByHooks: Set<String> = []
    ) throws {
        self.context = context
        self.coveredByHooks = coveredByHooks
        self.timeline = timeline
        let names = volumes.map(\.record.name)
        self.volumes = names
        let settings = try context.settings.get()
        required = names.filter { settings.volume($0).required == .app }
        var (found, members): (ParticipantClient?, [Participant]) = (nil, [])
        do throws(Problem) {
            let end = context.end
            found = try ParticipantClient.connect(folder: context.state.path) { end.problem }
            members = try found?.begin(.snapshot, volumes: names) ?? []
        } catch {
            context.note("programs are not told of the snapshot: \(error.message)")
            found = nil
        }
        (client, participants) = (found, members)
        guard client != nil || !required.isEmpty else { return nil }
    }

    /// Whether nobody comes to rest.
    var isIdle: Bool { participants.isEmpty }

    /// - Throws: `refused` when the settings require more than can be had now.
    func prepare() throws {
        note("\(participants.count) programs told to prepare")
        isOwedThaw = true
        let began = timeline.microseconds
        take { client throws(Problem) in try client.prepare() }
        noteEach("prepared", .prepare, since: began)
        try context.end.check()
        note("\(fineCount) of \(participants.count) programs prepared")
        try require()
    }

    /// What is done while there is nobody is no step.
    private func note(_ text: String) {
        if !participants.isEmpty { timeline.note(text) }
    }

    /// - Throws: `refused`, likewise.
    func freeze() throws {
        guard !participants.isEmpty else { return }
        let began = timeline.note("freeze of \(participants.count) programs begins")
        take { client throws(Problem) in try client.freeze() }
        noteEach("at rest", .freeze, since: began)
        try context.end.check()
        timeline.note("\(fineCount) of \(participants.count) programs at rest")
        try require()
    }

    /// All go on, in any case. May be called again.
    func thaw(succeeded: Bool) {
        guard isOwedThaw else { return }
        isOwedThaw = false
        note("\(participants.count) programs told to go on")
        let began = timeline.microseconds
        take { client throws(Problem) in try client.thaw(succeeded: succeeded) }
        noteEach("goes on", .thaw, since: began)
        note("\(fineCount) of \(participants.count) programs were at rest all the while")
    }

    /// What each has answered to the last step, and when.
    private func noteEach(_ what: String, _ phase: MachineStep.Phase, since began: Int64) {
        for participant in participants.prefix(ParticipantRecord.countMaximum) {
            let words = reason(of: participant) ?? what
            timeline.note(
                "\(participant.who): \(words)", of: participant.who, phase,
                since: began, taken: outcomes[participant.id]?.tookMicroseconds)
        }
    }

    private var fineCount: Int { participants.count { reason(of: $0) == nil } }

    private func reason(of participant: Participant) -> String? {
        guard let outcome = outcomes[participant.id] else { return "it was not asked" }
        return outcome.reason
    }

    /// Whoever has a reason keeps it.
    private func take(
        _ step: (ParticipantClient) throws(Problem) -> [ParticipantOutcome]
    ) {
        guard let client else { return }
        do throws(Problem) {
            for outcome in try step(client) {
                guard outcomes[outcome.id]?.reason == nil else {
                    outcomes[outcome.id]?.tookMicroseconds = outcome.tookMicroseconds
                    continue
                }
                outcomes[outcome.id] = outcome
            }
            participants = client.participants
        } catch {
            for participant in participants where outcomes[participant.id]?.reason == nil {
                outcomes[participant.id] = ParticipantOutcome(
                    id: participant.id, reason: error.message)
            }
        }
    }
}

// MARK: - What is reached

extension ParticipantSet {
    /// What the programs make a volume's snapshot consistent with: `crash` when one of them failed; nil when there
    /// is none.
    func level(_ volume: String) -> Consistency? {
        guard !concerned(by: volume).isEmpty else { return nil }
        return reachesApplications(volume) ? .app : .crash
    }

    /// Whether every program that writes to the volume came to rest and stayed so, and there is one.
    func reachesApplications(_ volume: String) -> Bool {
        let concerned = concerned(by: volume)
        return !concerned.isEmpty && concerned.allSatisfy { reason(of: $0) == nil }
    }

    private func concerned(by volume: String) -> [Participant] {
        participants.filter { !$0.volumes(among: [volume]).isEmpty }
    }

    /// What is kept with the snapshots; nil when there was nobody.
    var records: [ParticipantRecord]? {
        guard !participants.isEmpty else { return nil }
        return participants.map {
            ParticipantRecord(
                who: $0.who, volumes: $0.volumes(among: volumes), reason: reason(of: $0))
        }
    }

    /// Everybody on the bus hears of the snapshots. Best effort: they are there.
    func conclude(_ report: TakeReport) {
        let level = report.snapshots.map(\.manifest.consistency).min { $0.rank < $1.rank }
        try? client?.conclude(report.snapshots.map(\.id), level ?? .crash)
    }

    /// What was reached is less than the settings require, though the snapshots are taken.
    ///
    /// - Throws: `partial`.
    func requireReached(_ report: TakeReport) throws {
        for snapshot in report.snapshots where required.contains(snapshot.volume) {
            guard snapshot.manifest.consistency.rank < Consistency.app.rank else { continue }
            throw problem(snapshot.volume, .partial)
        }
    }

    /// What a hook is to bring to rest is not known before that has run.
    private func require() throws(Problem) {
        let failed = required.first {
            !reachesApplications($0)
                && !(coveredByHooks.contains($0) && concerned(by: $0).isEmpty)
        }
        if let failed { throw problem(failed, .refused) }
    }

    private func problem(_ volume: String, _ code: Problem.Code) -> Problem {
        let reasons = concerned(by: volume).compactMap { participant in
            reason(of: participant).map { "\(participant.who): \($0)" }
        }
        let cause =
            !reasons.isEmpty
            ? reasons.joined(separator: "; ")
            : coveredByHooks.contains(volume)
                ? "a hook that says so has failed, as was told"
                : client == nil
                    ? "no service runs that knows programs" : "no program is registered for it"
        return Problem(
            code, "volume \(volume) requires `app`, which cannot be had: \(cause)",
            hint: "mend that, or lower require in [volumes.\(volume)]")
    }
}

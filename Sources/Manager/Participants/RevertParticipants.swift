internal import Catalog
internal import Participation
internal import SnapshotModel

/// The programs that are to let go of volumes before these are reverted, and take them up again. Who does not answer
/// costs its time; who refuses is heard. Used by one thread.
final class RevertParticipants {
    private let context: ManagerContext
    private let client: ParticipantClient
    private let participants: [Participant]
    private var isOwed = false

    /// Nil when nobody listens.
    init?(_ context: ManagerContext, _ targets: [(volume: String, snapshot: SnapshotID)]) {
        self.context = context
        do throws(Problem) {
            let end = context.end
            guard
                let client = try ParticipantClient.connect(
                    folder: context.state.path, until: { end.problem })
            else { return nil }
            self.client = client
            participants = try client.begin(
                .revert, volumes: targets.map(\.volume),
                snapshots: targets.map(\.snapshot.rawValue))
        } catch {
            context.note("programs are not told of the revert: \(error.message)")
            return nil
        }
    }

    /// - Parameter overrules: whether it is done against their will.
    /// - Throws: `refused` when one of them does not want it.
    func prepare(overrules: Bool) throws(Problem) {
        isOwed = true
        let outcomes: [ParticipantOutcome]
        do throws(Problem) {
            outcomes = try client.prepare()
        } catch {
            try context.end.check()
            context.note("programs were not told of the revert: \(error.message)")
            return
        }
        for outcome in outcomes {
            guard let reason = outcome.reason else { continue }
            let who = participants.first { $0.id == outcome.id }?.who ?? "a program"
            guard outcome.isVeto, !overrules else {
                context.note("\(who) was not ready for the revert: \(reason)")
                continue
            }
            throw Problem(
                .refused, "\(who) does not let the volume be reverted: \(reason)",
                hint: "end what it does, or overrule it with --force")
        }
    }

    /// They take the volumes up again. May be called again.
    func end(succeeded: Bool) {
        guard isOwed else { return }
        isOwed = false
        do throws(Problem) { _ = try client.reverted(succeeded: succeeded) } catch {
            // Who was to wait no longer has let go of the service, which tells them itself.
            guard !context.end.isDue else { return }
            context.note("programs were not told of the revert's end: \(error.message)")
        }
    }
}

internal import Scheduler
internal import Settings
package import SnapshotModel

/// What keeps a snapshot, and until when.
package struct SnapshotRetention: Hashable, Sendable {
    /// The policy that it falls under; nil without one.
    package var policy: String?
    /// The rules and whatever else keeps it; empty when it goes.
    package var keptBy: [String]
    /// With what each of them sees in it, for people.
    package var reasons: [String]
    /// When the last of these ends; nil when that is unknown or never.
    package var expiresAt: Timestamp?
    /// Whether nothing that time does ends them.
    package var isForGood: Bool
    /// What each rule says when it goes.
    package var refusals: [String]

    /// - Parameter wording: says what would end a reason.
    init(_ decision: PruneDecision, _ wording: Wording) {
        policy = decision.policy
        keptBy = decision.reasons.map(\.source)
        reasons = decision.reasons.map { reason in
            reason.description + (reason.hint.map { "; " + wording.text($0) } ?? "")
        }
        expiresAt = decision.expiry.moment
        isForGood = decision.isKept && decision.expiry == .never
        refusals = decision.refusals
    }
}

/// Tells what keeps snapshots, planning each volume once. Settings that cannot be read are said once,
/// and then nothing is told: they are no reason not to list what there is.
final class RetentionLookup {
    private let context: ManagerContext
    private let settings: Settings?
    private var volumes: [String: Known] = [:]

    private struct Known {
        var plan: PrunePlan
        var places: [SnapshotID: Int]
    }

    init(_ context: ManagerContext) {
        self.context = context
        do {
            let settings = try context.settings.get()
            // Without any file everything is kept, which needs no plan.
            self.settings = settings.files.isEmpty ? nil : settings
        } catch {
            settings = nil
            context.note("what keeps snapshots is not told: \(Problem(error).message)")
        }
    }

    /// Nil when it is not known.
    func retention(of id: SnapshotID, volume: String) -> SnapshotRetention? {
        guard let known = known(volume), let place = known.places[id] else { return nil }
        return SnapshotRetention(known.plan.decision(at: place), context.wording)
    }

    private func known(_ volume: String) -> Known? {
        if let known = volumes[volume] { return known }
        guard let settings, let row = try? context.volume(volume),
            let plan = try? VolumeRetention(context, settings, row).plan()
        else { return nil }
        let places = plan.subjects.indices.reduce(into: [:]) { $0[plan.subjects[$1].id] = $1 }
        let known = Known(plan: plan, places: places)
        volumes[volume] = known
        return known
    }
}

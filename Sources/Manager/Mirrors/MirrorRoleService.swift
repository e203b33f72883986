internal import Catalog
internal import FoundationEssentials
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// Has the other site take over: makes a mirror's target the volume that is written to, and what was written to a target.
///
/// A promotion is a revert between two records: with the first one mirrors do not write any more, with the second one
/// others do. Cut in between, nobody does until it was promoted again, which is the same promotion.
package struct MirrorRoleService {
    let context: ManagerContext

    private var standings: VolumeStandings { VolumeStandings(context) }

    /// Makes a volume the one that is written to, at one of its snapshots.
    ///
    /// - Parameters:
    ///   - reference: the volume, or a snapshot of it; of the volume alone the newest whole copy is meant.
    ///   - waits: as of a revert.
    /// - Throws: what a revert throws; then it is what it was before.
    package func promote(
        _ reference: String, waits: Bool? = nil, isDryRun: Bool
    ) throws -> MirrorRoleReport {
        let chosen = try snapshot(reference)
        let name = chosen?.volume ?? reference
        _ = try context.volume(name)
        return try context.asJob(.mirror, of: [name]) { context in
            try MirrorRoleService(context: context).promote(
                name, chosen, waits: waits, isDryRun: isDryRun)
        }
    }

    /// Makes a volume a mirror's target. What it reads as is kept by a snapshot, which is held.
    ///
    /// - Throws: `refused` while somebody can write to it.
    package func demote(_ name: String, isDryRun: Bool) throws -> MirrorRoleReport {
        _ = try context.volume(name)
        return try context.asJob(.mirror, of: [name]) { context in
            try MirrorRoleService(context: context).demoteNow(name, isDryRun: isDryRun)
        }
    }

    /// What a volume was: what is to be taken for right, and what its store says.
    private struct Former {
        var standing: MirrorStanding?
        var recorded: MirrorStanding?
        var isDamaged = false
    }

    /// The standing that a volume has; a record that is damaged is written anew.
    private func former(_ volume: VolumeRow) throws -> Former {
        do {
            return Former(
                standing: try standings.known(volume), recorded: try standings.recorded(volume))
        } catch let problem as Problem where problem.isDamage {
            context.note("\(problem.message): it is written anew")
            return Former(isDamaged: true)
        }
    }

    /// Has the store say what it said. Where that was damaged, nobody writes to the volume still.
    private func restore(_ former: Former, of volume: VolumeRow) throws {
        guard !former.isDamaged else { return }
        try standings.record(former.recorded, of: volume)
    }

    // MARK: Promotion

    private func snapshot(_ reference: String) throws -> SnapshotRow? {
        guard try context.catalog.volume(named: reference) == nil else { return nil }
        let row = try ReferenceResolver(context).snapshot(reference)
        try context.requireWhole(row)
        return row
    }

    /// What is to be done, decided with the volume's lock.
    private struct Plan {
        var former: Former
        var next: MirrorStanding
        var row: SnapshotRow?

        var before: MirrorStanding? { former.standing }
        var isDone: Bool { before?.role == .primary && before?.generation == next.generation }
    }

    private func promote(
        _ name: String, _ chosen: SnapshotRow?, waits: Bool?, isDryRun: Bool
    ) throws -> MirrorRoleReport {
        // What would be refused all the same throws no first copy away.
        if !isDryRun { try requireNoFirstCopy(name) }
        // Who receives into the volume gives it up when he sees this, and is waited for until what has come is given back.
        let lock = isDryRun ? nil : try PromotionLock.acquire(name, context)
        defer { withExtendedLifetime(lock) {} }
        let patience = Self.patienceMilliseconds
        if !isDryRun { try endFormerMerge(of: name, patience) }
        let plan = try Reconciler(context).withVolume(
            name,
            patienceMilliseconds: isDryRun ? ManagerContext.lockPatienceMilliseconds : patience
        ) { volume in
            let plan = try self.plan(volume, chosen)
            // From here on nothing is received. What is promoted as it reads was nobody's copy.
            if !isDryRun, !plan.isDone, plan.row != nil {
                var begun = plan.next
                begun.role = .promoting
                try standings.record(begun, of: volume)
            }
            return plan
        }
        var report = MirrorRoleReport(
            volume: name, role: .primary, generation: plan.next.generation.number,
            since: plan.next.since, snapshot: plan.row?.id, wasThat: plan.isDone,
            isDryRun: isDryRun)
        guard !plan.isDone else { return report }
        report.revert =
            try isDryRun
            ? revert(plan, of: name, isDryRun: true) : carryOut(plan, of: name, waits: waits)
        return report
    }

    private func plan(_ volume: VolumeRow, _ chosen: SnapshotRow?) throws -> Plan {
        let former = try former(volume)
        let before = former.standing
        try requirePromotable(volume, before, chosen)
        let row = try chosen ?? newest(volume, before)
        return Plan(former: former, next: try promotion(of: volume, before, row), row: row)
    }

    /// What the volume will be when it is promoted; what it is when it need not be.
    private func promotion(
        of volume: VolumeRow, _ before: MirrorStanding?, _ row: SnapshotRow?
    ) throws -> MirrorStanding {
        let own = before?.generation ?? .first
        // A number that nobody reaches says nothing of who was promoted.
        let limit = own.number.addingClamped(MirrorTargets.leapMaximum)
        let met = try seen(volume.record.name) + [before?.rival?.generation].compactMap { $0 }
        let others = met.filter { $0.number <= limit }
        if let before, before.role == .primary, own.number > 0,
            others.allSatisfy({ own.mayFollow($0) })
        {
            return before
        }
        var next = MirrorStanding(role: .primary, generation: own, since: context.clock.now())
        // A promotion that was cut is the same one.
        if before?.role != .promoting {
            let number = ([own] + others).map(\.number).max() ?? 0
            // Another site may say any number, and that shall keep nobody from a promotion.
            next.generation = MirrorGeneration(
                number: min(number, MirrorGeneration.numberMaximum - 1) + 1,
                promotion: UUID().uuidString.lowercased())
        }
        next.snapshot = try row.map {
            try SnapshotIdentity.uuid(
                of: context.reader(volume).manifest($0.ordinal), in: volume.record.uuid)
        }
        return next
    }

    /// The generations that the volume's mirrors have met.
    private func seen(_ volume: String) throws -> [MirrorGeneration] {
        try MirrorFolder(context.state).content().records.filter { $0.volume == volume }
            .compactMap(\.peer?.generation)
    }

    private func requirePromotable(
        _ volume: VolumeRow, _ before: MirrorStanding?, _ chosen: SnapshotRow?
    ) throws {
        let name = volume.record.name
        if let note = try context.inspector(volume).receiving(), note.base == nil {
            throw firstCopy(name)
        }
        guard before?.role == .primary, let chosen else { return }
        throw Problem(
            .refused, "volume \(name) is the primary: it is written to",
            hint: "revert it to another snapshot, which promotes nothing: \(.revert(chosen.id))")
    }

    private func requireNoFirstCopy(_ name: String) throws {
        // What cannot be looked at is told by what comes next.
        guard let note = try? context.inspector(context.volume(name)).receiving(),
            note.base == nil
        else { return }
        throw firstCopy(name)
    }

    private func firstCopy(_ name: String) -> Problem {
        Problem(
            .refused, "volume \(name) holds a part of a first copy, and nothing whole",
            hint: "let the mirror be run, or remove the volume: \(.volumeRemove(name))")
    }

    /// Of a promotion that was cut the snapshot that it was begun at. Else the newest whole one of the copies and the
    /// snapshot from which the volume's mirror goes on; of a volume that was demoted, of all. Nil when it is promoted
    /// as it reads.
    private func newest(_ volume: VolumeRow, _ before: MirrorStanding?) throws -> SnapshotRow? {
        guard before?.role != .primary else { return nil }
        let named = try manifest(before?.snapshot, in: volume)?.id
        let whole = try context.catalog.snapshots(volume: volume.record.name).filter {
            $0.phase == .present && $0.state != .broken
        }
        if before?.role == .promoting, let row = whole.first(where: { $0.id == named }) {
            return row
        }
        return whole.filter {
            before?.isDemoted == true || $0.manifest.kind == .mirror || $0.id == named
        }.max { $0.ordinal < $1.ordinal }
    }

    /// - Parameter uuid: what the snapshot is known by everywhere.
    private func manifest(_ uuid: String?, in volume: VolumeRow) throws -> SnapshotManifest? {
        guard let uuid else { return nil }
        return try context.reader(volume).state().readable.last(where: { manifest in
            try SnapshotIdentity.uuid(of: manifest, in: volume.record.uuid) == uuid
        })
    }

    /// Nil when the volume is to be left as it reads. Its merge is not waited for.
    private func revert(_ plan: Plan, of name: String, isDryRun: Bool) throws -> RevertItem? {
        // Cut in mid-merge, the revert is done already, and another one would be refused.
        guard let row = plan.row, try !reads(name, as: row) else { return nil }
        var options = RevertOptions(waits: false, isDryRun: isDryRun)
        options.isForMirror = true
        return try RevertService(context: context).revert("\(row.id)", options).items.first
    }

    /// Whether a merge runs that has the volume read as a snapshot.
    private func reads(_ name: String, as row: SnapshotRow) throws -> Bool {
        let running = try context.reader(context.volume(name)).runningRevert()
        return running?.target == row.ordinal && running?.clone == nil
    }

    /// Waits for a merge from before a promotion: the volume may have been written to since that revert.
    private func endFormerMerge(of name: String, _ patienceMilliseconds: Int) throws {
        // What is damaged is told later.
        let known = try? standings.recorded(context.volume(name))
        guard known?.role ?? .target == .target else { return }
        try endMerge(of: name, waits: true, patienceMilliseconds: patienceMilliseconds)
    }

    /// How long somebody else who is at work on a volume is waited for: who receives compares what there is before
    /// anything comes, and may take so long to give back what has come.
    private static let patienceMilliseconds = 600_000

    /// Waits until a volume's merge has ended, if one runs.
    ///
    /// - Parameter waits: nil waits where nobody else merges.
    /// - Returns: whether it has waited.
    @discardableResult
    func endMerge(
        of name: String, waits: Bool?,
        patienceMilliseconds: Int = ManagerContext.lockPatienceMilliseconds
    ) throws -> Bool {
        try Reconciler(context).withVolume(name, patienceMilliseconds: patienceMilliseconds) {
            volume in
            guard try context.reader(volume).runningRevert() != nil else { return false }
            return try context.withSession(volume) { session in
                guard waits ?? !session.mergesByItself else { return false }
                try MergeFollower(context).run(session, volume)
                return true
            }
        }
    }

    private func carryOut(_ plan: Plan, of name: String, waits: Bool?) throws -> RevertItem? {
        var item: RevertItem?
        do {
            item = try revert(plan, of: name, isDryRun: false)
        } catch {
            try? giveUp(plan, of: name)
            throw error
        }
        // Before the merge has ended: with the revert the volume reads as what it was promoted at.
        try conclude(plan, of: name)
        if try endMerge(of: name, waits: waits) { item?.state = .done }
        return item
    }

    /// What was reverted to is promoted, whatever failed after that; what was refused leaves all as it was.
    private func giveUp(_ plan: Plan, of name: String) throws {
        if let row = plan.row, try reads(name, as: row) {
            return try conclude(plan, of: name)
        }
        try Reconciler(context).withVolume(name) { volume in
            guard try context.reader(volume).runningRevert() == nil else { return }
            try restore(plan.former, of: volume)
        }
    }

    private func conclude(_ plan: Plan, of name: String) throws {
        try Reconciler(context).withVolume(name) { try standings.record(plan.next, of: $0) }
        // One that is at work just now asks about the revert.
        try? continueMirrors(of: name)
        try context.log(
            .warning, .mirrorPromoted,
            "volume \(name) was promoted"
                + (plan.row.map { ", at snapshot \($0.id)" } ?? "")
                + ": generation \(plan.next.generation.number)", volume: name,
            snapshot: plan.row?.id)
    }

    /// The mirrors of a volume that was promoted need no word on its reverts, and do not rest.
    private func continueMirrors(of name: String) throws {
        let last = try context.catalog.reverts(volume: name).map(\.id).max()
        try changeMirrors(of: name) { record in
            record.acceptedRevert = last ?? record.acceptedRevert
            (record.nextAttemptAt, record.isReversed, record.split) = (nil, nil, nil)
        }
    }

    /// Those whose targets were promoted have nothing to send from a volume that was demoted.
    private func restMirrors(of name: String) throws {
        try changeMirrors(of: name) { record in
            guard let peer = record.peer, peer.role != .target else { return }
            (record.isReversed, record.split) = (true, nil)
            (record.failure, record.failureCount, record.nextAttemptAt) = (nil, 0, nil)
        }
    }

    private func changeMirrors(
        of name: String, _ change: (inout MirrorRecord) -> Void
    ) throws {
        let folder = MirrorFolder(context.state)
        for known in try folder.content().records where known.volume == name {
            // One that is at work sees it by itself, and is no reason to leave out the others.
            try? MirrorService(context: context).withLock(known.name) {
                guard var record = try folder.record(known.name) else { return }
                change(&record)
                try folder.write(record)
            }
        }
    }

    // MARK: Demotion

    private func demoteNow(_ name: String, isDryRun: Bool) throws -> MirrorRoleReport {
        var former = Former()
        var next = MirrorStanding(
            role: .target, generation: .first, since: context.clock.now())
        next.isDemoted = true
        var wasThat = false
        try Reconciler(context).withVolume(name) { volume in
            former = try self.former(volume)
            let before = former.standing
            next.generation = before?.generation ?? .first
            // One that is a target and was written to all the same begins anew, too; and one whose demotion was cut
            // before what it was is held.
            wasThat = before?.role == .target && before?.isDemoted == true && before?.kept != nil
            guard !wasThat else { return }
            try requireImage(volume)
            try requireUnwritten(volume)
            guard !isDryRun else { return }
            // Whoever connects from now on can only read; whoever came before is seen now.
            try standings.record(next, of: volume)
            do { try requireUnwritten(volume) } catch {
                try? restore(former, of: volume)
                throw error
            }
        }
        var report = MirrorRoleReport(
            volume: name, role: .target, generation: next.generation.number,
            since: wasThat ? former.standing?.since ?? next.since : next.since,
            wasThat: wasThat, isDryRun: isDryRun)
        guard !wasThat, !isDryRun else { return report }
        report.snapshot = try keep(name, next, former)
        return report
    }

    private func requireImage(_ volume: VolumeRow) throws {
        guard context.devices(of: volume) != nil else { return }
        throw Problem(
            .refused,
            "volume \(volume.record.name) is under device-mapper, and takes no streams: it cannot be a target",
            hint: "mirror into a volume that is an image")
    }

    private func requireUnwritten(_ volume: VolumeRow) throws {
        try context.withSession(volume) { session in
            if let clients = try session.clients() {
                throw Problem(
                    .refused, clients.problem(volume.record.name).message,
                    hint: "unmount it in the client or stop the VM, then try again")
            }
        }
    }

    /// Keeps what a volume is by a snapshot, which is held until somebody releases it.
    private func keep(
        _ name: String, _ next: MirrorStanding, _ former: Former
    ) throws -> SnapshotID? {
        let words =
            "what volume \(name) was when it was demoted, of generation \(next.generation.number)"
        let taken: SnapshotManifest?
        do {
            taken = try SnapshotService(context: context).take(
                TakeRequest(volumes: [name], note: words)
            ).snapshots.first?.manifest
        } catch {
            try? Reconciler(context).withVolume(name) { try restore(former, of: $0) }
            throw error
        }
        try? restMirrors(of: name)
        if let taken {
            try context.catalog.hold(taken.id, owner: Self.owner, reason: words)
            try noteKept(taken, of: name)
        }
        try context.log(
            .warning, .mirrorDemoted, "volume \(name) was demoted: it is a mirror's target now",
            volume: name, snapshot: taken?.id)
        return taken?.id
    }

    /// Only now the demotion is whole.
    private func noteKept(_ manifest: SnapshotManifest, of name: String) throws {
        try Reconciler(context).withVolume(name) { volume in
            guard var standing = try standings.recorded(volume), standing.role == .target,
                standing.isDemoted == true
            else { return }
            standing.kept = try SnapshotIdentity.uuid(of: manifest, in: volume.record.uuid)
            try standings.record(standing, of: volume)
        }
    }

    /// Whose hold keeps what diverged.
    static let owner = "mirror demote"
}

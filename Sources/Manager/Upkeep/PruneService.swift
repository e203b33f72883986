internal import System
internal import Catalog
internal import Scheduler
internal import Settings
internal import SnapshotModel
internal import VolumeAccess

/// Deletes what the retention policies let go.
///
/// It deletes a few snapshots at a time and gives the volume free in between, so that a snapshot that
/// is due never waits for it for long.
package struct PruneService {
    let context: ManagerContext

    /// - Parameters:
    ///   - explains: also tells what keeps every other snapshot.
    ///   - acceptsClock: whether people say that the clock is right, whatever is remembered.
    /// - Throws: `locked` when another prune is at work; the settings' errors. What fails for one
    ///   volume is in the report.
    package func prune(
        _ names: [String], isDryRun: Bool, explains: Bool = false, acceptsClock: Bool = false
    ) throws -> PruneReport {
        let names = try context.members(of: names)
        return try prune(
            volumes: names, isDryRun: isDryRun, explains: explains, acceptsClock: acceptsClock)
    }

    /// - Parameter volumes: names of volumes alone; none for all.
    private func prune(
        volumes names: [String], isDryRun: Bool, explains: Bool = false, acceptsClock: Bool = false
    ) throws -> PruneReport {
        let volumes = try context.volumes(names)
        return try context.asJob(.prune, of: volumes.map(\.record.name)) { context in
            try PruneService(context: context).prune(
                volumes, isDryRun: isDryRun, explains: explains, acceptsClock: acceptsClock)
        }
    }

    private func prune(
        _ volumes: [VolumeRow], isDryRun: Bool, explains: Bool, acceptsClock: Bool
    ) throws -> PruneReport {
        if !isDryRun { ImageMounts(context).sweepQuietly() }
        try context.requireClock()
        let settings = try context.settings.get()
        let lock = isDryRun ? nil : try acquireLock()
        defer { withExtendedLifetime(lock) {} }
        let clock = try judgeClock(settings, isDryRun: isDryRun, accepts: acceptsClock)
        var report = PruneReport(volumes: [], isDryRun: isDryRun, clock: clock)
        for volume in volumes {
            try context.end.check()
            do {
                try Reconciler(context).tidy([volume.record.name])
                report.volumes.append(
                    try prune(
                        volume, settings, asOf: clock.now, isDryRun: isDryRun, explains: explains))
                if !clock.isInDoubt {
                    try OldParts(context).giveBack(volume, asOf: clock.now, isDryRun: isDryRun)
                }
            } catch {
                // One volume's trouble is no reason not to prune the others.
                let problem = Problem(error)
                guard problem.code != .interrupted else { throw problem }
                report.volumes.append(
                    VolumePrune(volume: volume.record.name, failure: problem))
            }
        }
        if !isDryRun, !clock.isInDoubt { forgetEvents(settings, asOf: clock.now) }
        return report
    }

    /// Whatever the settings say, so many events stay.
    private static let eventCount = 1000

    /// Best effort: what was pruned is pruned.
    private func forgetEvents(_ settings: Settings, asOf moment: Timestamp) {
        try? context.catalog.forgetEvents(
            before: settings.defaults.events.before(moment), keeping: Self.eventCount)
    }

    /// As ``prune(_:isDryRun:explains:acceptsClock:)``, of volumes alone: a set that has a volume's name, too, is
    /// no reason not to prune it. Nil when another one is at work.
    func pruneUnlessBusy(_ names: [String]) throws -> PruneReport? {
        do {
            return try prune(volumes: names, isDryRun: false)
        } catch let problem as Problem where problem.code == .locked {
            return nil
        }
    }

    private func acquireLock() throws -> FileLock {
        let lockPath = context.state.pruneLockPath
        guard let lock = try context.acquireLock(at: lockPath) else {
            throw Problem(
                .locked, "another prune\(context.holder(ofLock: lockPath)) is at work",
                hint: "wait for it to end; \(.events) tells what it did")
        }
        return lock
    }

    /// By which moment snapshots grow old, which is said when it is not the clock's.
    private func judgeClock(
        _ settings: Settings, isDryRun: Bool, accepts: Bool
    ) throws -> ClockJudgement {
        let watch = ClockJudge(context, settings)
        guard !accepts else {
            if !isDryRun { try watch.accept() }
            let now = context.clock.now()
            return ClockJudgement(now: now, wall: now, lastBelieved: now)
        }
        let clock = isDryRun ? try watch.look() : try watch.record()
        if clock.isInDoubt { context.advise(clock.doubt) }
        return clock
    }

    // MARK: one volume

    private func prune(
        _ volume: VolumeRow, _ settings: Settings, asOf moment: Timestamp, isDryRun: Bool,
        explains: Bool
    ) throws -> VolumePrune {
        let name = volume.record.name
        let retention = try VolumeRetention(context, settings, volume)
        var plan = try retention.plan(asOf: moment)
        let missing = FreeSpace(of: volume, settings)?.missingBytes ?? 0
        var report = VolumePrune(volume: name, missingBytes: missing)
        let below = settings.volume(name).belowFloor
        guard !plan.removed.isEmpty || (missing > 0 && below == .prune) else {
            return explained(report, plan, gone: [], explains)
        }
        // One that somebody reads is not deleted, and no reason to keep the others.
        let open = try openSnapshots(volume)
        if !open.isEmpty { plan = try retention.plan(asOf: moment, open: open) }
        let preview = try preview(volume, retention.rows, looks: isDryRun) { freedBytes in
            try Preview(retention.rows, plan, missing: missing, below: below, freedBytes)
        }
        report.freedBytes = preview.freedBytes
        report.removed = preview.removals(plan)
        report = explained(report, plan, gone: Set(preview.ids), explains)
        guard !isDryRun, !preview.ids.isEmpty else { return report }
        do {
            let judged = Dictionary(retention.rows.map { ($0.id, $0) }) { first, _ in first }
            let turns = try DeleteService(context: context).deleteInTurns(
                preview.ids, of: name,
                spares: { row, isOpen in
                    isOpen || row.differs(from: judged[row.id]) || isCloned(row.id)
                })
            if let freed = turns.freedBytes { report.freedBytes = freed }
            report.removed.removeAll { turns.spared.contains($0.id) }
            let gone = Set(preview.ids).subtracting(turns.spared)
            report = explained(report, plan, gone: gone, explains)
            try log(report)
        } catch {
            let problem = Problem(error)
            guard problem.code != .interrupted else { throw problem }
            report.failure = problem
        }
        return report
    }

    /// Calls with what tells how many bytes deleting some snapshots frees. Who only looks opens no volume for
    /// that, unless somebody has it open who knows it.
    private func preview(
        _ volume: VolumeRow, _ rows: [RetentionRow], looks: Bool,
        _ body: (([SnapshotID]) throws -> Int) throws -> Preview
    ) throws -> Preview {
        if try looks && !isOpen(volume) {
            return try body(DeletionForecast(context, volume, rows: rows).freedBytes)
        }
        return try Reconciler(context).withVolume(volume.record.name) { volume in
            try context.withSession(volume) { session in
                try body(Deletion(session: session, volume: volume.record.name).preview)
            }
        }
    }

    /// What somebody reads; nobody does where nobody has the volume open.
    private func openSnapshots(_ volume: VolumeRow) throws -> Set<SnapshotID> {
        // A cluster keeps some whoever has the volume open.
        guard try isOpen(volume) || !volume.record.hasAreas else { return [] }
        return try Reconciler(context).withVolume(volume.record.name) { volume in
            try context.withSession(volume) { try $0.openSnapshots() }
        }
    }

    private func isOpen(_ volume: VolumeRow) throws -> Bool {
        guard context.devices(of: volume) == nil else { return true }
        let server = try context.driver(of: volume).server(of: volume.place)
        defer { server?.close() }
        return server != nil
    }

    private func explained(
        _ report: VolumePrune, _ plan: PrunePlan, gone: Set<SnapshotID>, _ explains: Bool
    ) -> VolumePrune {
        var report = report
        report.keptCount = plan.subjects.count - gone.count
        guard explains else { return report }
        report.kept = plan.decisions.filter { !gone.contains($0.subject.id) }.map {
            VolumePrune.KeptSnapshot(
                id: $0.subject.id, takenAt: $0.subject.takenAt,
                retention: SnapshotRetention($0, context.wording))
        }
        return report
    }

    private func log(_ report: VolumePrune) throws {
        let early = report.removed.count(where: \.isForSpace)
        let note = early > 0 ? ", \(early) of them before their time, for want of space" : ""
        try context.log(
            early > 0 ? .warning : .info, .pruned,
            "\(report.removed.count) snapshots were pruned\(note)", volume: report.volume)
    }

    // MARK: what goes

    /// What goes from one volume, and how much that frees.
    private struct Preview {
        private(set) var ids: [SnapshotID] = []
        private(set) var freedBytes = 0
        private var forSpace: Set<SnapshotID> = []
        private var aloneBytes: [SnapshotID: Int] = [:]

        init(
            _ rows: [RetentionRow], _ plan: PrunePlan, missing: Int, below: BelowFloor,
            _ freed: ([SnapshotID]) throws -> Int
        ) throws {
            var failure: (any Error)?
            let space = FreeSpacePlanner.plan(plan, missingBytes: missing, below: below) {
                subjects in
                do {
                    return subjects.isEmpty ? 0 : try freed(subjects.map(\.id))
                } catch {
                    failure = error
                    return 0
                }
            }
            if let failure { throw failure }
            freedBytes = space.freedBytes
            forSpace = Set(space.victims.map(\.id))
            ids = (plan.removed + space.victims).sorted(by: RetentionSubject.isEarlier).map(\.id)
            let going = Set(ids)
            for row in rows where going.contains(row.id) {
                aloneBytes[row.id] = try row.exclusiveBytes ?? freed([row.id])
            }
        }

        func removals(_ plan: PrunePlan) -> [VolumePrune.Removal] {
            let going = Set(ids)
            return plan.decisions.filter { going.contains($0.subject.id) }.map { decision in
                let id = decision.subject.id
                let isForSpace = forSpace.contains(id)
                return VolumePrune.Removal(
                    id: id, takenAt: decision.subject.takenAt, aloneBytes: aloneBytes[id] ?? 0,
                    reasons: isForSpace
                        ? ["free-space-floor: the nearest to its end"] : decision.refusals,
                    isForSpace: isForSpace)
            }
        }
    }
}

extension PruneService {
    /// Whether a clone has been made of a snapshot that was to go.
    private func isCloned(_ id: SnapshotID) -> Bool {
        (try? context.catalog.clones(snapshot: id).isEmpty) == false
    }
}

extension SnapshotRow {
    /// Whether policies may judge it otherwise than they have, or somebody holds it: then it stays, and the next
    /// prune judges it.
    fileprivate func differs(from judged: RetentionRow?) -> Bool {
        holds > 0 || manifest.name != judged?.name || manifest.tags != judged?.tags
    }
}

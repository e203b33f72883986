internal import System
internal import Catalog
internal import Scheduler
internal import Settings
internal import SnapshotModel
internal import VolumeAccess

/// One run of what is due: snapshots first, then what the policies let go.
package struct TickService {
    let context: ManagerContext

    /// Does nothing, and writes nothing, while nothing is due and no volume under device-mapper
    /// needs anything.
    ///
    /// - Throws: `locked` when another tick is at work and there is work; the settings' errors. What
    ///   fails for one schedule is in the report, and no reason not to serve the others.
    package func tick(prunes: Bool, isDryRun: Bool) throws -> TickReport {
        try context.asJob(.tick) { context in
            try TickService(context: context).run(prunes: prunes, isDryRun: isDryRun)
        }
    }

    private func run(prunes: Bool, isDryRun: Bool) throws -> TickReport {
        // First: it also makes room, and the settings may have errors.
        if !isDryRun {
            ImageMounts(context).sweepQuietly()
            MachineRescue(context).runQuietly()
            try DeviceUpkeep(context: context).run()
            RevertUpkeep(context: context).run()
        }
        let settings = try context.settings.get()
        // No slot is due beyond the years that can be recorded, and that is no reason for silence.
        if !settings.schedules.isEmpty { try context.requireClock() }
        let agenda = try Agenda(context, settings)
        guard !agenda.isEmpty else {
            if !isDryRun { try ScheduledScrubs(context).run(settings) }
            return TickReport()
        }
        guard !isDryRun else { return TickReport(slots: agenda.due.map { $0.slot(.due) }) }
        var (report, names) = try serve(settings)
        if prunes, !report.slots.isEmpty {
            report.prune = try PruneService(context: context).pruneUnlessBusy([])
        }
        countStores(of: names)
        // Last, and outside of the lock: it takes some seconds.
        try ScheduledScrubs(context).run(settings)
        return report
    }

    /// For monitoring, which remembers nothing itself. Without any lock: a disk may be slow. What the tick has
    /// done is told whatever becomes of this.
    private func countStores(of names: Set<String>) {
        for name in names.sorted() {
            guard let volume = try? context.volume(name) else { continue }
            try? StoreCount(context, volume).catchUp()
        }
    }

    /// Returns also the volumes for which something was due.
    private func serve(_ settings: Settings) throws -> (TickReport, Set<String>) {
        let lockPath = context.state.tickLockPath
        guard let lock = try context.acquireLock(at: lockPath) else {
            throw Problem(
                .locked, "another tick\(context.holder(ofLock: lockPath)) is at work",
                hint: "nothing is lost: it serves what is due; see \(.events)")
        }
        defer { withExtendedLifetime(lock) {} }
        do {
            // What a tick that was killed has taken is served.
            try Reconciler(context).tidy([])
        } catch {
            // One volume's trouble is no reason not to serve the others; it will be told by its own.
            let problem = Problem(error)
            guard problem.code != .interrupted else { throw problem }
            context.note(problem.message)
        }
        // Before any slot is served: what a wrong clock serves must not speak for it.
        try ClockJudge(context, settings).record()
        // Looked at again: another tick may have ended just now.
        let agenda = try Agenda(context, settings)
        if !agenda.new.isEmpty { try context.catalog.beginSchedules(agenda.new) }
        var report = TickReport()
        for due in agenda.due {
            try context.end.check()
            let outcome = try self.outcome(of: due, settings)
            report.slots.append(due.slot(outcome))
        }
        return (report, Set(agenda.due.flatMap(\.volumes)))
    }

    // MARK: one slot

    private func outcome(of due: DueSlot, _ settings: Settings) throws -> TickReport.Outcome {
        if let served = due.disregarded {
            context.note(
                "schedule \(due.schedule.name) had served \(served), far in the future: the clock "
                    + "was wrong then, or is now")
        }
        do {
            return try take(due, settings)
        } catch {
            let problem = Problem(error)
            guard problem.code != .interrupted else { throw problem }
            try? context.log(
                .error, .scheduleFailed,
                "schedule \(due.schedule.name) of \(due.key.target) could not be served: "
                    + problem.message, volume: due.volumes.count == 1 ? due.volumes.first : nil)
            return .failed(problem)
        }
    }

    private func take(_ due: DueSlot, _ settings: Settings) throws -> TickReport.Outcome {
        for name in due.volumes { try makeRoom(try context.volume(name), settings) }
        var request = TakeRequest(volumes: due.volumes, tags: due.schedule.tags)
        if case .set(let name) = due.key.target { request.setName = name }
        request.slot = ScheduledSlot(
            schedule: due.schedule.name, slot: due.time,
            skipsUnchanged: due.schedule.ifUnchanged == .skip)
        let report = try SnapshotService(context: context).take(request)
        guard !report.isServedAlready else { return .served }
        guard !report.snapshots.isEmpty else {
            try context.catalog.noteServed(due.time, of: due.key)
            return .unchanged
        }
        return .taken(report.snapshots.map(\.id), set: report.set)
    }

    /// Brings the store's free space back above its floor, as far as the settings allow.
    func makeRoom(_ volume: VolumeRow, _ settings: Settings) throws {
        switch try FreeSpaceRecovery(context: context).run(volume, settings) {
        case .enough: return
        // Of somebody else's pruning the next tick will see the end.
        case .exhausted(let space), .busy(let space): throw space.problem(volume.record.name)
        }
    }
}

extension Manager {
    /// Whether a tick would find nothing to do, and nothing to look after. It opens nothing for writing, and writes nothing: a
    /// tick comes every minute. False whenever that is not certain.
    package static func hasNothingDue(_ options: ManagerOptions) -> Bool {
        guard !MountFolder(options.state).mayHoldMounts, !MachineMarks(options.state).mayHaveAny,
            let settings = try? options.operation.settings.get(), !settings.hasScrubs,
            (try? options.state.requireCatalogFile()) != nil,
            let peek = try? CatalogStore.peek(
                options.state.catalogPath,
                drivers: options.drivers.namesWithDevices + options.drivers.namesThatResume),
            !peek.hasDrivers
        else { return false }
        let now = options.operation.clock.now()
        return Timestamp.recordable.contains(now) && Agenda(peek.marks, settings, at: now).isEmpty
    }
}

/// A slot that is to be served now.
private struct DueSlot {
    var key: ScheduleKey
    var schedule: Schedule
    var volumes: [String]
    var time: Timestamp
    var missed: Int
    var disregarded: Timestamp?

    func slot(_ outcome: TickReport.Outcome) -> TickReport.Slot {
        TickReport.Slot(
            target: key.target.description, schedule: schedule.name, slot: time, missed: missed,
            outcome: outcome)
    }
}

/// What the schedules ask for at this moment.
private struct Agenda {
    /// Sets first, then volumes, each by name.
    private(set) var due: [DueSlot] = []
    /// Schedules that are seen for the first time: their slots are due from now on.
    private(set) var new: [ScheduleKey] = []

    var isEmpty: Bool { due.isEmpty && new.isEmpty }

    init(_ context: ManagerContext, _ settings: Settings) throws {
        self.init(try context.catalog.scheduleMarks(), settings, at: context.clock.now())
    }

    init(_ marks: [ScheduleKey: ScheduleMarks], _ settings: Settings, at now: Timestamp) {
        for set in settings.sets.values.sorted(by: { $0.name < $1.name }) {
            add(.set(set.name), set.schedules, set.volumes, marks, now)
        }
        for volume in settings.volumes.values.sorted(by: { $0.name < $1.name }) {
            add(.volume(volume.name), volume.schedules, [volume.name], marks, now)
        }
    }

    private mutating func add(
        _ target: ScheduleTarget, _ schedules: [Schedule], _ volumes: [String],
        _ marks: [ScheduleKey: ScheduleMarks], _ now: Timestamp
    ) {
        for schedule in schedules {
            let key = ScheduleKey(target: target, schedule: schedule.name)
            guard let mark = marks[key] else {
                new.append(key)
                continue
            }
            let decision = schedule.due(served: mark.served, since: mark.since, at: now)
            guard case .take(let slot, let missed, let disregarded) = decision else { continue }
            due.append(
                DueSlot(
                    key: key, schedule: schedule, volumes: volumes, time: slot, missed: missed,
                    disregarded: disregarded))
        }
    }
}

internal import System
internal import Catalog
package import Monitoring
internal import Scheduler
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Looks at everything for monitoring. It changes nothing, not even what a crash has left: a check
/// works on a full disk, and finds what it is there to find.
package struct MonitorService {
    let context: ManagerContext

    /// For Nagios, Icinga and others that run plugins.
    ///
    /// - Parameter names: the volumes; all for none.
    package func plugin(_ names: [String]) throws -> PluginOutput {
        PluginOutput(try read(names), context.wording)
    }

    /// For Prometheus.
    package func exposition(_ names: [String]) throws -> String {
        MonitorMetrics(try read(names), context.wording).text
    }

    /// The exposition when the catalog cannot be read.
    package static var failedExposition: String { MonitorMetrics.failureText }

    /// - Throws: when the catalog cannot be read, or has no such volume. Anything else that cannot be
    ///   looked at is a problem of the reading.
    func read(_ names: [String]) throws -> MonitorReading {
        let names = try context.members(of: names)
        let volumes = try context.volumes(names)
        var reading = MonitorReading(now: context.clock.now(), isWhole: names.isEmpty)
        if let problem = context.clockProblem { reading.problems.append(problem) }
        let settings = Self.attempt("the settings", &reading) { try context.settings.get() }
        reading.clock = try ClockJudge(context, settings).look()
        if let settings {
            reading.schedules = try schedules(
                settings, of: names.isEmpty ? nil : Set(names), now: reading.now)
            // Only those of the settings: names that people give would make metrics without end.
            reading.sets = try context.catalog.setCounts().filter { settings.sets[$0.name] != nil }
        }
        if reading.isWhole {
            let lost = Self.attempt("the mirrors", &reading) { try lookAtMirrors() }
            if let lost {
                reading.orphans = lost.orphans
                reading.unreadableMirrors = lost.unreadable
            }
            // Without settings nobody knows of any, which is told already.
            if settings != nil {
                let webhooks = Self.attempt("the webhooks", &reading) { try lookAtWebhooks() }
                reading.webhooks = webhooks ?? []
            }
        }
        let log = try EventDigest(context.catalog)
        reading.failures = log.failures.filter { event in
            reading.isWhole || volumes.contains { $0.record.name == event.volume }
        }
        if reading.isWhole {
            let lastSlot = reading.schedules.filter(\.target.isSet).compactMap(\.lastSlot).max()
            reading.setFailures = log.setFailure(lastSlot: lastSlot).map { [$0] } ?? []
        }
        let counts = Dictionary(
            grouping: try context.catalog.snapshotCounts(), by: \.volume)
        for volume in volumes {
            let name = volume.record.name
            let lastSlot = reading.schedules
                .filter { $0.target.takes(name, settings) }.compactMap(\.lastSlot).max()
            let found = Self.attempt("volume \(name)", &reading) {
                try self.reading(of: volume, settings, log, lastSlot: lastSlot)
            }
            guard var found else { continue }
            found.counts = counts[name] ?? []
            reading.volumes.append(found)
        }
        return reading
    }

    private static func attempt<Value>(
        _ subject: String, _ reading: inout MonitorReading, _ body: () throws -> Value
    ) -> Value? {
        do {
            return try body()
        } catch {
            reading.problems.append(Problem(error).about(subject))
            return nil
        }
    }

    private func lookAtWebhooks() throws -> [WebhookReading] {
        try WebhookService(context: context).list().map { webhook in
            WebhookReading(
                name: webhook.webhook.name, failureCount: webhook.failureCount,
                givenUpCount: webhook.dead.count, waitingCount: webhook.pendingCount)
        }
    }

    /// The mirrors that are no volume's here.
    private func lookAtMirrors() throws -> (orphans: [OrphanedMirror], unreadable: [Problem]) {
        let mirrors = MirrorService(context: context)
        let orphans = try mirrors.list().filter { $0.state == .orphaned }.map {
            OrphanedMirror(name: $0.record.name, volume: $0.record.volume)
        }
        return (orphans, try mirrors.unreadable())
    }

    // MARK: one volume

    /// As the server says; nil when a command has the volume open, which merges, too, but gives no
    /// answers.
    private func progressOfServer(of volume: VolumeRow) throws -> MergeProgress? {
        let server = try context.driver(of: volume).server(of: volume.place)
        defer { server?.close() }
        return try server?.mergeProgress()
    }

    private func reading(
        of volume: VolumeRow, _ settings: Settings?, _ log: EventDigest, lastSlot: Timestamp?
    ) throws -> VolumeReading {
        let name = volume.record.name
        var reading = VolumeReading(
            try StatusService(context: context)
                .health(of: volume, remembers: false))
        reading.holds = try context.catalog.holds(volume: name)
        reading.mergesByItself = try context.driver(of: volume).traits.mergesByItself
        reading.lastPruneAt = log.lastPrune(of: name)
        reading.failure = log.failure(of: name, lastSlot: lastSlot)
        reading.mergeBegunAt = try context.catalog.reverts(volume: name)
            .last(where: \.isUnfinished)?.begunAt
        if let settings, let space = FreeSpace(of: volume, settings) {
            reading.floorBytes = space.floorBytes
            reading.filesystemBytes = try? StoreUsage.filesystemBytes(volume.storePath)
        }
        guard reading.condition != .missing else {
            reading.missing = whatIsMissing(volume)
            return reading
        }
        if try context.driver(of: volume).traits.tellsMergeRate, let merge = reading.merge,
            merge.state == .merging, merge.rate == 0
        {
            let second = try progressOfServer(of: volume)
            reading.isMergeStill = second?.state == .merging && second?.rate == 0
        }
        if context.canBreak(volume) {
            reading.hasBrokenChain =
                try BrokenMarks(context: context).lostInKernel(volume) != nil
                || context.reader(volume).strictState().brokenThrough != nil
        }
        if let settings, !settings.files.isEmpty {
            let moment = try ClockJudge(context, settings).look().now
                .advanced(bySeconds: -MonitorLimits.pruneSeconds)
            reading.overdueCount = try VolumeRetention(context, settings, volume)
                .countOverdue(since: moment)
        }
        return reading
    }

    private func whatIsMissing(_ volume: VolumeRow) -> String {
        do {
            _ = try context.reader(volume)
            return "the origin \(volume.record.originPath) is missing"
        } catch {
            return Problem(error).message
        }
    }

    // MARK: schedules

    /// - Parameter volumes: nil is all, also those that only the settings know.
    private func schedules(
        _ settings: Settings, of volumes: Set<String>?, now: Timestamp
    ) throws -> [ScheduleReading] {
        let marks = try context.catalog.scheduleMarks()
        func read(_ target: ScheduleTarget, _ schedules: [Schedule]) -> [ScheduleReading] {
            schedules.map { schedule in
                let key = ScheduleKey(target: target, schedule: schedule.name)
                return ScheduleReading(target, schedule, marks[key], now: now)
            }
        }
        let sets = settings.sets.values.sorted { $0.name < $1.name }
            .filter { set in volumes.map { !$0.isDisjoint(with: set.volumes) } ?? true }
        let own = settings.volumes.values.sorted { $0.name < $1.name }
            .filter { volumes?.contains($0.name) ?? true }
        return sets.flatMap { read(.set($0.name), $0.schedules) }
            + own.flatMap { read(.volume($0.name), $0.schedules) }
    }
}

extension VolumeReading {
    fileprivate init(_ health: VolumeHealth) {
        let volume = health.volume
        self.init(
            name: volume.record.name, condition: volume.state,
            volumeBytes: volume.record.geometry.volumeBytes, snapshotCount: volume.snapshotCount,
            isInUse: health.isInUse)
        storeBytes = volume.storeBytes
        freeBytes = health.freeBytes
        daysToFull = health.daysToFull
        newest = health.newest
        scrubbedAt = health.scrub?.endedAt
        scrubDamage = health.scrub?.damageCount ?? 0
        merge = health.merge
        splits = health.splits
        warnings = health.warnings.filter { !health.splits.contains($0) }
        generation =
            health.standing?.generation.number ?? (health.mirrors.isEmpty ? nil : 0)
        mirrors = health.mirrors.map {
            var mirror = MirrorReading(
                name: $0.record.name, condition: $0.state, lagSeconds: Int($0.lagSeconds),
                lagBytes: $0.missingBytes, failureCount: $0.record.failureCount,
                lastSuccessAt: $0.record.lastSuccessAt)
            mirror.failure = $0.record.failure?.message
            return mirror
        }
    }
}

extension ScheduleTarget {
    fileprivate var isSet: Bool {
        if case .set = self { return true }
        return false
    }

    /// Whether its snapshots are those of a volume, too.
    fileprivate func takes(_ volume: String, _ settings: Settings?) -> Bool {
        switch self {
        case .volume(let name): name == volume
        case .set(let name): settings?.sets[name]?.volumes.contains(volume) ?? false
        }
    }
}

/// What the log says about failures.
private struct EventDigest {
    /// Of all kinds that count, by kind and volume.
    private(set) var failures: [EventCounts] = []
    private var successes: [String: EventCounts] = [:]
    private var prunes: [String: EventCounts] = [:]
    private var lastSetID: Int64

    /// The kinds that the next success makes good.
    private static let passing = Set(
        [EventKind.hookFailed, .scheduleFailed, .snapshotFailed].map(\.rawValue))

    init(_ catalog: CatalogStore) throws {
        let counted = Set(MonitorMetrics.failureKinds.map(\.rawValue))
        let others = [EventKind.snapshotTaken, .pruned].map(\.rawValue)
        lastSetID = try catalog.lastSetEvent(kind: EventKind.snapshotTaken.rawValue) ?? 0
        for event in try catalog.eventCounts(kinds: counted.sorted() + others) {
            if counted.contains(event.kind) { failures.append(event) }
            guard let volume = event.volume else { continue }
            if event.kind == EventKind.snapshotTaken.rawValue { successes[volume] = event }
            if event.kind == EventKind.pruned.rawValue { prunes[volume] = event }
        }
    }

    func lastPrune(of volume: String) -> Timestamp? { prunes[volume]?.lastTime }

    /// The last failure since the last success.
    ///
    /// - Parameter lastSlot: the last one served, maybe without a snapshot since nothing was written.
    func failure(of volume: String, lastSlot: Timestamp?) -> EventCounts? {
        let successID = successes[volume]?.lastID ?? 0
        return lastFailure { event in
            event.volume == volume && event.lastID > successID
                && lastSlot.map { $0 < event.lastTime } ?? true
        }
    }

    /// The last failure of several volumes together since the last set was taken.
    ///
    /// - Parameter lastSlot: as of ``failure(of:lastSlot:)``, of any set.
    func setFailure(lastSlot: Timestamp?) -> EventCounts? {
        lastFailure { event in
            event.volume == nil && event.lastID > lastSetID
                && lastSlot.map { $0 < event.lastTime } ?? true
        }
    }

    private func lastFailure(_ isMeant: (EventCounts) -> Bool) -> EventCounts? {
        failures.filter { Self.passing.contains($0.kind) && isMeant($0) }
            .max { $0.lastID < $1.lastID }
    }
}

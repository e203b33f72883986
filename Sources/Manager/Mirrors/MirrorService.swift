internal import Catalog
internal import Monitoring
package import Scheduler
package import SnapshotModel
package import Stream
internal import System

/// What `mirror add` is told.
package struct MirrorRequest: Hashable, Sendable {
    package var name: String
    package var volume: String
    package var target: String
    package var onRevert = RevertBehaviour.ask
    package var bytesPerSecondLimit: Int?
    /// Other limits for parts of the day.
    package var limitHours: [RateHours] = []
    package var compression = StreamCompression.none
    package var connector: [String]?
    package var remoteProgram: String?

    package init(_ name: String, volume: String, target: String) {
        self.name = name
        self.volume = volume
        self.target = target
    }
}

/// Keeps copies of volumes' snapshots at other sites.
package struct MirrorService {
    let context: ManagerContext

    private var folder: MirrorFolder { MirrorFolder(context.state) }

    // MARK: Settings

    /// Nothing is sent, nor asked of the target.
    ///
    /// - Parameter isDryRun: then nothing is recorded.
    /// - Throws: `exists` when there is a mirror of the name, `usage` when the target is no place.
    package func add(_ request: MirrorRequest, isDryRun: Bool) throws -> MirrorSummary {
        guard VolumeRecord.isValidName(request.name) else {
            throw Problem(
                .usage, "`\(request.name)` cannot be a mirror's name",
                hint: "use letters, digits, `.`, `_` and `-`, at most 64")
        }
        let target = try MirrorTarget(request.target)
        let volume = try context.volume(request.volume)
        try context.requireContent(volume, "mirrored")
        var record = MirrorRecord(
            name: request.name, volume: request.volume, volumeUUID: volume.record.uuid,
            target: target.description, onRevert: request.onRevert,
            bytesPerSecondLimit: request.bytesPerSecondLimit, connector: request.connector,
            remoteProgram: request.remoteProgram, addedAt: context.clock.now())
        if case .zstd(let level) = request.compression { record.compressionLevel = level }
        try record.limit(in: request.limitHours)
        record.acceptedRevert = try lastRevert(of: request.volume)
        try requireFree(request.name)
        guard !isDryRun else { return try summary(of: record) }
        try withLock(request.name) {
            try requireFree(request.name)
            try folder.write(record)
            try context.log(
                .mirrorAdded, "mirror \(record.name) to \(record.target) was added",
                volume: record.volume)
        }
        return try summary(of: record)
    }

    /// Has a mirror do something else from now on. What it has sent stays as it is.
    ///
    /// - Parameter isDryRun: then nothing is recorded.
    /// - Throws: `locked` while it is run: that would go on by what it was told before.
    package func change(_ change: MirrorChange, isDryRun: Bool) throws -> MirrorSummary {
        guard !change.isEmpty else {
            throw Problem(
                .usage, "nothing is to be changed of mirror \(change.name)",
                hint: "see what can be: \(.help(["mirror", "set"]))")
        }
        guard !isDryRun else {
            var record = try require(change.name)
            try change.apply(to: &record)
            return try summary(of: record)
        }
        _ = try require(change.name)
        return try withLock(change.name) {
            var record = try require(change.name)
            try change.apply(to: &record)
            try folder.write(record)
            try context.log(
                .mirrorChanged, "mirror \(record.name) was changed: \(change.words)",
                volume: record.volume)
            return try summary(of: record)
        }
    }

    private func requireFree(_ name: String) throws {
        guard try folder.record(name) == nil else {
            throw Problem(
                .exists, "there is a mirror \(name) already",
                hint: "remove it first, or choose another name: \(.mirrorList)")
        }
    }

    /// Forgets a mirror, and lets go of what is held for it here. The target keeps what it has.
    ///
    /// - Returns: nil when its record could not be read.
    /// - Throws: `newer_version` when a later version has written it.
    package func remove(_ name: String, isDryRun: Bool) throws -> MirrorSummary? {
        let summary = try readable(name).map { try self.summary(of: $0) }
        guard !isDryRun else { return summary }
        return try withLock(name) {
            let record = try readable(name)
            try letGo(MirrorRecord.owner(name), keeping: nil)
            try folder.remove(name)
            try context.log(
                .mirrorRemoved,
                "mirror \(name) \(record.map { "to \($0.target) " } ?? "")was removed",
                volume: record?.volume)
            return summary
        }
    }

    /// Nil when it is damaged: what cannot be read any more can be removed.
    private func readable(_ name: String) throws -> MirrorRecord? {
        do { return try require(name) } catch let problem as Problem
            where problem.code == .corrupt
        { return nil }
    }

    /// The mirrors' names alone.
    func names() throws -> [String] { try folder.content().records.map(\.name) }

    /// Those that can be read, by name.
    package func list() throws -> [MirrorSummary] {
        try folder.content().records.map { try summary(of: $0) }
    }

    /// Why the others cannot be.
    package func unreadable() throws -> [Problem] { try folder.content().unreadable.map(\.problem) }

    package func show(_ name: String) throws -> MirrorSummary { try summary(of: require(name)) }

    func summaries(of volume: String) throws -> [MirrorSummary] {
        try folder.content().records.filter { $0.volume == volume }.map { try summary(of: $0) }
    }

    func require(_ name: String) throws -> MirrorRecord {
        guard let record = try folder.record(name) else {
            throw Problem(
                .notFound, "there is no mirror \(name)",
                hint: Suggestion.hint(
                    for: name, among: try folder.content().records.map(\.name),
                    else: "run \(.mirrorList) to see them"))
        }
        return record
    }

    private func lastRevert(of volume: String) throws -> RevertID? {
        try context.catalog.reverts(volume: volume).map(\.id).max()
    }

    // MARK: Locks

    private func lockPath(_ name: String) -> String {
        context.state.locksPath + "/.mirror." + name
    }

    /// Runs `body` while nobody else works on a mirror.
    func withLock<Result>(_ name: String, _ body: () throws -> Result) throws -> Result {
        guard let result = try withLockIfFree(name, body) else {
            throw Problem(
                .locked, "mirror \(name)\(context.holder(ofLock: lockPath(name))) is at work",
                hint: "let it end, or end it; see \(.mirrorList)")
        }
        return result
    }

    private func withLockIfFree<Result>(
        _ name: String, _ body: () throws -> Result
    ) throws -> Result? {
        guard let lock = try context.acquireLock(at: lockPath(name)) else { return nil }
        defer { withExtendedLifetime(lock) {} }
        return try body()
    }

    private func isRunning(_ name: String) -> Bool {
        (try? FileLock.isHeld(
            ".mirror." + name, in: FileFolder(path: context.state.locksPath))) ?? false
    }
}

// MARK: - How far it is

extension MirrorService {
    private func summary(of record: MirrorRecord) throws -> MirrorSummary {
        var summary = MirrorSummary(
            record: record, state: .current, missingCount: 0, missingBytes: 0, lagSeconds: 0,
            isRunning: isRunning(record.name))
        summary.limitNow = record.rates.rate(
            at: context.clock.now(), in: context.timeZone.rules)
        guard let volume = try context.catalog.volume(named: record.volume),
            volume.record.uuid == record.volumeUUID
        else {
            summary.state = .orphaned
            return summary
        }
        let missing = try missing(record)
        summary.missingCount = missing.count
        summary.missingBytes =
            record.base == nil && !missing.isEmpty
            ? nil : missing.map { $0.changedBytes ?? 0 }.clampedSum
        if let oldest = missing.map(\.takenAt).min() {
            // What was there before the mirror is not late before it.
            let since = max(oldest, record.addedAt)
            summary.lagSeconds =
                max(0, context.clock.now().nanoseconds(since: since)) / 1_000_000_000
            summary.state = .behind
        }
        if rests(record) { summary.state = .reversed }
        if record.failure != nil {
            summary.state =
                record.peer?.role == .target || record.peer == nil ? .failing : .promoted
        }
        if record.split != nil { summary.state = .split }
        if summary.state == .failing, record.failure?.code == .refused,
            try !MirrorReverts(context, record).pending.isEmpty,
            record.onRevert == .ask
        {
            summary.state = .waiting
        }
        return summary
    }

    /// Whether a mirror has nothing to send because its volume follows the target. One that was promoted since does
    /// not.
    private func rests(_ record: MirrorRecord) -> Bool {
        guard record.isReversed == true,
            let volume = try? context.catalog.volume(named: record.volume)
        else { return false }
        return (try? VolumeStandings(context).recorded(volume))?.role == .target
    }

    /// The whole snapshots that were taken since the base.
    private func missing(_ record: MirrorRecord) throws -> [SnapshotRow] {
        // What is taken there comes here.
        guard !rests(record) else { return [] }
        return try context.catalog.snapshots(volume: record.volume).filter { row in
            row.phase == .present && row.state != .broken
                && record.base.map { row.ordinal > $0.ordinal } ?? true
        }
    }

    /// The ids of a volume's snapshots that some mirror of it lacks, and of those from which the next transfers start.
    /// A mirror whose record cannot be read may be one of any volume, and lack all.
    func waiting(in volume: String) throws -> (missing: Set<SnapshotID>, bases: Set<SnapshotID>) {
        let content = try folder.content()
        let records = content.records.filter { $0.volume == volume }
        guard content.unreadable.isEmpty else {
            return (
                Set(try context.catalog.snapshots(volume: volume).map(\.id)),
                Set(records.compactMap(\.base?.id))
            )
        }
        return (
            Set(try records.flatMap { try missing($0) }.map(\.id)),
            Set(records.compactMap(\.base?.id))
        )
    }
}

// MARK: - Running

extension MirrorService {
    /// How mirrors are run.
    package struct RunOptions: Hashable, Sendable {
        /// Whether those rest that have nothing to send, or failed a short while ago.
        package var onlyDue = false
        /// Whether what a revert has left is sent, too.
        package var acceptsRevert = false
        /// Whether a target that has nothing in common goes on from what it reads as, by comparing all of it.
        package var reanchors = false
        package var isDryRun = false

        package init() {}
    }

    /// Sends what the targets lack. What fails for one is in its outcome, and no reason not to serve the others.
    ///
    /// - Parameters:
    ///   - names: all for none.
    ///   - patienceMilliseconds: how long a target may do nothing.
    package func run(
        _ names: [String], _ options: RunOptions, patienceMilliseconds: Int = 600_000
    ) throws -> [MirrorOutcome] {
        let content = try names.isEmpty ? folder.content() : MirrorFolder.Content()
        let records = try names.isEmpty ? content.records : names.map { try require($0) }
        let volumes = Set(records.map(\.volume)).sorted()
        let outcomes: [MirrorOutcome] = try context.asJob(.mirror, of: volumes) { context in
            let service = MirrorService(context: context)
            return try records.map { record in
                try context.end.check()
                return try service.runAlone(record, options, patienceMilliseconds)
            }
        }
        return outcomes
            + content.unreadable.map {
                MirrorOutcome(
                    mirror: $0.name, volume: "", target: "", state: .failed, problem: $0.problem)
            }
    }

    /// Whatever fails in one is no reason not to run the others; only the end of this process ends them.
    private func runAlone(
        _ known: MirrorRecord, _ options: RunOptions, _ patience: Int
    ) throws -> MirrorOutcome {
        do { return try run(known, options, patience) } catch {
            let problem = Problem(error)
            guard problem.code != .interrupted || !context.end.isDue else { throw problem }
            return failed(known, problem)
        }
    }

    private func failed(_ record: MirrorRecord, _ problem: Problem) -> MirrorOutcome {
        MirrorOutcome(
            mirror: record.name, volume: record.volume, target: record.target, state: .failed,
            base: record.base?.id, problem: problem)
    }

    private func run(
        _ known: MirrorRecord, _ options: RunOptions, _ patience: Int
    ) throws -> MirrorOutcome {
        let skipped = MirrorOutcome(
            mirror: known.name, volume: known.volume, target: known.target, state: .skipped)
        // A look makes nothing, not even a lock.
        guard !options.isDryRun else { return try attempt(known, options, patience) }
        let outcome = try withLockIfFree(known.name) { () -> MirrorOutcome in
            // As it is now: another run may have just ended.
            guard let record = try folder.record(known.name) else { return skipped }
            if options.onlyDue, !isDue(record) { return skipped }
            return try attempt(record, options, patience)
        }
        return outcome ?? skipped
    }

    /// Whether it has anything to send, or has not heard of its target for long, and does not rest after a failure.
    private func isDue(_ record: MirrorRecord) -> Bool {
        let now = context.clock.now()
        // A moment behind any rest was noted while the clock was ahead.
        if let next = record.nextAttemptAt, now < next,
            next <= now.advanced(bySeconds: MirrorRecord.restMaximumSeconds)
        {
            return false
        }
        // It has nothing to send, whatever the target is now.
        guard !rests(record) else { return false }
        guard record.failure == nil, let last = record.lastSuccessAt, last <= now,
            now < last.advanced(bySeconds: MirrorRecord.contactSeconds)
        else { return true }
        // What cannot be looked at fails when it is run, which is noted.
        return (try? missing(record).isEmpty) != true
    }

    private func attempt(
        _ record: MirrorRecord, _ options: RunOptions, _ patience: Int
    ) throws -> MirrorOutcome {
        var run = MirrorRun(context, record, options, patienceMilliseconds: patience)
        let start = context.clock.monotonicNanoseconds()
        do {
            var outcome = try run.run()
            outcome.milliseconds = (context.clock.monotonicNanoseconds() - start) / 1_000_000
            guard !options.isDryRun else { return outcome }
            run.record.lastAttemptAt = context.clock.now()
            run.record.lastSuccessAt = run.record.lastAttemptAt
            (run.record.failure, run.record.failureCount) = (nil, 0)
            (run.record.nextAttemptAt, run.record.split) = (nil, nil)
            run.record.conflictCount = nil
            try folder.write(run.record)
            // What was sent is sent: somebody who is at work on the volume here has it forgotten by a later run.
            if outcome.state != .reversed {
                try? VolumeStandings(context).forgetRival(of: record.volume)
            }
            return outcome
        } catch {
            let problem = Problem(error)
            guard problem.code != .interrupted || !context.end.isDue, !options.isDryRun else {
                throw problem
            }
            var outcome = failed(run.record, problem)
            guard try !noteConflict(problem, in: &run.record) else {
                // Whoever asked for it is told; a timer's next run is soon.
                if options.onlyDue { outcome.state = .skipped }
                return outcome
            }
            try note(problem, in: &run.record)
            return outcome
        }
    }

    /// Somebody else was at work, here or there, which passes by itself: it is tried again in a minute, and told as a
    /// failure only when that goes on.
    ///
    /// - Returns: whether there is nothing else to be noted.
    private func noteConflict(_ problem: Problem, in record: inout MirrorRecord) throws -> Bool {
        guard problem.code == .locked else {
            record.conflictCount = nil
            return false
        }
        let count = (record.conflictCount ?? 0).addingClamped(1)
        record.conflictCount = count
        guard count < MirrorRecord.conflictMaximum else { return false }
        record.lastAttemptAt = context.clock.now()
        record.nextAttemptAt = record.lastAttemptAt?.advanced(
            bySeconds: MirrorRecord.restSeconds(failures: 1))
        try folder.write(record)
        return true
    }

    private func note(_ problem: Problem, in record: inout MirrorRecord) throws {
        let problem = problem.bounded
        let now = context.clock.now()
        record.lastAttemptAt = now
        record.failure = problem
        record.failureCount = record.failureCount.addingClamped(1)
        record.nextAttemptAt = now.advanced(
            bySeconds: MirrorRecord.restSeconds(failures: record.failureCount))
        try folder.write(record)
        try context.log(
            .error, .mirrorFailed,
            "mirror \(record.name) to \(record.target) failed: \(problem.message)",
            volume: record.volume)
    }

    /// Ends a mirror's holds here, but for one snapshot's.
    func letGo(_ owner: String, keeping kept: SnapshotID?) throws {
        let held = try context.catalog.holds().filter { $0.owner == owner }
        for id in Set(held.map(\.snapshot)) where id != kept {
            try context.catalog.release(id, owner: owner)
        }
    }
}

extension Manager {
    /// Whether a state has mirrors; true also when that cannot be told. Nothing is made where there is nothing.
    package static func mayHaveMirrors(_ options: ManagerOptions) -> Bool {
        (try? MirrorFolder(options.state).content().isEmpty) != true
    }
}

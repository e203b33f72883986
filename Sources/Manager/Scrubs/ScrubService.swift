internal import Catalog
package import SnapshotModel
internal import StoreFormat
internal import System

/// How the data of a volume is to be read.
package struct ScrubRequest: Hashable, Sendable {
    /// Bytes per second at most; nil is as fast as the disk.
    package var bytesPerSecond: Int?
    /// Begins anew, also where an earlier scrub has not ended.
    package var restarts = false
    /// For how long it reads; nil until it is done.
    package var milliseconds: Int?
    /// An earlier scrub that has not ended is gone on with if it began less than this many seconds ago; nil for
    /// any.
    var resumesWithinSeconds: Int64?

    package init(bytesPerSecond: Int? = nil, restarts: Bool = false, milliseconds: Int? = nil) {
        self.bytesPerSecond = bytesPerSecond
        self.restarts = restarts
        self.milliseconds = milliseconds
    }
}

/// Reads the areas of a volume and compares them with their seals. Where it stands is kept, so that a scrub that
/// ended early goes on.
struct ScrubService {
    let context: ManagerContext

    /// What came of it.
    struct Outcome {
        /// Of the whole scrub, also of what was read earlier.
        var pass: ScrubRecord.Pass
        /// Whether it began earlier.
        var isResumed: Bool
        /// What was found now, after what is kept of earlier.
        var found: [Finding]
        var isDone: Bool { pass.endedAt != nil }

        /// What is to be told. Of damage that was counted and not kept, it is the number.
        var findings: [Finding] {
            let told = found.count { $0.severity == .damage }
            guard pass.damageCount > told else { return found }
            return found + [
                Finding(
                    .damage, object: "data",
                    message: "damage was found in \(pass.damageCount - told) more places, which "
                        + "are not told one by one",
                    remedy: "mend what is told, then check the data again")
            ]
        }
    }

    /// - Parameters:
    ///   - folder: the volume's store.
    ///   - repairs: removes seals that are damaged. The caller holds the store's lock.
    ///   - proceed: asked before each piece of data.
    /// - Throws: `locked` when somebody else scrubs the volume; what `proceed` does.
    func scrub(
        _ volume: VolumeRow, _ folder: any Folder, _ request: ScrubRequest, repairs: Bool = false,
        proceed: @escaping () throws(Problem) -> Void
    ) throws -> Outcome {
        let uuid = volume.record.uuid
        let files = ScrubFiles(context.state)
        // Who may only look keeps nothing, and is in nobody's way.
        var keeps = context.catalog.access == .writable
        let lock = keeps ? try lock(files.lockPath(uuid), volume) : nil
        defer { withExtendedLifetime(lock) {} }
        var record = keeps ? try known(uuid, &keeps) : ScrubRecord(volume: uuid)
        if request.restarts || repairs || isTooOld(record.running, request) {
            record.running = nil
        }
        let isResumed = record.running?.position != nil
        let run = ScrubRun(
            record.running ?? ScrubRecord.Pass(begunAt: context.clock.now()), request)
        func save() {
            guard keeps else { return }
            record.running = run.pass
            try? files.write(record)
        }
        var sinks = SealScrub.Sinks(found: { run.add($0) })
        sinks.proceed = { _ throws(Problem) in try run.admit(proceed) }
        sinks.note = { position, counts in
            run.advance(to: position, counts)
            guard run.isTimeToSave else { return }
            save()
            tell(volume, run.pass)
        }
        var scrub = try SealScrub(
            folder, counts: run.pass.counts, repair: repairs, sinks: sinks)
        if !isResumed { run.pass.totalBytes = try scrub.totalBytes() }
        do {
            try scrub.run(from: run.pass.position)
        } catch {
            save()
            guard run.isOver else { throw error }
            return Outcome(pass: run.pass, isResumed: isResumed, found: run.found)
        }
        run.pass.endedAt = context.clock.now()
        run.pass.position = nil
        record.running = nil
        record.last = run.pass
        if keeps { try? files.write(record) }
        return Outcome(pass: run.pass, isResumed: isResumed, found: run.found)
    }

    /// Of one from the future nobody knows how old it is.
    private func isTooOld(_ pass: ScrubRecord.Pass?, _ request: ScrubRequest) -> Bool {
        guard let pass, let limit = request.resumesWithinSeconds else { return false }
        let age = context.clock.now().nanoseconds(since: pass.begunAt) / 1_000_000_000
        return age < 0 || age >= limit
    }

    /// What a newer snapmgr has kept stays as it is, and nothing is kept then.
    private func known(_ uuid: String, _ keeps: inout Bool) throws -> ScrubRecord {
        do { return try ScrubFiles(context.state).record(uuid) } catch {
            let problem = Problem(error)
            guard problem.code == .newerVersion else { throw problem }
            context.note(problem.message)
            keeps = false
            return ScrubRecord(volume: uuid)
        }
    }

    private func lock(_ path: String, _ volume: VolumeRow) throws -> FileLock {
        guard let lock = try context.acquireLock(at: path) else {
            throw Problem(
                .locked,
                "another check\(context.holder(ofLock: path)) reads the data of volume "
                    + volume.record.name,
                hint: "wait for it; \(.status) says how far it is")
        }
        return lock
    }

    private func tell(_ volume: VolumeRow, _ pass: ScrubRecord.Pass) {
        context.tell(
            OperationProgress(
                activity: .checking, volume: volume.record.name,
                amount: .bytes(
                    TransferProgress(
                        doneBytes: pass.counts.bytes,
                        totalBytes: max(pass.totalBytes, pass.counts.bytes), rate: 0))))
    }

    // MARK: What was known before

    /// The last scrub of a volume, and the one that has not ended; nil when there was none.
    func state(of volume: VolumeRow) -> ScrubSummary? {
        guard let record = try? ScrubFiles(context.state).record(volume.record.uuid) else {
            return nil
        }
        return ScrubSummary(record)
    }
}

/// A scrub while it runs.
private final class ScrubRun {
    var pass: ScrubRecord.Pass
    /// What was found now, after what is kept of earlier: more than is kept.
    private(set) var found: [Finding]
    /// Whether its time was over.
    private(set) var isOver = false
    /// Whether anything was read now: else it would begin at the same place the next time, for ever.
    private var hasAdvanced = false
    private let request: ScrubRequest
    private let clock = SystemClock()
    private let start: Int64
    /// What had been read before.
    private let bytesBefore: Int
    private var savedAt: Int64

    private static let saveNanoseconds: Int64 = 2_000_000_000
    private static let waitMilliseconds = 100.0
    private static let foundMaximum = 10_000

    init(_ pass: ScrubRecord.Pass, _ request: ScrubRequest) {
        self.pass = pass
        found = pass.findings
        self.request = request
        bytesBefore = pass.counts.bytes
        start = clock.monotonicNanoseconds()
        savedAt = start
    }

    func add(_ finding: Finding) {
        pass.add(finding)
        ScrubRecord.Pass.keep(finding, in: &found, atMost: Self.foundMaximum)
    }

    func advance(to position: ScrubPosition, _ counts: ScrubCounts) {
        let isAreaDone = pass.position.map { $0.ordinal != position.ordinal } ?? false
        if isAreaDone || counts.bytes > bytesBefore { hasAdvanced = true }
        pass.position = position
        pass.counts = counts
    }

    /// Waits until more may be read; ends when the time is over and something was read.
    ///
    /// - Parameter proceed: asked first, and again while it waits.
    func admit(_ proceed: () throws(Problem) -> Void) throws(Problem) {
        while true {
            try proceed()
            let elapsed = (clock.monotonicNanoseconds() - start) / 1_000_000
            if let limit = request.milliseconds, elapsed >= Int64(limit), hasAdvanced {
                isOver = true
                throw OperationEnd.timeIsOver
            }
            guard let rate = request.bytesPerSecond, rate > 0 else { return }
            let read = Double(pass.counts.bytes.subtractingClamped(bytesBefore))
            let ahead = read / Double(rate) * 1000 - Double(elapsed)
            guard ahead >= 1 else { return }
            BackgroundThread.sleep(milliseconds: Int(min(ahead, Self.waitMilliseconds)))
        }
    }

    var isTimeToSave: Bool {
        let now = clock.monotonicNanoseconds()
        guard now - savedAt >= Self.saveNanoseconds else { return false }
        savedAt = now
        return true
    }
}

/// What is told of the scrubs of a volume.
package struct ScrubSummary: Hashable, Sendable {
    /// When the last one ended; nil when none has.
    package var endedAt: Timestamp?
    /// The places that it found damaged, or the one that has not ended, whichever are more.
    package var damageCount: Int
    /// The one that has not ended.
    package var running: Running?

    /// A scrub that has not ended.
    package struct Running: Hashable, Sendable {
        package var begunAt: Timestamp
        package var doneBytes: Int
        package var totalBytes: Int
    }

    init?(_ record: ScrubRecord) {
        guard record.running != nil || record.last != nil else { return nil }
        endedAt = record.last?.endedAt
        damageCount = max(record.last?.damageCount ?? 0, record.running?.damageCount ?? 0)
        running = record.running.map {
            Running(
                begunAt: $0.begunAt, doneBytes: $0.counts.bytes,
                totalBytes: max($0.totalBytes, $0.counts.bytes))
        }
    }
}

extension ScrubSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "last_at": JSONValue(endedAt), "damaged": JSONValue(damageCount),
            "begun_at": JSONValue(running?.begunAt), "done_bytes": JSONValue(running?.doneBytes),
            "total_bytes": JSONValue(running?.totalBytes),
        ]
    }
}

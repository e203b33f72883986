internal import Catalog
internal import Settings
internal import SnapshotModel
internal import StoreFormat
internal import System

/// The scrubs that the settings ask for: a tick reads for some seconds, the next one goes on, so that snapshots
/// never wait for it.
struct ScheduledScrubs {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// How long a tick reads, of all volumes together.
    private static let sliceMilliseconds = 10_000
    private static let bytesPerSecond = 256 << 20

    /// Reads what is due, for a while. What fails is told, and is no reason for a tick to fail.
    func run(_ settings: Settings) throws {
        let deadline = Deadline(milliseconds: Self.sliceMilliseconds)
        for volume in try context.volumes([]) {
            let isDue: Bool
            do { isDue = try self.isDue(volume, settings) } catch {
                context.note(
                    "the data of volume \(volume.record.name): \(Problem(error).message)")
                continue
            }
            guard isDue, !deadline.hasPassed else { continue }
            try context.end.check()
            do {
                try scrub(volume, deadline.remainingMilliseconds)
            } catch {
                let problem = Problem(error)
                guard problem.code != .interrupted else { throw problem }
                // Somebody reads it already.
                guard problem.code != .locked else { continue }
                context.note("the data of volume \(volume.record.name): \(problem.message)")
            }
        }
    }

    private func isDue(_ volume: VolumeRow, _ settings: Settings) throws -> Bool {
        let every = settings.volume(volume.record.name).scrub
        guard let seconds = every.seconds else { return false }
        let record = try ScrubFiles(context.state).record(volume.record.uuid)
        guard record.running == nil, let last = record.last?.endedAt else { return true }
        let age = context.clock.now().nanoseconds(since: last) / 1_000_000_000
        // One from the future was written by a clock that was wrong.
        return age >= seconds || age < -86_400
    }

    private func scrub(_ volume: VolumeRow, _ milliseconds: Int) throws {
        let end = context.end
        let before = ScrubService(context: context).state(of: volume)?.running != nil
        let known = before ? damageCount(volume) : 0
        let outcome = try ScrubService(context: context).scrub(
            volume, FileFolder(path: volume.storePath),
            ScrubRequest(bytesPerSecond: Self.bytesPerSecond, milliseconds: milliseconds)
        ) { () throws(Problem) in try end.check() }
        let name = volume.record.name
        if outcome.pass.damageCount > known {
            let first = outcome.pass.findings.first { $0.severity == .damage }
            try context.log(
                .error, .damageFound,
                "a scrub found damage in \(outcome.pass.damageCount) places: "
                    + (first.map { "\($0.object): \($0.message)" } ?? ""), volume: name)
        }
        guard outcome.isDone else { return }
        try context.log(
            .info, .scrubbed,
            "\(ByteCount(outcome.pass.counts.bytes)) of snapshots were read: "
                + (outcome.pass.damageCount == 0
                    ? "no damage" : "damage in \(outcome.pass.damageCount) places"),
            volume: name)
    }

    private func damageCount(_ volume: VolumeRow) -> Int {
        (try? ScrubFiles(context.state).record(volume.record.uuid).running?.damageCount) ?? 0
    }
}

import Glibc
import TestKit

/// Runs one history again and again, each time with another failure.
final class FaultSweep {
    private let history: History
    private let quota: Int
    /// Failures tried.
    private(set) var points = 0
    /// Those of them that were met, and by nothing but a look-up.
    private(set) var failedLookUps = 0

    /// A way of failing, of which the k-th operation is tried for every k.
    private struct Scenario {
        var name: String
        var effect: FaultPlan.Effect
        var kinds: Set<DiskOperation.Kind>
    }

    private static let lookUps: Set<DiskOperation.Kind> = [.look, .open, .list]

    private static let scenarios = [
        Scenario(name: "EIO", effect: .error(EIO), kinds: Set(DiskOperation.Kind.allCases)),
        // Whatever a failed look-up is called, it is no "not there".
        Scenario(name: "EIO of a look-up", effect: .error(EIO), kinds: lookUps),
        Scenario(name: "EACCES of a look-up", effect: .error(EACCES), kinds: lookUps),
        Scenario(name: "ELOOP of a look-up", effect: .error(ELOOP), kinds: lookUps),
        Scenario(name: "EMFILE of a look-up", effect: .error(EMFILE), kinds: lookUps),
        Scenario(name: "ENOMEM of a look-up", effect: .error(ENOMEM), kinds: lookUps),
        Scenario(
            name: "ENOSPC", effect: .error(ENOSPC),
            kinds: [.write, .create, .resize, .makeFolder, .rename]),
        Scenario(name: "a torn write", effect: .tornWrite, kinds: [.write]),
        // Of files only: a filesystem that loses names goes read-only.
        Scenario(name: "a lost sync", effect: .lostSync, kinds: [.sync]),
    ]

    init(history: History, quota: Int) {
        self.history = history
        self.quota = quota
    }

    /// What is wrong; nil when every failure was survived.
    func failure() -> String? {
        do {
            let counts = try countOperations()
            for scenario in Self.scenarios {
                let count = scenario.kinds.reduce(0) { $0 + counts[$1, default: 0] }
                for isPermanent in [false, true] {
                    let share = max(1, quota / (2 * Self.scenarios.count))
                    let stride = max(1, count / share)
                    for k in Swift.stride(
                        from: Int(history.seed % UInt64(stride)), to: count, by: stride)
                    {
                        try fail(scenario, k, isPermanent)
                    }
                }
            }
            for pages in 0..<max(1, quota / 20) { try fillDisk(pages) }
            for chunks in 3..<3 + max(1, quota / 20) { try limitFiles(chunks) }
        } catch {
            return "\(error)"
        }
        return nil
    }

    private func countOperations() throws -> [DiskOperation.Kind: Int] {
        let run = try HistoryRun(history: history)
        var counts: [DiskOperation.Kind: Int] = [:]
        run.disk.observer = { counts[$0.kind, default: 0] += 1 }
        for step in history.steps { try run.perform(step) }
        run.disk.observer = nil
        return counts
    }

    private func fail(_ scenario: Scenario, _ k: Int, _ isPermanent: Bool) throws {
        points += 1
        let plan = FaultPlan(
            scenario.effect, kinds: scenario.kinds, after: k, isPermanent: isPermanent)
        do {
            let run = try HistoryRun(history: history)
            run.disk.faults = plan
            let faulty = FaultyRun(
                run, random: SeededGenerator(seed: UInt64(k)).forked(history.seed))
            try faulty.perform(history.steps)
            if scenario.kinds == Self.lookUps, faulty.wasHit { failedLookUps += 1 }
        } catch {
            let duration = isPermanent ? "from then on" : "once"
            throw TortureFailure("\(scenario.name) at operation \(k), \(duration): \(error)")
        }
    }

    /// No area becomes longer than some chunks.
    private func limitFiles(_ chunks: Int) throws {
        points += 1
        do {
            let run = try HistoryRun(history: history)
            // Records are longer than that.
            run.disk.fileBytesMaximum = max(4096, chunks * history.chunkBytes)
            try FaultyRun(run, random: SeededGenerator(seed: UInt64(chunks)).forked(history.seed))
                .perform(history.steps)
        } catch {
            throw TortureFailure("files of at most \(chunks) chunks: \(error)")
        }
    }

    /// The disk has room for some pages more and no others.
    private func fillDisk(_ pages: Int) throws {
        points += 1
        do {
            let run = try HistoryRun(history: history)
            run.disk.capacityBytes = run.disk.allocatedBytes + pages * 4096
            try FaultyRun(run, random: SeededGenerator(seed: UInt64(pages)).forked(history.seed))
                .perform(history.steps)
        } catch {
            throw TortureFailure("a disk with \(pages) pages left: \(error)")
        }
    }
}

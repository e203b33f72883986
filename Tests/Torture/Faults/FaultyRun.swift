import MergeKit
import SnapshotModel
import TestKit

/// A history on a disk that fails: operations may fail with it, promises may not.
final class FaultyRun {
    private let run: HistoryRun
    private var random: SeededGenerator
    /// Snapshots whose taking or deleting failed: until the disk says otherwise they may be there.
    private var uncertain: [SnapshotID: [ChunkPattern.Version]] = [:]
    /// The same of clones.
    private var uncertainClones: [String: AllowedCells] = [:]
    private var failuresInARow = 0
    /// Whether the engine was opened anew since an operation last succeeded.
    private var hasReopened = false
    /// Whether the disk has failed at all.
    private(set) var wasHit = false
    /// Whether a sync that fails loses what it should have made durable.
    private let losesSyncs: Bool

    /// A permanent failure is repaired after so many operations have failed by it.
    private static let patience = 3

    init(_ run: HistoryRun, random: SeededGenerator) {
        self.run = run
        self.random = random
        losesSyncs = run.disk.faults?.effect == .lostSync
    }

    func perform(_ steps: [HistoryStep]) throws {
        for (index, step) in steps.enumerated() {
            do {
                try attempt(step)
            } catch {
                throw TortureFailure("step \(index), \(step): \(error)")
            }
        }
        try finish()
    }

    private var isDiskFaulty: Bool {
        run.disk.faults?.countdown == 0 || run.disk.capacityBytes != nil
            || run.disk.fileBytesMaximum != nil
    }

    private func attempt(_ step: HistoryStep) throws {
        let before = run.disk.faultsHit
        do {
            try run.perform(step)
            if !isDiskFaulty { try run.verify() }
        } catch let problem as Problem {
            try survive(problem, wasHit: run.disk.faultsHit > before)
            return
        }
        failuresInARow = 0
        hasReopened = false
        // Once the client was told so, a failed verb must not come back.
        if step == .flush { try checkPowerCut(allowing: expectation(afterPowerCut: true)) }
    }

    /// An operation failed: what is there now must be allowed, and is what counts from now on.
    private func survive(_ problem: Problem, wasHit: Bool) throws {
        guard [.inputOutput, .noSpace, .failed, .refused].contains(problem.code) else {
            throw TortureFailure("a failing disk was reported as \(problem.code): \(problem)")
        }
        // An engine may refuse to go on until it is opened anew, but not longer.
        guard wasHit || isDiskFaulty || !hasReopened else {
            throw TortureFailure("still failing on a sound disk: \(problem)")
        }
        if wasHit || isDiskFaulty { hasReopened = false }
        failuresInARow += 1
        if failuresInARow >= Self.patience { repair() }
        run.chain = nil
        run.mayHaveLeftOvers = true
        let afterPowerCut = expectation(afterPowerCut: true)
        try readAgain(mustReopen: isDiskFaulty ? isCloneInDoubt : !wasHit)
        if losesSyncs {
            run.oracle.flushFailed()
            for name in run.oracle.clones.keys { run.oracle.clones[name]?.flushFailed() }
        }
        try checkPowerCut(allowing: afterPowerCut)
        if !isDiskFaulty { try writeDoubtfulAgain() }
    }

    /// A write to a clone that failed, and could not be taken back from the disk either, is found there by
    /// whoever opens the clone next.
    private var isCloneInDoubt: Bool {
        if case .writeClone = run.inFlight { return true }
        return false
    }

    private func expectation(afterPowerCut: Bool) -> CrashExpectation {
        run.expectation(
            afterPowerCut: afterPowerCut, optional: uncertain, optionalClones: uncertainClones)
    }

    private func repair() {
        // A disk without a plan counts no failures.
        if run.disk.faultsHit > 0 { wasHit = true }
        run.disk.faults = nil
        run.disk.capacityBytes = nil
        run.disk.fileBytesMaximum = nil
    }

    /// Reads all there is, with the engine as it is or opened again, and believes it.
    private func readAgain(mustReopen: Bool) throws {
        let expectation = expectation(afterPowerCut: false)
        let found: Observation
        if !mustReopen, !isGivenUp, random.oneIn(2), !run.isEngineClosed,
            let observed = try? run.reader.observe(run.engine)
        {
            found = observed
        } else {
            found = try reopen()
        }
        if let reason = expectation.mismatch(found) { throw TortureFailure(reason) }
        noteUncertain(expectation)
        run.oracle.adopt(found)
        run.inFlight = .nothing
    }

    /// What could not be taken back counts again in the engine that is opened next, and this one only
    /// reads: what it shows is not what is there.
    private var isGivenUp: Bool {
        run.engine.warnings.contains { $0.description.contains("takes no more writes") }
    }

    private func reopen() throws -> Observation {
        for isLastTry in [false, true] {
            do {
                try run.reopen(cleanly: false)
                hasReopened = true
                return try run.reader.observe(run.engine)
            } catch let problem as Problem {
                guard !isLastTry else { throw TortureFailure("cannot be opened again: \(problem)") }
                repair()
            }
        }
        throw TortureFailure("unreachable")
    }

    /// A verb that failed after its work was done may be found done, or undone, by a power cut.
    private func noteUncertain(_ expectation: CrashExpectation) {
        for name in run.endingClones { uncertainClones[name] = expectation.clones[name] }
        guard let first = expectation.outcomes.first else { return }
        for outcome in expectation.outcomes.dropFirst() {
            for id in outcome.present.symmetricDifference(first.present) {
                uncertain[id] = expectation.snapshots[id]
            }
            for name in outcome.clones.symmetricDifference(first.clones) {
                uncertainClones[name] = expectation.clones[name]
            }
        }
    }

    /// Whatever failed, a power cut now takes nothing that was acknowledged as durable.
    private func checkPowerCut(allowing expectation: CrashExpectation) throws {
        let image = run.disk.crashImage(using: &random, mode: random.oneIn(2) ? .dropAll : .random)
        image.capacityBytes = nil
        image.fileBytesMaximum = nil
        let found: Observation
        do {
            found = try run.reader.observe(try HistoryRun.open(image))
        } catch {
            throw TortureFailure("after a power cut: \(error)")
        }
        if let reason = expectation.mismatch(found) {
            throw TortureFailure("after a power cut: \(reason)")
        }
    }

    /// What a client does whose flush failed: it writes again what it cannot be sure of.
    private func writeDoubtfulAgain() throws {
        let cells = run.oracle.doubtfulCells
        guard let first = cells.first, let last = cells.last else { return }
        try attempt(.write(cell: first, count: last - first + 1, isForced: random.oneIn(2)))
        try attempt(.flush)
    }

    private func finish() throws {
        repair()
        do {
            let found = try reopen()
            if let reason = expectation(afterPowerCut: false).mismatch(found) {
                throw TortureFailure(reason)
            }
            run.oracle.adopt(found)
            try run.finishMerge()
            try run.verify()
            _ = try run.engine.collect()
            try run.verify()
            run.oracle.flush()
            try run.engine.flush()
        } catch {
            throw TortureFailure("after all: \(error)")
        }
        try checkPowerCut(allowing: expectation(afterPowerCut: true))
    }
}

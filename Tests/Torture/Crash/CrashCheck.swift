import System
import MergeKit
import SnapshotModel
import TestKit

/// One crash: takes the image, recovers it, verifies it, recovers it again, ends its merge, and
/// works on with it.
final class CrashCheck {
    private let run: HistoryRun
    private var random: SeededGenerator
    let mode: CrashMode
    private(set) var points = 1
    private var nestedFailure: String?

    /// A crash during recovery is simulated in one of so many checks, at some operations of it.
    private static let nestedInterval = 8

    init(run: HistoryRun, random: SeededGenerator) {
        self.run = run
        self.random = random
        mode = Self.mode(using: &self.random)
    }

    private static func mode(using random: inout SeededGenerator) -> CrashMode {
        [.keepAll, .dropAll, .random, .random, .random][random.below(5)]
    }

    private func expectation(_ mode: CrashMode) -> CrashExpectation {
        run.expectation(afterPowerCut: mode != .keepAll)
    }

    func failure() -> String? {
        do {
            let image = run.disk.crashImage(using: &random, mode: mode)
            let found = try recover(
                image, expectation(mode), isNested: random.oneIn(Self.nestedInterval))
            if let nestedFailure { return nestedFailure }
            try recoverAgain(image, found)
        } catch {
            return "\(error)"
        }
        return nil
    }

    /// Opens an image and checks what it holds.
    private func recover(
        _ image: SimulatedDisk, _ expectation: CrashExpectation, isNested: Bool
    ) throws -> Observation {
        if isNested {
            image.observer = { [unowned self] operation in
                LockOrder.elsewhere { crashDuringRecovery(image, operation) }
            }
        }
        let engine = try HistoryRun.open(image)
        image.observer = nil
        let found = try run.reader.observe(engine)
        if let reason = expectation.mismatch(found) { throw TortureFailure(reason) }
        if let reason = try engine.stateMismatch() { throw TortureFailure(reason) }
        return found
    }

    /// The second crash: in the middle of the recovery from the first.
    private func crashDuringRecovery(_ image: SimulatedDisk, _ operation: DiskOperation) {
        guard operation.kind.changesDisk, nestedFailure == nil, random.oneIn(2) else { return }
        let second = Self.mode(using: &random)
        points += 1
        do {
            let image = image.crashImage(using: &random, mode: second)
            let worst = second == .keepAll ? mode : second
            _ = try recover(image, expectation(worst), isNested: false)
        } catch {
            nestedFailure = "\(second) crash during recovery, before \(operation): \(error)"
        }
    }

    /// What was recovered must be found again after another crash, and can be worked on.
    private func recoverAgain(_ image: SimulatedDisk, _ found: Observation) throws {
        let second = Self.mode(using: &random)
        let again = image.crashImage(using: &random, mode: second)
        let engine = try HistoryRun.open(again)
        let foundAgain = try run.reader.observe(engine)
        // Only what a killed process left in the page cache may still go.
        if mode != .keepAll || second == .keepAll {
            guard foundAgain == found else {
                throw TortureFailure("a second recovery, after \(second), finds another state")
            }
        } else if let reason = expectation(second).mismatch(foundAgain) {
            throw TortureFailure("a second recovery, after \(second): \(reason)")
        }
        let next = HistoryRun(
            history: run.history, disk: again, engine: engine, found: foundAgain, continuing: run)
        do {
            try next.verifyState()
            try workOn(next)
        } catch {
            throw TortureFailure("after the recovery: \(error)")
        }
    }

    private func workOn(_ next: HistoryRun) throws {
        // What a killed process left is not durable yet, though the oracle begins as if it were.
        try next.perform(.flush)
        if random.oneIn(2) {
            try next.finishMerge()
            try next.verify()
        }
        guard random.oneIn(4) else { return }
        var maker = StepMaker(
            random: random.forked(9), cellCount: run.history.cellCount,
            cellsPerChunk: run.history.cellsPerChunk)
        for _ in 0..<6 {
            let step = maker.next()
            do {
                try next.perform(step)
                try next.verify()
                try next.verifyState()
            } catch {
                throw TortureFailure("\(step): \(error)")
            }
        }
        try next.finishMerge()
        try next.verify()
        let image = next.disk.crashImage(using: &random, mode: .random)
        let expected = next.oracle.expectation(during: .nothing, afterPowerCut: true)
        _ = try recover(image, expected, isNested: false)
    }
}

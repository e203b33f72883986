internal import System
package import MergeKit
package import SnapshotModel

/// Does what a volume needs in the background, on a thread of its own: runs the merge of a revert,
/// frees what deleted snapshots leave behind, extends the index of views, and seals what has frozen.
package final class ImageUpkeep: Sendable {
    private let engine: LiveEngine
    private let report: @Sendable (String) -> Void
    private let retryMilliseconds: Int
    private let state = Monitored(State())

    /// What one step of a background merge copies at most: long enough to run at the disk's speed.
    /// The engine takes shorter steps while clients are active.
    static let mergeStepBytes = 128 << 20

    private struct State {
        var isStopping = false
        /// Somebody asked for something; there may be more to do than was seen.
        var isWoken = true
        /// A volume that was closed in the middle of a collection has garbage left.
        var wantsCollection = true
        /// Something was deleted since nothing was left to fold.
        var wantsFold = true
        /// On the monotonic clock: whoever deletes may go on doing so, and is not to wait for a fold.
        var foldNotBefore: Int64 = 0
        /// What clients had asked for when a seal was worked on last.
        var operationsAtSeal = 0
        var thread: BackgroundThread?
    }

    /// - Parameter report: hears of failures, once for each try.
    package init(
        engine: LiveEngine, retryMilliseconds: Int, report: @escaping @Sendable (String) -> Void
    ) {
        self.engine = engine
        self.retryMilliseconds = retryMilliseconds
        self.report = report
    }

    package func start() throws(Problem) {
        do throws(IOFailure) {
            let thread = try BackgroundThread.startIfPossible(name: "snapmgr-upkeep") { [self] in
                run()
            }
            state.withLock { $0.thread = thread }
        } catch {
            throw Problem(error)
        }
    }

    /// A merge began, goes on, or may go faster.
    package func wake() { state.change { $0.isWoken = true } }

    /// Something was deleted.
    package func collectSoon() {
        let now = SystemClock().monotonicNanoseconds()
        state.change {
            $0.wantsCollection = true
            $0.isWoken = true
            $0.foldNotBefore = now + Self.foldDelayMilliseconds * 1_000_000
        }
    }

    /// Longer than a deletion of many takes from one of its turns to the next.
    private static let foldDelayMilliseconds: Int64 = 3000

    /// Returns when the thread has ended, which may take one step of a merge.
    package func stop() {
        let thread = state.change { state in
            state.isStopping = true
            defer { state.thread = nil }
            return state.thread
        }
        // A step that waits for its turn under a throttle returns.
        engine.interruptMerge()
        thread?.join()
    }

    private func run() {
        var pauseMilliseconds: Int?
        while shallGoOn(afterMilliseconds: pauseMilliseconds) {
            do throws(Problem) {
                pauseMilliseconds = try step()
            } catch {
                report("in the background: \(error.message); it is tried again")
                pauseMilliseconds = retryMilliseconds
            }
        }
    }

    /// Waits until somebody wakes the thread, or for so long; false when it shall end.
    private func shallGoOn(afterMilliseconds pause: Int?) -> Bool {
        state.wait(milliseconds: pause) { state -> Bool? in
            if state.isStopping { return false }
            guard state.isWoken else { return nil }
            state.isWoken = false
            return true
        } ?? true
    }

    /// Does a part of what there is to do, and returns after how many milliseconds the next part
    /// is due; nil when there is none.
    private func step() throws(Problem) -> Int? {
        try collectIfWanted()
        switch try engine.mergeStep(byteLimit: Self.mergeStepBytes) {
        case .progressed: return 0
        case .idle:
            if let pause = try fold() ?? extendIndex() { return pause }
            return try seal()
        case .finished:
            collectSoon()
            return nil
        }
    }

    /// Moves a part of what deleted snapshots hold into older areas, where it stays for good. While clients
    /// are active, the next part waits for as long as this one took.
    private func fold() throws(Problem) -> Int? {
        let clock = SystemClock()
        let (start, operations) = (clock.monotonicNanoseconds(), engine.clientOperationCount)
        let wait = state.withLock { state -> Int64? in
            guard state.wantsFold else { return nil }
            let wait = max(0, state.foldNotBefore - start)
            if wait == 0 { state.wantsFold = false }
            return wait
        }
        guard let wait else { return nil }
        guard wait == 0 else { return Int(wait / 1_000_000) + 1 }
        do throws(Problem) {
            let isMore = try engine.fold(byteLimit: Self.foldStepBytes) { [state] in
                state.withLock { !$0.isStopping && !$0.isWoken }
            }
            guard isMore else { return nil }
        } catch {
            // Other areas can be folded all the same.
            state.withLock { $0.wantsFold = true }
            throw error
        }
        state.withLock { $0.wantsFold = true }
        guard engine.clientOperationCount != operations else { return 0 }
        let took = (clock.monotonicNanoseconds() - start) / 1_000_000
        return Int(min(max(1, took), Self.foldPauseMaximum))
    }

    private static let foldStepBytes = 32 << 20
    /// In milliseconds.
    private static let foldPauseMaximum: Int64 = 1000

    /// Makes a map of the index. Whoever wakes or stops the thread does not wait for it, and the next one
    /// waits for as long as this one took: a disk that clients need is not the index's alone.
    private func extendIndex() -> Int? {
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        let isMore = engine.extendIndex { [state] in
            state.withLock { !$0.isStopping && !$0.isWoken }
        }
        let took = (clock.monotonicNanoseconds() - start) / 1_000_000
        return isMore ? Int(min(max(1, took), Self.indexPauseMaximum)) : nil
    }

    /// In milliseconds.
    private static let indexPauseMaximum: Int64 = 1000

    /// Goes on with the seals of frozen areas. While clients are active, it takes a twentieth of the time.
    private func seal() throws(Problem) -> Int? {
        let clock = SystemClock()
        let (start, operations) = (clock.monotonicNanoseconds(), engine.clientOperationCount)
        let isQuiet = state.withLock { state in
            defer { state.operationsAtSeal = operations }
            return state.operationsAtSeal == operations
        }
        guard try engine.sealStep(byteLimit: isQuiet ? Self.sealStepBytes : Self.sealStepBytes / 4)
        else { return nil }
        guard !isQuiet || engine.clientOperationCount != operations else { return 0 }
        let took = (clock.monotonicNanoseconds() - start) / 1_000_000
        return Int(min(max(1, took) * Self.sealPauseShare, Self.sealPauseMaximum))
    }

    private static let sealStepBytes = 16 << 20
    private static let sealPauseShare: Int64 = 19
    /// In milliseconds.
    private static let sealPauseMaximum: Int64 = 1000

    private func collectIfWanted() throws(Problem) {
        let isWanted = state.withLock { state in
            defer { state.wantsCollection = false }
            return state.wantsCollection
        }
        guard isWanted else { return }
        do throws(Problem) {
            _ = try engine.collect()
            state.withLock { $0.wantsFold = true }
        } catch {
            state.withLock { $0.wantsCollection = true }
            throw error
        }
    }
}

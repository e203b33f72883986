internal import System
package import SnapshotModel
package import StoreFormat

/// A revert whose merge runs: its plan, what of it is done, and who waits for it.
package final class RunningMerge: Sendable {
    package let record: RevertRecord
    /// What was not merged when the engine was opened, or the revert done.
    package let plan: SourceMap
    package let journal: MergeJournal
    package let control = CopyControl()
    /// The area that takes what the merge overwrites; nil when it is damaged and was given up, with
    /// all the snapshots that the merge could be hurtful to.
    package let safetyArea: GrowingArea?
    private let chunkBytes: Int
    private let monitor = Monitor(.merge)
    private let state: State

    /// What the monitor guards.
    private final class State: @unchecked Sendable {
        /// Every chunk of the plan below this one is merged.
        var cursor = ChunkIndex(0)
        /// Chunks of the plan from the cursor on that are merged already.
        var ahead = MergedAhead()
        var mergedChunks = 0
        var preservedBytes = 0
        var isBusy = false
        /// What writers wait for.
        var requests: [Request] = []
        var failure: Problem?
        var meter = RateMeter()
        var clientOperationCount = 0
        var isClientBusy = false
        var stepBytes = RunningMerge.firstStepBytes
    }

    /// Chunks that a write waits for.
    final class Request: @unchecked Sendable {
        let chunks: Range<ChunkIndex>
        /// Guarded by the merge's monitor.
        var outcome: Result<Void, Problem>?

        init(_ chunks: Range<ChunkIndex>) { self.chunks = chunks }
    }

    package init(
        record: RevertRecord, plan: SourceMap, journal: MergeJournal, safetyArea: GrowingArea?,
        chunkBytes: Int
    ) {
        self.record = record
        self.plan = plan
        self.journal = journal
        self.safetyArea = safetyArea
        self.chunkBytes = chunkBytes
        state = State()
        state.mergedChunks = record.planChunkCount - plan.count
    }

    // MARK: Reading

    /// A stretch of chunks that read alike: from an area, or from the origin.
    package struct Segment: Sendable {
        package var count: Int
        /// Where the content of the first chunk lies; nil: in the origin.
        package var source: SourceRun?
    }

    /// The longest stretch from `range.lowerBound` on that reads alike.
    package func segment(in range: Range<ChunkIndex>) -> Segment {
        let first = range.lowerBound
        let index = plan.firstRun(endingAfter: first)
        guard index < plan.runs.count, plan.runs[index].origin < range.upperBound else {
            return Segment(count: range.count, source: nil)
        }
        let run = plan.runs[index]
        guard run.origin <= first else {
            return Segment(count: first.distance(to: run.origin), source: nil)
        }
        let limit = min(run.originRange.upperBound, range.upperBound)
        return monitor.withLock {
            let isMerged = isMerged(first)
            let end = endOfAlike(from: first, upTo: limit)
            return Segment(
                count: first.distance(to: end),
                source: isMerged ? nil : run.clamped(to: first..<end))
        }
    }

    /// Whether any of the chunks is still to be merged.
    package func hasUnmerged(in range: Range<ChunkIndex>) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            let segment = segment(in: position..<range.upperBound)
            if segment.source != nil { return true }
            position = position.advanced(by: segment.count)
        }
        return false
    }

    /// With the monitor held: up to where the chunks of a run of the plan are merged, or not, as the
    /// first is.
    private func endOfAlike(from first: ChunkIndex, upTo limit: ChunkIndex) -> ChunkIndex {
        guard first < state.cursor else {
            return state.ahead.endOfAlike(from: first, upTo: limit)
        }
        let end = min(limit, state.cursor)
        return state.ahead.contains(end) ? state.ahead.endOfAlike(from: end, upTo: limit) : end
    }

    /// With the monitor held, for chunks of the plan only.
    private func isMerged(_ chunk: ChunkIndex) -> Bool {
        chunk < state.cursor || state.ahead.contains(chunk)
    }

    /// The chunks of the plan that are not merged.
    package var unmerged: SourceMap {
        let (cursor, ahead) = monitor.withLock { (state.cursor, state.ahead) }
        var merged = ChunkSet()
        if cursor.rawValue > 0 { merged.append(ChunkIndex(0)..<cursor) }
        for range in ahead.ranges where range.upperBound > cursor {
            merged.append(max(range.lowerBound, cursor)..<range.upperBound)
        }
        return plan.subtracting(merged)
    }

    package var isComplete: Bool {
        monitor.withLock { state.mergedChunks >= record.planChunkCount }
    }

    // MARK: Turns

    /// A batch of the plan to merge now: the runs, in the order of the origin, and the writers that
    /// wait for some of them.
    struct Batch {
        var runs: [SourceRun]
        var requests: [Request]
        /// Where the background merge goes on afterwards; nil when only writers were served.
        var cursor: ChunkIndex?
    }

    /// Queues a writer's chunks and returns when they are merged, by this thread or another:
    /// `merge` is called for a batch whenever nobody else is merging.
    func serve(
        _ chunks: Range<ChunkIndex>, merge: (Batch) -> Result<Int, Problem>
    ) throws(Problem) {
        let request = Request(chunks)
        monitor.lock()
        defer { monitor.unlock() }
        state.requests.append(request)
        while request.outcome == nil {
            if state.isBusy { monitor.wait() } else { run(requestBatch(), merge) }
        }
        if case .failure(let problem) = request.outcome { throw problem }
    }

    /// Merges the next part of the plan in the background, and what writers wait for; false when
    /// there is nothing left.
    func advance(
        byteLimit: Int, merge: (Batch) -> Result<Int, Problem>
    ) throws(Problem) -> Bool {
        monitor.lock()
        defer { monitor.unlock() }
        // Writers first: they make their own batches.
        while state.isBusy || !state.requests.isEmpty { monitor.wait() }
        let batch = backgroundBatch(chunkLimit: max(1, byteLimit / chunkBytes))
        guard !batch.runs.isEmpty else { return false }
        if case .failure(let problem) = run(batch, merge) { throw problem }
        return true
    }

    /// With the monitor held, released meanwhile: merges a batch and notes what came of it.
    @discardableResult
    private func run(
        _ batch: Batch, _ merge: (Batch) -> Result<Int, Problem>
    ) -> Result<Int, Problem> {
        state.isBusy = true
        monitor.unlock()
        let result = batch.runs.isEmpty ? .success(0) : merge(batch)
        monitor.lock()
        state.isBusy = false
        switch result {
        case .success(let preserved): note(batch, preservedBytes: preserved)
        case .failure(let problem): state.failure = problem
        }
        for request in batch.requests { request.outcome = result.map { _ in } }
        monitor.broadcast()
        return result
    }

    private func note(_ batch: Batch, preservedBytes: Int) {
        var merged = 0
        for run in batch.runs {
            merged += run.count
            // What the background merges lies below its new cursor.
            if batch.cursor == nil { state.ahead.insert(run.originRange) }
        }
        if let cursor = batch.cursor {
            state.cursor = max(state.cursor, cursor)
            state.ahead.removeAll(below: cursor)
        }
        state.mergedChunks += merged
        state.preservedBytes += preservedBytes
        state.failure = nil
        state.meter.add(merged * chunkBytes)
    }

    /// With the monitor held: what writers wait for.
    private func requestBatch() -> Batch {
        let requests = state.requests
        state.requests = []
        let chunks = ChunkSet(unordered: requests.map(\.chunks))
        return Batch(
            runs: chunks.ranges.flatMap { unmergedRuns(in: $0, limit: .max) }, requests: requests,
            cursor: nil)
    }

    /// With the monitor held: the next chunks of the plan from the cursor on.
    private func backgroundBatch(chunkLimit: Int) -> Batch {
        guard let end = plan.runs.last?.originRange.upperBound, state.cursor < end else {
            return Batch(runs: [], requests: [], cursor: nil)
        }
        let runs = unmergedRuns(in: state.cursor..<end, limit: chunkLimit)
        return Batch(
            runs: runs, requests: [], cursor: runs.last?.originRange.upperBound ?? end)
    }

    /// The chunks that the background is likely to merge after a batch of its own, as many as that
    /// has. Nothing is decided by it: writers may come before.
    func chunks(after batch: Batch) -> ChunkSet {
        monitor.withLock {
            guard let start = batch.cursor, let end = plan.runs.last?.originRange.upperBound,
                start < end
            else { return ChunkSet() }
            let count = batch.runs.reduce(0) { $0 + $1.count }
            var chunks = ChunkSet()
            for run in unmergedRuns(in: start..<end, limit: count) {
                chunks.append(run.originRange)
            }
            return chunks
        }
    }

    private func unmergedRuns(in range: Range<ChunkIndex>, limit: Int) -> [SourceRun] {
        var result: [SourceRun] = []
        var taken = 0
        var index = plan.firstRun(endingAfter: range.lowerBound)
        while index < plan.runs.count, plan.runs[index].origin < range.upperBound, taken < limit {
            let run = plan.runs[index].clamped(to: range)
            var start = run.origin
            while start < run.originRange.upperBound, taken < limit {
                guard !isMerged(start) else {
                    start = start.advanced(by: 1)
                    continue
                }
                let end = endOfAlike(
                    from: start,
                    upTo: start.advanced(
                        by: min(limit - taken, start.distance(to: run.originRange.upperBound))))
                result.append(run.clamped(to: start..<end))
                taken += start.distance(to: end)
                start = end
            }
            index += 1
        }
        return result
    }

    /// Whether a client did something between the last two steps.
    var isBusy: Bool { monitor.withLock { state.isClientBusy } }

    /// How much to merge in the next step, in bytes. A client may wait for a whole step, and so may
    /// a snapshot, a pause or a throttle: steps begin short and grow, with fewer flushes, for as
    /// long as no client does anything.
    func nextStepBytes(clientOperations count: Int) -> Int {
        monitor.withLock {
            state.isClientBusy = state.clientOperationCount != count
            state.clientOperationCount = count
            state.stepBytes = min(
                state.stepBytes * 2,
                state.isClientBusy ? Self.busyStepBytes : Self.idleStepBytes)
            return state.stepBytes
        }
    }

    private static let firstStepBytes = 1 << 20
    private static let busyStepBytes = 16 << 20
    private static let idleStepBytes = 64 << 20

    // MARK: Progress

    /// How far it is, as the store has it, but for a batch that is under way.
    package var running: RunningRevert {
        RunningRevert(
            record, limits: control.limits,
            mergedChunks: monitor.withLock { state.mergedChunks })
    }

    package func progress() -> MergeProgress {
        monitor.withLock {
            MergeProgress(
                revertID: record.id, targetID: record.targetID,
                safetyID: record.tookSafetySnapshot ? record.safetyID : nil,
                mergedBytes: state.mergedChunks.multipliedClamped(by: chunkBytes),
                planBytes: record.planBytes(chunkBytes: chunkBytes),
                preservedBytes: state.preservedBytes, rate: state.meter.bytesPerSecond,
                state: mergeState, failure: state.failure?.message,
                bytesPerSecondLimit: control.bytesPerSecond)
        }
    }

    private var mergeState: MergeState {
        if state.mergedChunks >= record.planChunkCount { return .done }
        if control.isPaused { return .paused }
        return state.failure == nil ? .merging : .failed
    }
}

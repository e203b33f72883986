internal import System
package import SnapshotModel
internal import StoreFormat

// Reverts and the merges that they start.
extension LiveEngine {
    /// What a revert would copy, and whether it would be refused; changes nothing.
    ///
    /// - Parameter use: the clone whose content the volume would get, too.
    package func previewRevert(
        to id: SnapshotID, with use: CloneUse? = nil
    ) throws(Problem) -> RevertPreview {
        try drainWriteBack()
        return try withStableChain { chain throws(Problem) in
            let clone = try use.map { use throws(Problem) in
                try mergeableClone(use, for: volumeState(chain).requireLive(id))
            }
            let map = try clone.map { clone throws(Problem) in
                try store.sourceMap(of: clone, format)
            }
            var preview = try quickPlanner(chain).previewRevert(to: id, over: map ?? SourceMap())
            preview.cloneProblem = clone.flatMap(writersProblem)
            return preview
        }
    }

    /// Makes the volume read as a snapshot. Answers as soon as it does; the copying is left to
    /// ``mergeStep(byteLimit:)``.
    ///
    /// - Parameters:
    ///   - use: the clone whose content the volume gets, too.
    ///   - overrulesClients: whether those who have the clone open for writing are no reason against it.
    ///   - isAllowed: asked at the last moment, while nothing is read or written.
    package func revert(
        _ request: RevertRequest, with use: CloneUse? = nil, overrulesClients: Bool = false,
        isAllowed: () throws(Problem) -> Void = {}
    ) throws(Problem) -> RevertOutcome {
        let barrier = beginBarrier()
        defer { barrier.releaseIO() }
        try barrier.prepareRevert(request, with: use, overrulesClients: overrulesClients)
        try barrier.holdIO()
        do throws(Problem) { try isAllowed() } catch {
            try barrier.rollBack()
            throw error
        }
        let committed = try barrier.commit()
        guard let outcome = committed.revert else {
            throw Problem(.failed, "volume “\(record.name)” was not reverted")
        }
        return outcome
    }

    /// Goes back to the safety snapshot in mid-merge, dropping what was written since.
    package func cancelMerge(
        _ id: RevertID, isAllowed: () throws(Problem) -> Void = {}
    ) throws(Problem) -> RevertOutcome {
        try revert(try volumeState.cancelRequest(id), isAllowed: isAllowed)
    }

    // MARK: Merging

    /// The running merge's progress; nil when none runs, and its clone can be written to again.
    package func mergeProgress() -> MergeProgress? {
        (chain.merge ?? withShared { $0.endingMerge })?.progress()
    }

    /// Holds the running merge until ``resumeMerge()``, also after the volume was opened again.
    package func pauseMerge() throws(Problem) { try steerMerge { $0.pause() } }
    package func resumeMerge() throws(Problem) { try steerMerge { $0.resume() } }

    /// Limits the running merge to so many bytes per second, also after the volume was opened again;
    /// nil lifts the limit.
    package func throttleMerge(bytesPerSecond: Int?) throws(Problem) {
        try steerMerge { $0.throttle(bytesPerSecond: bytesPerSecond) }
    }

    /// Returns ``mergeStep(byteLimit:)`` from its waiting for the throttle.
    package func interruptMerge() { chain.merge?.control.interrupt() }

    /// Changes a merge's limits, at once, and notes them in the store. They hold for as long as the
    /// engine is open whether they could be noted or not.
    private func steerMerge(_ change: (CopyControl) -> Void) throws(Problem) {
        try steering.during { () throws(Problem) in
            guard let merge = chain.merge else { return }
            change(merge.control)
            let (id, limits) = (merge.record.id, merge.control.limits)
            guard limits != (try? store.mergeLimits(id)) ?? MergeLimits() else { return }
            do throws(Problem) {
                // When its end has failed half-way, there is nothing any more to note them in, or to limit.
                guard try store.exists(StoreLayout.revert(id)) else { return }
                try store.writeMergeLimits(limits, of: id)
            } catch {
                throw Problem(
                    error.code,
                    "what was set for the merge on volume “\(record.name)” holds for now, but will "
                        + "be forgotten when it is opened again: \(error.message)",
                    hint: error.hint)
            }
        }
    }

    /// Merges up to `byteLimit` bytes of the plan, at least a chunk.
    package func mergeStep(byteLimit: Int) throws(Problem) -> MergeStep {
        try checkOpen()
        guard let merge = chain.merge else { return .idle }
        if !merge.isComplete {
            guard !merge.control.isPaused else { return .idle }
            // A quarter of a second's worth at most, so that a throttled merge moves evenly.
            let fair = min(byteLimit, merge.nextStepBytes(clientOperations: clientOperationCount))
            let limit = merge.control.bytesPerSecond.map { min(fair, $0 / 4) } ?? fair
            switch merge.control.admit(
                byteCount: max(limit, format.chunkBytes),
                patienceMilliseconds: Self.throttlePatienceMilliseconds)
            {
            case .admitted: break
            case .stopped: return .idle
            case .waiting: return .progressed
            }
            try advance(merge, byteLimit: limit)
        }
        guard merge.isComplete else { return .progressed }
        return try finish(merge) ? .finished : .idle
    }

    /// How long a step waits for the throttle at most.
    private static let throttlePatienceMilliseconds = 1000

    private func advance(_ merge: RunningMerge, byteLimit: Int) throws(Problem) {
        gate.enter()
        defer { gate.leave() }
        let chain = chain
        guard chain.merge === merge else { return }
        try checkOpen()
        try checkNotPoisoned()
        try markOriginOpen()
        _ = try merge.advance(byteLimit: byteLimit) { batch in
            merged(batch, of: merge, chain: chain)
        }
    }

    /// Merges one batch; the result is the bytes that were preserved for siblings. Each step is
    /// durable before the next (design I2, I3):
    ///  1. what the batch overwrites is preserved in the safety snapshot's area;
    ///  2. the snapshot's data is copied to the origin, and the origin flushed;
    ///  3. the journal names the chunks; only then may a client overwrite them.
    func merged(
        _ batch: RunningMerge.Batch, of merge: RunningMerge, chain: ChainState
    ) -> Result<Int, Problem> {
        do throws(Problem) {
            var chunks = ChunkSet()
            for run in batch.runs { chunks.append(run.originRange) }
            let preserved = try preserve(chunks, for: batch, of: merge, chain: chain)
            let plan = try copyPlan(batch.runs, geometry: chain.geometry)
            let ahead = PreservationAhead(
                looksAhead(batch, of: merge) ? merge.chunks(after: batch) : ChunkSet(),
                in: merge.safetyArea, origin: origin, geometry: chain.geometry)
            defer { ahead.wait() }
            try doing { () throws(IOFailure) in _ = try kernel.copy(plan) }
            try syncOrigin()
            try doing { () throws(IOFailure) in try merge.journal.append(chunks.ranges) }
            return .success(preserved + ahead.wait())
        } catch { return .failure(error) }
    }

    /// Whether what comes after a batch shall be preserved while the batch is copied: a large batch
    /// of a merge that nobody holds back or waits for.
    private func looksAhead(_ batch: RunningMerge.Batch, of merge: RunningMerge) -> Bool {
        let options = options.copyOptions
        let bytes = batch.runs.reduce(0) { $0 + $1.count } * format.chunkBytes
        return options.workerCount > 1 && bytes > options.inlineBytes && !merge.isBusy
            && merge.control.bytesPerSecond == nil && !merge.control.isPaused
    }

    private func preserve(
        _ chunks: ChunkSet, for batch: RunningMerge.Batch, of merge: RunningMerge,
        chain: ChainState
    ) throws(Problem) -> Int {
        guard let safetyArea = merge.safetyArea else { return 0 }
        do {
            return try makingRoom { () throws(IOFailure) in
                try safetyArea.preserve(chunks.ranges, of: origin, geometry: chain.geometry)
            }
        } catch {
            // A merge in the background rather waits for space than lose snapshots.
            guard error.isNoSpace, record.storeFullPolicy == .breakSnapshots,
                !batch.requests.isEmpty
            else { throw Problem(error) }
            // The newest first: it stands for all, should a crash come in between.
            if let active = chain.active { try breakChain(through: active, because: error) }
            if chain.active !== safetyArea {
                try breakChain(through: safetyArea, because: error)
            }
            return 0
        }
    }

    private func copyPlan(
        _ runs: [SourceRun], geometry: Geometry
    ) throws(Problem) -> [CopyRun] {
        var plan: [CopyRun] = []
        plan.reserveCapacity(runs.count)
        for run in runs {
            let bytes = geometry.bytes(of: run.originRange)
            plan.append(
                CopyRun(
                    source: try areaDevice(run.ordinal), destination: origin,
                    range: CopyRange(
                        sourceOffset: format.offset(of: run.area),
                        destinationOffset: bytes.lowerBound, byteCount: bytes.count),
                    isDestinationZero: false))
        }
        return plan
    }

    /// Ends a merge that is complete; false when it was replaced meanwhile.
    private func finish(_ merge: RunningMerge) throws(Problem) -> Bool {
        try chainLock.during { () throws(Problem) in
            guard chain.merge === merge else { return false }
            withShared { $0.endingMerge = merge }
            defer { withShared { $0.endingMerge = nil } }
            try finishInTurn(merge)
            thawClones()
            return true
        }
    }

    /// With the lock taken: removes the revert from the store, and what it had replaced first, so
    /// that an older record never comes to life again.
    func finishInTurn(_ merge: RunningMerge) throws(Problem) {
        try doing { () throws(IOFailure) in try merge.safetyArea?.settle() }
        do throws(Problem) {
            try changeRecord { $0.noteEnded(merge.record.id) }
        } catch {
            // Without the note, a catalog that never heard of the revert takes it for one that was
            // not done; a merge that never ends on a full store would be worse.
            guard error.code == .noSpace else { throw error }
        }
        let removeClone = try endClone(of: merge)
        // It has brought holes into the origin, and nobody has written to the log meanwhile.
        writeBack?.backing.forget()
        try steering.during { () throws(Problem) in
            for id in try store.finishedReverts(before: merge.record.id) + [merge.record.id] {
                try store.removeRevert(id)
            }
            updateChain { $0.changed(merge: .some(nil)) }
        }
        removeClone?()
        library.forget(merge.record.safety)
    }
}

extension LiveEngine {
    /// Changes the volume's record, in the store first. With the lock taken.
    func changeRecord(_ change: (inout VolumeRecord) -> Void) throws(Problem) {
        var record = record
        change(&record)
        try store.writeVolume(record)
        let changed = record
        withShared { $0.record = changed }
    }
}

/// What a step of a merge did.
package enum MergeStep: Sendable {
    /// Nothing: no merge runs, or it is paused.
    case idle
    /// Something was copied, or a part of the throttle's time waited for.
    case progressed
    /// The last of the plan was copied and the merge is over.
    case finished
}

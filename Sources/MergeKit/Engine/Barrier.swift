internal import System
package import SnapshotModel
internal import StoreFormat

/// One change of a volume's chain, in steps, so that several volumes can take theirs at one
/// instant: prepare all, hold all, commit all, release all.
///
/// From its making to ``releaseIO()`` no other snapshot, revert or deletion happens on the volume.
/// What was prepared and not committed by then is discarded. One session uses it; ``releaseIO()`` may
/// come from any thread at any time.
package final class Barrier: Sendable {
    private let engine: LiveEngine
    /// One step at a time.
    private let steps = WorkLock(.barrier)
    private let state: Monitored<State>

    private struct State {
        var snapshot: StagedSnapshot?
        var revert: StagedRevert?
        /// Whether the log of first writes takes nothing.
        var isLogHeld = false
        /// Since when the gate is closed.
        var heldSince: Int64?
        /// The chain before the commit; nil before there was one.
        var chainBefore: ChainState?
        var isWhole = false
        var heldNanoseconds: Int64?
    }

    private struct StagedSnapshot {
        var request: SnapshotRequest
        var ordinal: SnapshotOrdinal
        var area: GrowingArea
    }

    private struct StagedRevert {
        var request: RevertRequest
        var target: SnapshotManifest
        /// The plan over the areas that were frozen when it was prepared; the clone's first.
        var frozenPlan: SourceMap
        /// Whose content the volume gets, too.
        var clone: RevertClone?
        /// What the newest snapshot's area had then: what it takes until the volume is held is little.
        var newest: SourceMap
        var journal: MergeJournal
    }

    /// When the barrier was begun, in nanoseconds of the monotonic clock.
    private let begunAt: Int64

    init(engine: LiveEngine) {
        self.engine = engine
        begunAt = engine.options.clock.monotonicNanoseconds()
        state = Monitored(State())
    }

    deinit { releaseIO() }

    // MARK: Preparing

    /// Makes a snapshot ready while writes go on: its folder and its area, durably.
    package func prepareSnapshot(_ request: SnapshotRequest) throws(Problem) {
        try step { () throws(Problem) in try stage(request) }
    }

    /// Makes a revert ready while writes go on: its safety snapshot, its plan, its journal.
    ///
    /// - Parameters:
    ///   - use: the clone whose content the volume gets, too; nobody writes to it from now on.
    ///   - overrulesClients: whether those who have the clone open for writing are no reason against it.
    package func prepareRevert(
        _ request: RevertRequest, with use: CloneUse? = nil, overrulesClients: Bool = false
    ) throws(Problem) {
        try step { () throws(Problem) in
            try engine.checkLiveIsWhole()
            let chain = engine.chain
            let state = engine.volumeState(chain)
            let target = try state.requireLive(request.target)
            let refusal = state.refusal(
                ofRevertTo: target, takingSafety: request.safety != nil)
            if let refusal { throw refusal }
            // Its writers wait for nothing that is held: the gate is open still.
            let clone = try use.map { use throws(Problem) in
                try engine.freeze(use, for: target, overrulesClients: overrulesClients)
            }
            guard try !engine.store.exists(StoreLayout.revertFolder(request.id)) else {
                throw Problem(
                    .exists,
                    "revert \(request.id) of volume “\(engine.record.name)” exists already",
                    hint: "run \(.catalogRebuild)")
            }
            try engine.burn(request.id)
            if let safety = request.safety { try stage(safety) }
            let chainPlan = try engine.strictPlanner(chain).plan(
                to: target, includesNewest: false)
            let plan = clone?.sources.extended(by: chainPlan) ?? chainPlan
            let newest = chain.active?.sourceMap() ?? SourceMap()
            let journal = try engine.store.createRevertFolder(
                request.id, chunkBytes: engine.format.chunkBytes)
            self.state.withLock {
                $0.revert = StagedRevert(
                    request: request, target: target, frozenPlan: plan, clone: clone?.inRecord,
                    newest: newest, journal: journal)
            }
        }
    }

    /// Makes what was written so far durable, so that the hold, which comes when all members of a set are
    /// prepared, has the less to wait for.
    package func syncAhead() throws(Problem) {
        try step { () throws(Problem) in
            try engine.drainWriteBack()
            try engine.syncOrigin()
        }
    }

    private func stage(_ request: SnapshotRequest) throws(Problem) {
        try engine.checkNotPoisoned()
        try engine.requireWhole(for: request.description)
        let chain = engine.chain
        guard !chain.snapshots.contains(where: { $0.manifest.id == request.id }) else {
            throw Problem(
                .exists, "volume “\(engine.record.name)” has a snapshot \(request.id) already",
                hint: "run \(.catalogRebuild)")
        }
        let ordinal = try engine.store.freeOrdinal(
            from: chain.newest?.next ?? SnapshotOrdinal(rawValue: 1))
        if let active = chain.active, active.isInvalid {
            // From now on a later area hides it: leave the word where the next open looks.
            try engine.store.writeMark(StoreLayout.brokenMark(active.ordinal))
        }
        let area = try makeArea(ordinal, chunkCount: chain.geometry.chunkCount)
        var shared = request
        shared.description.setVolumes = Self.sharedSetVolumes(request.description, chain)
        let staged = StagedSnapshot(request: shared, ordinal: ordinal, area: area)
        state.withLock { $0.snapshot = staged }
    }

    /// The list of a set's volumes that an earlier snapshot has, if one of the last few has the same: each
    /// is in memory once.
    private static func sharedSetVolumes(
        _ description: SnapshotDescription, _ chain: ChainState
    ) -> [String]? {
        guard let volumes = description.setVolumes else { return nil }
        let known = chain.snapshots.suffix(setsLookedAt).lazy.compactMap(\.manifest.setVolumes)
        return known.last { $0 == volumes } ?? volumes
    }

    /// Schedules of several sets take turns.
    private static let setsLookedAt = 16

    private func makeArea(
        _ ordinal: SnapshotOrdinal, chunkCount: Int
    ) throws(Problem) -> GrowingArea {
        let (format, kernel) = (engine.format, engine.kernel)
        let device = try engine.store.createSnapshotFolder(
            ordinal,
            areaBytes: format.beginningBytes(
                chunkCount: chunkCount, wanted: engine.options.areaBeginningBytes))
        do throws(IOFailure) {
            return try GrowingArea.create(
                on: device, ordinal: ordinal, format: format, originChunkCount: chunkCount,
                kernel: kernel)
        } catch {
            // Best effort: what stays has no manifest and is swept at the next open.
            _ = try? engine.store.removeSnapshot(ordinal)
            throw Problem(error)
        }
    }

    private func step<Result>(_ body: () throws(Problem) -> Result) throws(Problem) -> Result {
        try steps.during { () throws(Problem) in
            guard state.withLock({ $0.heldNanoseconds }) == nil else { throw ended() }
            try engine.checkOpen()
            return try body()
        }
    }

    private func ended() -> Problem {
        Problem(
            .interrupted, "volume “\(engine.record.name)” is not held any more",
            hint: "run the command again")
    }

    // MARK: Holding

    /// Closes the volume for a moment: when it returns no read or write is under way, and all that
    /// were answered are durable. The long part of the flush is done while writes still go on.
    package func holdIO() throws(Problem) {
        try step { () throws(Problem) in
            guard state.withLock({ $0.heldSince }) == nil else { return }
            try engine.checkOriginIsWhole()
            holdLog()
            try engine.drainWriteBack()
            try engine.syncOrigin()
            // Before the gate closes: from then on writes wait, also for those that are under way.
            let start = engine.options.clock.monotonicNanoseconds()
            engine.gate.close()
            state.withLock { $0.heldSince = start }
            try engine.settleWriteBack()
            try engine.syncOrigin()
        }
    }

    /// Else the hold lasts as long as it takes to empty a log that has been filled since.
    private func holdLog() {
        let isHeld = state.withLock { state in
            defer { state.isLogHeld = true }
            return state.isLogHeld
        }
        if !isHeld { engine.writeBack?.beginHold() }
    }

    /// Makes what was prepared durable and current. Only while the volume is held.
    package func commit() throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        try step { () throws(Problem) in
            let (snapshot, revert, heldSince) = state.withLock {
                ($0.snapshot, $0.revert, $0.heldSince)
            }
            guard let heldSince else { throw ended() }
            guard state.withLock({ $0.chainBefore }) == nil else {
                throw Problem(.usage, "this barrier was committed already")
            }
            let before = engine.chain
            // Its entries are counted on from now on, as they are on disk.
            try doing { () throws(IOFailure) in try before.active?.settle() }
            state.withLock { $0.chainBefore = before }
            var outcome: (snapshot: SnapshotOutcome?, revert: RevertOutcome?) = (nil, nil)
            if let snapshot {
                let manifest = try commit(snapshot)
                let held = engine.options.clock.monotonicNanoseconds() - heldSince
                outcome.snapshot = SnapshotOutcome(manifest: manifest, heldNanoseconds: held)
            }
            if let revert {
                outcome.revert = try commit(
                    revert, safety: outcome.snapshot?.manifest, before: before)
            }
            state.withLock { $0.isWhole = true }
            return outcome
        }
    }

    private func commit(_ staged: StagedSnapshot) throws(Problem) -> SnapshotManifest {
        let manifest = SnapshotManifest(
            ordinal: staged.ordinal, id: staged.request.id,
            volumeBytes: engine.chain.geometry.volumeBytes,
            takenAt: time(of: staged.request.description),
            description: staged.request.description)
        try engine.store.writeManifest(manifest)
        // Somebody may have read its map while an earlier, rolled back commit had frozen it.
        if let newest = engine.chain.newest { engine.library.forget(newest) }
        engine.updateChain {
            $0.changed(
                snapshots: $0.snapshots + [SnapshotEntry(manifest)], active: .some(staged.area))
        }
        return manifest
    }

    /// Of one that a stream brings, when it was taken where it comes from; but not before those that are here,
    /// nor later than now: times rise with the chain.
    private func time(of description: SnapshotDescription) -> Timestamp {
        let now = engine.options.clock.now()
        guard let source = description.source else { return now }
        let newest = engine.chain.snapshots.last?.manifest.takenAt ?? .first
        return min(max(source.takenAt, newest), now)
    }

    /// The volume becomes the snapshot. The record in the store is what counts after a crash: of
    /// two, the one with the higher id.
    private func commit(
        _ staged: StagedRevert, safety: SnapshotManifest?, before: ChainState
    ) throws(Problem) -> RevertOutcome {
        guard let newest = before.active, let safetyArea = engine.chain.active,
            let safetyManifest = engine.chain.snapshots.last?.manifest
        else { throw engine.notFound(staged.request.target) }
        // A full store may have cost it since it was looked at.
        guard !before.isBroken(staged.target.ordinal) else {
            throw engine.brokenProblem(staged.target)
        }
        let newestMap = newest.sourceMap(extending: staged.newest)
        let plan = staged.frozenPlan.extended(by: newestMap).prefix(before.geometry.chunkCount)
        let clock = engine.options.clock
        let record = RevertRecord(
            id: staged.request.id, target: staged.target.ordinal, targetID: staged.target.id,
            safety: safetyArea.ordinal, safetyID: safetyManifest.id,
            tookSafetySnapshot: safety != nil || before.merge?.record.tookSafetySnapshot ?? false,
            safetyEntryCount: safety == nil ? newestMap.count : 0,
            planChunkCount: plan.count, startedAt: clock.now(), clone: staged.clone)
        try engine.store.writeRevert(record)
        let merge = RunningMerge(
            record: record, plan: plan, journal: staged.journal, safetyArea: safetyArea,
            chunkBytes: engine.format.chunkBytes)
        engine.updateChain { $0.changed(merge: .some(merge)) }
        return RevertOutcome(
            id: record.id, target: record.targetID, safety: safety,
            planBytes: plan.count * engine.format.chunkBytes,
            usableAfterNanoseconds: clock.monotonicNanoseconds() - begunAt,
            state: plan.isEmpty ? .done : .merging)
    }

    /// Takes back what was committed within this hold: nothing was written since.
    package func rollBack() throws(Problem) {
        try step { () throws(Problem) in
            state.withLock { $0.isWhole = false }
            try discard()
        }
    }

    // MARK: Releasing

    /// Opens the volume again; what was prepared and not wholly committed is discarded. Further
    /// calls change nothing.
    ///
    /// - Returns: for how long the volume was held, in nanoseconds.
    @discardableResult
    package func releaseIO() -> Int64 {
        steps.during {
            let (isWhole, heldSince, before, known) = state.withLock {
                ($0.isWhole, $0.heldSince, $0.chainBefore, $0.heldNanoseconds)
            }
            if let known { return known }
            var isSettled = true
            if isWhole {
                settle(before: before)
            } else {
                // A commit that failed half-way is taken back before anything can be written. What
                // was only prepared counts for nothing, and is swept at the next open at the latest.
                do throws(Problem) { try discard() } catch {
                    isSettled = before == nil
                    if !isSettled { engine.poison(because: error) }
                }
            }
            if state.withLock({ $0.isLogHeld }) { engine.writeBack?.endHold() }
            var held: Int64 = 0
            if let heldSince {
                engine.gate.open()
                held = engine.options.clock.monotonicNanoseconds() - heldSince
            }
            let heldNanoseconds = held
            state.withLock { $0.heldNanoseconds = heldNanoseconds }
            // A revert that may count after all needs its clone as it is.
            if isSettled { engine.thawClones() }
            engine.chainLock.give()
            return held
        }
    }

    /// What follows a commit and can wait until the next open as well: the replaced revert's
    /// folder, and the end of a merge that has nothing to copy.
    private func settle(before: ChainState?) {
        guard let merge = engine.chain.merge else { return }
        if merge.isComplete {
            try? engine.finishInTurn(merge)
        } else if let old = before?.merge, old !== merge {
            try? engine.removeRevert(old.record.id)
        }
    }

    /// Removes from the store what was staged, so that the next open finds the chain as before.
    private func discard() throws(Problem) {
        let (snapshot, revert, before) = state.withLock { ($0.snapshot, $0.revert, $0.chainBefore) }
        if let before { engine.updateChain { _ in before } }
        if let revert { try engine.removeRevert(revert.request.id) }
        if let snapshot,
            try engine.store.exists(StoreLayout.snapshotFolder(snapshot.ordinal))
        {
            try engine.store.removeSnapshot(snapshot.ordinal)
            engine.library.forget(snapshot.ordinal)
        }
        if let newest = before?.newest { engine.library.forget(newest) }
        state.withLock {
            $0.snapshot = nil
            $0.revert = nil
        }
    }
}

extension LiveEngine {
    fileprivate func removeRevert(_ id: RevertID) throws(Problem) {
        try steering.during { () throws(Problem) in _ = try store.removeRevert(id) }
    }

    /// Notes in the store that a revert's id is used, for ever.
    fileprivate func burn(_ id: RevertID) throws(Problem) {
        try changeRecord { $0.idFloor.revert = max($0.idFloor.revert, id) }
    }
}

internal import System
internal import DeviceMapper
internal import MergeKit
internal import StoreFormat
internal import SnapshotModel

/// One change of a volume's chain in steps, so that several volumes change at one instant: prepare
/// all, hold all, commit all, release all. What was not committed at the end is taken back.
///
/// Should this process die while the volume is held, a guard lets its I/O go on - unless a revert was
/// committed: then the volume, which nobody has open, waits for the next command, which finishes it.
final class DeviceChange {
    private let volume: DeviceVolume
    private let begunAt: Int64
    private var snapshot: StagedSnapshot?
    private var revert: StagedRevert?
    private var heldSince: Int64?
    private var suspension: SuspensionGuard?
    private var isCommitted = false
    /// The volume reads the origin, of which an earlier merge has overwritten some.
    private var hasStoppedMerge = false
    /// It is noted that the volume's devices are suspended by this.
    private var isNoted = false
    private var goesOn = false

    private static let heldParts: [VolumeStack.Part] = [.content, .mounted]

    private struct StagedSnapshot {
        var request: SnapshotRequest
        var ordinal: SnapshotOrdinal
    }

    private struct StagedRevert {
        var request: RevertRequest
        var target: SnapshotManifest
        /// What was written to a clone of the target, and nobody changes meanwhile; nil without one.
        var clone: FrozenClone?
        /// What the synthetic store was copied from in advance; nil when it was not.
        var copied: SourceMap?
        var record: RevertRecord?
    }

    init(_ volume: DeviceVolume) {
        self.volume = volume
        begunAt = volume.clock.monotonicNanoseconds()
    }

    private var store: Store { volume.store }
    private var stack: VolumeStack { volume.stack }
    private var state: VolumeState { volume.state }

    // MARK: Preparing

    /// Makes a snapshot ready while writes go on: its folder, its area, its device.
    func prepareSnapshot(_ request: SnapshotRequest) throws(Problem) {
        try volume.requireActive()
        try volume.requireRunning()
        try stage(request, on: state.merging == nil ? .linear : .content, isWrittenAhead: true)
        try stack.syncFilesystem()
    }

    private func stage(
        _ request: SnapshotRequest, on origin: DeviceName.Part, isWrittenAhead: Bool
    ) throws(Problem) {
        guard !state.manifests.contains(where: { $0.id == request.id }) else {
            throw Problem(
                .exists, "volume \(volume.record.name) has a snapshot \(request.id) already",
                hint: "run \(.catalogRebuild)")
        }
        let ordinal = try store.freeOrdinal(
            from: state.newest?.ordinal.next ?? SnapshotOrdinal(rawValue: 1))
        let device = try createArea(ordinal)
        do throws(Problem) {
            try fill(device, ordinal, isWrittenAhead: isWrittenAhead)
            let draft = manifest(request, ordinal)
            try stack.prepare(
                .snapshot(ordinal), stack.snapshotTable(of: draft, on: origin))
            snapshot = StagedSnapshot(request: request, ordinal: ordinal)
        } catch {
            try? volume.removeSnapshot(ordinal)
            throw error
        }
    }

    private func createArea(_ ordinal: SnapshotOrdinal) throws(Problem) -> any BlockDevice {
        try store.createSnapshotFolder(
            ordinal,
            areaBytes: state.format.fullCoverageBytes(
                chunkCount: volume.record.geometry.chunkCount))
    }

    private func fill(
        _ device: any BlockDevice, _ ordinal: SnapshotOrdinal, isWrittenAhead: Bool
    ) throws(Problem) {
        let format = state.format
        try doing { () throws(IOFailure) in
            _ = try GrowingArea.create(
                on: device, ordinal: ordinal, format: format,
                originChunkCount: volume.record.geometry.chunkCount, kernel: volume.kernel)
        }
        try volume.reserve(device, usedBytes: 0)
        if isWrittenAhead { try volume.writeAhead(device) }
    }

    private func manifest(
        _ request: SnapshotRequest, _ ordinal: SnapshotOrdinal
    ) -> SnapshotManifest {
        SnapshotManifest(
            ordinal: ordinal, id: request.id, volumeBytes: volume.record.geometry.volumeBytes,
            takenAt: volume.clock.now(), description: request.description)
    }

    /// Makes a revert ready: its safety snapshot, its folder. `.refused` when the volume is open.
    ///
    /// - Parameter use: the clone whose content the volume gets, too.
    func prepareRevert(
        _ request: RevertRequest, with use: CloneUse? = nil
    ) throws(Problem) {
        try volume.requireActive()
        try volume.requireRunning()
        try volume.reload()
        let target = try volume.readable(request.target)
        let refusal = state.refusal(ofRevertTo: target, takingSafety: request.safety != nil)
        if let refusal { throw refusal }
        try volume.requireClosed()
        if let use { _ = try volume.mergeableClone(use, for: target) }
        guard
            try doing({ () throws(IOFailure) in
                try !store.folder.exists(StoreLayout.revertFolder(request.id))
            })
        else {
            throw Problem(
                .exists, "revert \(request.id) of volume \(volume.record.name) exists already",
                hint: "run \(.catalogRebuild)")
        }
        try volume.changeRecord { $0.idFloor.revert = max($0.idFloor.revert, request.id) }
        // Somebody waits for the revert, and the merge that fills the area can wait itself.
        if let safety = request.safety {
            try stage(safety, on: .linear, isWrittenAhead: false)
        }
        try createFolder(request.id)
        revert = StagedRevert(request: request, target: target)
        revert?.clone = try use.map { use throws(Problem) in try volume.freeze(use, for: target) }
        let plan = try planNow(to: target)
        try reserve(plan)
        if state.revert == nil { try copyInAdvance(plan) }
    }

    private func reserve(_ plan: SourceMap) throws(Problem) {
        if let snapshot {
            try volume.reserveForMerge(
                of: plan, preservedIn: snapshot.ordinal, keeping: ChunkMap())
        } else if let newest = state.newest {
            try volume.reserveForMerge(
                of: plan, preservedIn: newest.ordinal, keeping: volume.map(of: newest))
        }
    }

    /// The journal stays empty: the kernel's merge keeps its own in `overlay.cow`. Readers of the
    /// store take all of the plan for unmerged, which is always safe.
    private func createFolder(_ id: RevertID) throws(Problem) {
        _ = try store.createRevertFolder(id, chunkBytes: state.format.chunkBytes)
    }

    private func copyInAdvance(_ plan: SourceMap) throws(Problem) {
        guard let request = revert?.request else { return }
        let layout = SyntheticLayout(plan: plan, format: state.format)
        guard layout.windows.count > volume.windowsMaximum else { return }
        let synthetic = SyntheticStore(store: store, revert: request.id, format: state.format)
        try synthetic.writeMetadata(plan, layout)
        try synthetic.copyWhole(layout, kernel: volume.kernel)
        revert?.copied = plan
    }

    /// What was written to the clone, and the overlay of all areas from the target's on, as they are now.
    private func planNow(to target: SnapshotManifest) throws(Problem) -> SourceMap {
        let written = revert?.clone?.sources ?? SourceMap()
        guard let newest = state.newest else { return written }
        return try written.extended(
            by: volume.frozenMap(from: target.ordinal, upTo: newest.ordinal.next)
                .prefix(volume.record.geometry.chunkCount))
    }

    // MARK: Holding

    /// Flushes the origin, freezes a filesystem that is mounted from the volume, and keeps all I/O
    /// waiting: when it returns nothing is under way, and all that was answered is durable.
    func holdIO(milliseconds: Int) throws(Problem) {
        guard heldSince == nil else { throw Problem(.usage, "I/O is held already") }
        try volume.requireActive()
        for part in Self.heldParts { try stack.requireRunning(part) }
        try stack.noteSuspension(of: Self.heldParts)
        isNoted = true
        try volume.flushOrigin()
        let devices = Self.heldParts.map { stack.name($0) }
        suspension = try asking { () throws(DeviceFailure) in
            try SuspensionGuard.begin(devices: devices, milliseconds: milliseconds)
        }
        volume.warn(ofWeaknesses: suspension)
        heldSince = volume.clock.monotonicNanoseconds()
        try stack.suspendTop()
        if revert != nil { try volume.requireClosed() }
        try volume.flushOrigin()
    }

    /// Makes what was prepared durable. Only while the volume is held.
    func commit() throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        let manifest = try attach()
        if let manifest, revert == nil { try store.writeManifest(manifest) }
        var outcome: (snapshot: SnapshotOutcome?, revert: RevertOutcome?) = (nil, nil)
        outcome.snapshot = manifest.map {
            SnapshotOutcome(manifest: $0, heldNanoseconds: heldNanoseconds)
        }
        if let revert {
            outcome.revert = try commit(revert, safety: manifest)
            try volume.reload()
        }
        isCommitted = true
        return outcome
    }

    /// A snapshot that no other volume waits for: I/O goes on as soon as it is attached, and it counts
    /// a moment later. Until then the one before it is attached as well, and misses nothing.
    func commitAlone() throws(Problem) -> SnapshotOutcome {
        guard let manifest = try attach() else {
            throw Problem(.failed, "no snapshot of volume \(volume.record.name) was prepared")
        }
        try letGo()
        let held = heldNanoseconds
        noteResumption()
        try store.writeManifest(manifest)
        isCommitted = true
        try volume.reload()
        try volume.tidy()
        return SnapshotOutcome(manifest: manifest, heldNanoseconds: held)
    }

    /// Attaches the prepared snapshot: from now on nothing that it needs is overwritten unpreserved.
    /// Returns its manifest; nil when none was prepared.
    private func attach() throws(Problem) -> SnapshotManifest? {
        guard heldSince != nil else { throw Problem(.usage, "I/O is not held") }
        var draft: SnapshotManifest?
        if let snapshot {
            draft = manifest(snapshot.request, snapshot.ordinal)
            try stack.resume(.snapshot(snapshot.ordinal))
            try stack.renewHeldOrigin()
        }
        // The guard may have thought us dead, and let I/O go on.
        guard try stack.info(.mounted)?.isSuspended ?? false else { throw notHeld }
        return draft
    }

    private var heldNanoseconds: Int64 {
        heldSince.map { volume.clock.monotonicNanoseconds() - $0 } ?? 0
    }

    /// The revert's files first, then its safety snapshot's manifest, then its record, with which it
    /// counts.
    private func commit(
        _ staged: StagedRevert, safety: SnapshotManifest?
    ) throws(Problem) -> RevertOutcome {
        // A merge that runs goes on while the volume is held; its plan is dropped. Without it the volume
        // reads an origin that is half merged: then only a command may let I/O go on, which finishes
        // this or undoes it.
        if state.merging != nil {
            try endGuard()
            hasStoppedMerge = true
        }
        try volume.stopMerge()
        let plan = try planNow(to: staged.target)
        let newest = state.newest
        try writeFiles(staged, plan)
        if let safety { try store.writeManifest(safety) }
        guard let safetyManifest = safety ?? newest else {
            throw Problem(.notFound, "volume \(volume.record.name) has no snapshots")
        }
        let kept = try safety == nil ? volume.map(of: safetyManifest) : ChunkMap()
        let record = RevertRecord(
            id: staged.request.id, target: staged.target.ordinal, targetID: staged.target.id,
            safety: safetyManifest.ordinal, safetyID: safetyManifest.id,
            tookSafetySnapshot: safety != nil || state.revert?.record.tookSafetySnapshot ?? false,
            safetyEntryCount: kept.count, planChunkCount: plan.count,
            startedAt: volume.clock.now(),
            overwrittenSums: try volume.overwrittenSums(plan.chunks),
            clone: staged.clone?.inRecord)
        // From here on only a command finishes it: I/O that went on would be lost by it.
        try endGuard()
        try store.writeRevert(record)
        revert?.record = record
        return RevertOutcome(
            id: record.id, target: record.targetID, safety: safety,
            planBytes: plan.count * state.format.chunkBytes,
            usableAfterNanoseconds: volume.clock.monotonicNanoseconds() - begunAt,
            state: plan.isEmpty ? .done : .merging)
    }

    /// `.interrupted` when the guard has let I/O go on, so that nothing holds that relied on its waiting.
    private func endGuard() throws(Problem) {
        let outcome = suspension?.end()
        suspension = nil
        guard outcome != .resumed else { throw notHeld }
    }

    private var notHeld: Problem {
        Problem(
            .interrupted, "volume \(volume.record.name) is not held any more",
            hint: "run the command again when the disk is less busy")
    }

    private func writeFiles(_ staged: StagedRevert, _ plan: SourceMap) throws(Problem) {
        let layout = SyntheticLayout(plan: plan, format: state.format)
        let synthetic = SyntheticStore(
            store: store, revert: staged.request.id, format: state.format)
        if let copied = staged.copied {
            guard copied == plan else {
                throw Problem(
                    .interrupted, "volume \(volume.record.name) was written meanwhile",
                    hint: "run the command again")
            }
        } else {
            try synthetic.writeMetadata(plan, layout)
            if layout.windows.count > volume.windowsMaximum {
                try synthetic.copyWhole(layout, kernel: volume.kernel)
            }
        }
        try synthetic.createOverlay(layout, kernel: volume.kernel)
    }

    /// Takes back what was committed within this hold: nothing was written since.
    func rollBack() throws(Problem) {
        guard heldSince != nil else { throw Problem(.usage, "I/O is not held") }
        try discard()
        isCommitted = false
    }

    // MARK: Releasing

    /// Has the volume read as a revert's target if one was committed, and lets its I/O go on.
    ///
    /// - Returns: for how long it was held, in nanoseconds.
    func releaseIO() throws(Problem) -> Int64 {
        var problem: Problem?
        if isCommitted {
            do throws(Problem) {
                if let record = revert?.record {
                    try volume.flip(to: record)
                    try volume.removeReverts(before: record.id)
                    // What is attached besides would take exceptions that are none of the plan's.
                    try volume.tidy()
                }
            } catch { problem = error }
        } else {
            do throws(Problem) { try discard() } catch { problem = error }
        }
        if problem == nil || canGoOn() { try letGo() }
        let held = heldNanoseconds
        // Of a set that is committed, others are held still.
        if problem != nil || !isCommitted { noteResumption() }
        if let problem { throw problem }
        // Nothing is left to be finished or undone by a second release.
        revert = nil
        return held
    }

    /// What a committed change leaves to be done when I/O goes on, in all volumes of a set: reads the
    /// store again, and removes what is needed no more.
    func tidy() throws(Problem) {
        guard isCommitted else { return }
        noteResumption()
        try volume.reload()
        _ = try volume.finishMergeIfDone()
        try volume.tidy()
    }

    /// After something has failed: whether the volume reads as one state throughout, so that its I/O may
    /// go on. Else it waits for the next command.
    private func canGoOn() -> Bool {
        try? volume.reload()
        guard let role = try? stack.contentRole() else { return false }
        // An earlier merge has left the origin half old and half new.
        if hasStoppedMerge, role == .origin { return false }
        guard let record = revert?.record else { return true }
        // The exchange of the table has come about, by the guard; or it has not, and is taken back.
        if role == .merging { return state.merging?.record.id == record.id }
        do throws(Problem) {
            try stack.clear(.content)
            try discard()
        } catch { return false }
        return true
    }

    private func noteResumption() {
        guard isNoted, goesOn else { return }
        stack.noteResumption(of: Self.heldParts)
        isNoted = false
    }

    private func letGo() throws(Problem) {
        let guarding = suspension
        suspension = nil
        if let guarding {
            try stack.letGo(Self.heldParts, guarding)
        } else if heldSince != nil {
            try stack.letGoUnguarded(Self.heldParts)
        }
        goesOn = true
    }

    /// Removes what was staged, the record first, so that the store is as before.
    private func discard() throws(Problem) {
        if let revert {
            try volume.removeRevert(revert.request.id)
            self.revert?.record = nil
        }
        if let snapshot { try volume.removeSnapshot(snapshot.ordinal) }
        try volume.reload()
        if let running = state.merging { try volume.carryOn(running) }
        if revert?.clone != nil { volume.attachClones() }
        snapshot = nil
        revert = nil
    }
}

extension DeviceVolume {
    /// Removes reverts that a later one has replaced.
    func removeReverts(before id: RevertID) throws(Problem) {
        for old in try store.finishedReverts(before: id) { try removeRevert(old) }
    }

    /// Removes a snapshot that does not count, or counts no more: its folder, then its device. A
    /// snapshot that counts and has no device has lost exceptions.
    func removeSnapshot(_ ordinal: SnapshotOrdinal) throws(Problem) {
        let hasFolder = try doing { () throws(IOFailure) in
            try store.folder.exists(StoreLayout.snapshotFolder(ordinal))
        }
        if hasFolder { try store.removeSnapshot(ordinal) }
        try stack.remove(.snapshot(ordinal))
        try stack.detachUnusedLoops()
    }

    /// Says once what keeps a guard from being there whatever happens.
    func warn(ofWeaknesses guarding: SuspensionGuard?) {
        for weakness in guarding?.weaknesses ?? [] {
            warn(
                "the process that lets the I/O of volume \(record.name) go on, should this one die, "
                    + "is not safe: \(weakness)")
        }
    }
}

package import System
package import DeviceMapper
internal import MergeKit
package import StoreFormat
package import SnapshotModel
internal import VolumeAccess

/// A volume under device-mapper that this process has to itself: it holds the store's lock. What
/// runs, runs in the kernel; this looks at it and changes it, and may end at any moment.
package final class DeviceVolume {
    let folder: FileFolder
    let stack: VolumeStack
    let clock: any Clock
    let kernel: CopyKernel
    /// Things that somebody must know, found at open or since.
    package private(set) var warnings: [Advice] = []
    let store: Store
    /// The store as it is now; read again after each change.
    private(set) var reading: StoreReading
    /// A plan of more windows than this is copied into one file instead of looked at through a
    /// table: a window takes the kernel about 100 bytes and 7 microseconds to load.
    package var windowsMaximum = 200_000
    /// A merge is not paused when the table that takes its place would have more segments than this:
    /// the kernel passes a flush of the volume on once for each of them.
    package var pausedSegmentsMaximum = 50_000
    private let lock: FileLock

    /// - Parameters:
    ///   - lock: the store's lock, which is held for as long as this lives.
    package init(
        folder: FileFolder, lock: FileLock, mapper: any DeviceMapping, clock: any Clock
    ) throws(Problem) {
        self.folder = folder
        self.lock = lock
        self.clock = clock
        store = Store(folder: folder)
        reading = try StoreReading(store)
        stack = VolumeStack(mapper: mapper, record: reading.record, folder: folder)
        var options = CopyOptions()
        options.zeroUnitBytes = reading.record.geometry.chunkBytes
        kernel = CopyKernel(options: options)
    }

    package var record: VolumeRecord { reading.record }
    package var state: VolumeState { reading.state }

    package var isActive: Bool { get throws(Problem) { try stack.isActive() } }

    func reload() throws(Problem) { reading = try StoreReading(store) }

    func warn(_ advice: Advice) { warnings.append(advice) }

    /// What to do about a merge that is in the way.
    var mergeHint: Advice {
        state.revert?.phase == .paused
            ? "let it go on with \(.mergeResume(record.name))"
            : "wait for it with \(.mergeStatus(record.name))"
    }

    func requireActive() throws(Problem) { try DeviceInspector(stack).requireActive() }
}

// MARK: - Up and down

extension DeviceVolume {
    /// Makes the volume's devices, in the order in which each finds what it stands on, and finishes
    /// whatever was half done. Does nothing when that is so already.
    package func activate() throws(Problem) {
        // First: a device that a killed command has only begun to make proves nothing of the origin.
        try stack.removeHalfMade()
        try requireRunning()
        let origin = try checkOrigin()
        try store.settle(state)
        try finishStore()
        let volumeBytes = record.geometry.volumeBytes
        try stack.ensure(.linear) { () throws(Problem) in
            // Not by its path: that was proven to be this device, and may lead elsewhere by now.
            stack.linearTable(
                on: origin.map { .number($0) } ?? .path(record.originPath), bytes: volumeBytes)
        }
        if let merging = state.merging { try bringUpMerge(merging.record) }
        try attachGrowing()
        try stack.ensure(.content) { () throws(Problem) in
            guard let merging = state.merging else {
                return try stack.originTable(on: .linear, bytes: volumeBytes)
            }
            return merging.phase == .paused
                ? try restingTable(merging.record)
                : try stack.mergeTable(merging.record.id, bytes: volumeBytes)
        }
        // Before anybody can open the volume, which would otherwise show what the revert drops.
        if state.revert?.phase == .committed { try finishCommitted() }
        if let merging = state.merging { try carryOn(merging) }
        try attachLate()
        // From the next step on somebody may write.
        try noteOpen()
        try stack.ensure(.mounted) { () throws(Problem) in
            try stack.originTable(on: .content, bytes: volumeBytes)
        }
        giveAccess()
        try finishResize()
        try finishKernel()
        try tidy()
        try resumeAll()
        stack.settleNote(makesNote: true)
        noteIdentity()
        renewLimit()
        noteSamples()
    }

    /// What hangs on `real`: the safety snapshot of a merge, and the newest unless it was taken in
    /// mid-merge.
    private func attachGrowing() throws(Problem) {
        if let second = state.second { try attach(second, on: .linear) }
        guard let active = state.active else { return }
        if let merging = state.merging, active.ordinal > merging.record.safety { return }
        try attach(active, on: .linear)
    }

    /// What was taken in mid-merge hangs on `base`.
    private func attachLate() throws(Problem) {
        guard let active = state.active, let merging = state.merging,
            active.ordinal > merging.record.safety
        else { return }
        try attach(active, on: .content)
    }

    func attach(_ manifest: SnapshotManifest, on origin: DeviceName.Part) throws(Problem) {
        let part = DeviceName.Part.snapshot(manifest.ordinal)
        let isAttached = try stack.info(part).map { $0.hasLiveTable && !$0.isSuspended } ?? false
        guard !isAttached else { return }
        // The kernel believes any entry; one that cannot be would hide what it stood for.
        _ = try map(of: manifest)
        try reserve(manifest)
        try stack.ensure(part) { () throws(Problem) in
            try stack.snapshotTable(of: manifest, on: origin)
        }
        try stack.renewOrigin()
    }

    /// Makes the devices that a merge runs from, and notes first that it may have begun.
    func bringUpMerge(_ revert: RevertRecord) throws(Problem) {
        let layout = SyntheticLayout(plan: try plan(of: revert), format: state.format)
        try stack.ensure(.synthetic(revert.id), isReadOnly: true) { () throws(Problem) in
            try stack.syntheticTable(revert.id, layout)
        }
        if try stack.info(.overlay(revert.id)) == nil { try revalidateOverlay(revert.id, layout) }
        try stack.ensure(.overlay(revert.id)) { () throws(Problem) in
            try stack.overlayTable(revert.id, layout)
        }
    }

    func plan(of revert: RevertRecord) throws(Problem) -> SourceMap {
        let plan = try RevertPlan(
            of: revert, manifests: state.manifests, store: store, geometry: record.geometry,
            isGivenUp: { _ in false })
        try plan.check(against: revert)
        return plan.chunks
    }

    /// Takes the volume's devices down: the origin is a plain device again, with what the volume
    /// showed. `.refused` while somebody has it open or a merge runs, naming who.
    package func deactivate() throws(Problem) {
        try requireClosed()
        try requireRunning()
        try recover()
        if let failure = try mergeFailure() { throw failure }
        guard state.revert == nil else {
            throw Problem(
                .refused,
                "a merge runs on volume \(record.name): its origin is half old and half new",
                hint: mergeHint)
        }
        try requireClonesClosed()
        for case .view(let id) in try stack.existing() { try closeView(id) }
        let origin = try stack.liveOrigin()
        try removeAll()
        noteClosed(origin)
    }

    private func removeAll() throws(Problem) {
        // First: whoever has opened one meanwhile keeps the volume as it is.
        try removeClones()
        try stack.remove(.mounted)
        let parts = try stack.existing()
        for part in parts { if case .overlay = part { try stack.remove(part) } }
        // Whatever `base` is, what hangs on it goes first.
        for part in parts { if case .snapshot = part { try stack.remove(part) } }
        try stack.remove(.content)
        try stack.remove(.pausedOrigin)
        for part in parts { if case .synthetic = part { try stack.remove(part) } }
        try stack.remove(.linear)
        try stack.detachUnusedLoops()
    }

    /// `.refused` when somebody has the volume open, naming who and what to do. One who looks in for
    /// a moment, as udev does, is waited for.
    func requireClosed() throws(Problem) {
        if let problem = try DeviceInspector(stack).openProblem() { throw problem }
    }
}

// MARK: - Recovery

extension DeviceVolume {
    /// Finishes, in an active volume, whatever a killed command or the end of a merge has left; does
    /// and writes nothing when there is nothing. While somebody else has a device suspended, all that
    /// waits.
    package func recover() throws(Problem) {
        guard try stack.isActive() else { return }
        if let warning = try DeviceInspector(stack).suspensionWarning() {
            warn(warning)
            try noteInvalid()
            return refillIfPossible()
        }
        try stack.removeHalfMade()
        try finishStore()
        try finishResize()
        try finishKernel()
        try tidy()
        try resumeAll()
        stack.settleNote(makesNote: false)
        refillIfPossible()
        noteOpenIfPossible()
        noteSamples()
    }

    private func refillIfPossible() {
        // What was reserved is there still.
        do throws(Problem) { try refill() } catch {
            warn(
                "no more room could be reserved for the snapshots of volume \(record.name): "
                    + "\(error.message)")
        }
    }

    /// Sweeps creations that were never finished.
    private func finishStore() throws(Problem) {
        let survey = reading.survey
        try survey.requireWritable(store, record)
        for warning in survey.warnings(record) { warn(warning) }
        for ordinal in survey.unfinished {
            try stack.remove(.snapshot(ordinal))
            try stack.detachUnusedLoops()
            try store.removeSnapshot(ordinal)
            warn("swept the unfinished snapshot folder \(ordinal)")
        }
        for id in survey.finishedReverts { try removeRevert(id) }
        try sweepClones()
        try noteInvalid()
        try reload()
    }

    /// Removes a revert that does not run any more, its devices first.
    func removeRevert(_ id: RevertID) throws(Problem) {
        try stack.remove(.overlay(id))
        try stack.remove(.synthetic(id))
        try stack.detachUnusedLoops()
        endLimit(of: id)
        try store.removeRevert(id)
    }

    /// Notes which snapshots have lost exceptions.
    func noteInvalid() throws(Problem) {
        if let ordinal = state.lostThrough, try !store.isBroken(ordinal),
            let manifest = state.manifest(ordinal)
        {
            try noteLoss(of: manifest, Self.isInvalidated)
        }
        for manifest in [state.active, state.second].compactMap({ $0 }) {
            if let cause = try lossOf(manifest) { try noteLoss(of: manifest, cause) }
        }
    }

    private func noteLoss(of manifest: SnapshotManifest, _ cause: String) throws(Problem) {
        try store.writeMark(StoreLayout.brokenMark(manifest.ordinal))
        warn("THE SNAPSHOTS UP TO \(manifest.id) OF VOLUME \(record.name) ARE LOST: \(cause)")
    }

    private static let isInvalidated =
        "the kernel invalidated the newest one's area, because its store was full or failed"

    /// Why a snapshot that grows has lost exceptions; nil when it has not.
    private func lossOf(_ manifest: SnapshotManifest) throws(Problem) -> String? {
        let part = DeviceName.Part.snapshot(manifest.ordinal)
        switch try stack.status(part) {
        case .invalid, .overflow: return Self.isInvalidated
        // As long as users can write to the volume, it must be there.
        case nil where try stack.isActive():
            return "the device \(stack.name(part)), which kept their exceptions, was removed"
        default: return nil
        }
    }

    /// Finishes what was half done in the kernel: a revert that counts and has not begun, a merge
    /// that has ended.
    private func finishKernel() throws(Problem) {
        switch state.revert?.phase {
        case .committed: try finishCommitted()
        case .begun, .paused:
            if let revert = state.revert { try carryOn(revert) }
            if try !finishMergeIfDone(), let failure = try mergeFailure() {
                warn("\(failure)")
            }
        case .merged: try finishMerge()
        case nil: break
        }
    }

    /// Lets I/O go on everywhere: the last step, when the devices are as they shall be. A device is
    /// resumed behind those that it stands on: a filesystem that is thawed writes, and would wait in
    /// the kernel for one that is suspended.
    private func resumeAll() throws(Problem) {
        let parts = try stack.existing().filter(isResumed).sorted { $0.height < $1.height }
        for part in parts { try stack.resumeIfSuspended(part) }
        for part in parts {
            // Nobody waits for the node of a snapshot, which is used by its number.
            if case .snapshot = part { stack.restrict(part) } else { try stack.settle(part) }
        }
    }

    private func isResumed(_ part: DeviceName.Part) -> Bool {
        switch part {
        case .mounted, .content, .pausedOrigin, .linear, .view, .clone, .cloneBase: true
        case .snapshot(let ordinal): isGrowing(ordinal)
        case .synthetic, .overlay: false
        }
    }

    private func isGrowing(_ ordinal: SnapshotOrdinal) -> Bool {
        ordinal == state.active?.ordinal || ordinal == state.second?.ordinal
    }

    /// Makes views fall through to the snapshots that grow now, and removes what nothing needs:
    /// older snapshots' devices, loop devices.
    func tidy() throws(Problem) {
        try repointViews()
        try tidyClones()
        if try stack.info(.pausedOrigin) != nil, try stack.contentRole() != .paused {
            try stack.remove(.pausedOrigin)
        }
        for part in try stack.existing() {
            switch part {
            case .snapshot(let ordinal) where !isGrowing(ordinal):
                try stack.remove(part)
                freeTail(ordinal)
            case .overlay(let id) where id != state.revert?.record.id: try stack.remove(part)
            default: continue
            }
        }
        for part in try stack.existing() {
            if case .synthetic(let id) = part, id != state.revert?.record.id {
                try stack.remove(part)
            }
        }
        try stack.detachUnusedLoops()
        for manifest in [state.active, state.second].compactMap({ $0 }) {
            stack.hold(manifest.ordinal)
        }
        if try stack.isActive() { attachClones() }
    }
}

extension DeviceName.Part {
    /// Devices stand on those of a lesser height.
    var height: Int {
        switch self {
        case .linear: 0
        case .pausedOrigin: 1
        case .synthetic, .overlay, .content: 2
        case .snapshot: 3
        case .view, .cloneBase: 4
        case .mounted, .clone: 5
        }
    }
}

internal import System
internal import MergeKit
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// A session with a volume whose image this process has open. One thread uses it.
final class RBDSession: OpenVolume {
    let volume: RBDVolume
    private var staged = Staged()
    /// What this session committed within the present hold.
    private var committed = Staged()
    private var hold: ImageHold?
    /// Whether nobody else can have written to the image since the journal was written.
    private var isUnbroken = false
    private var overrules = false
    /// Somebody has asked for a revert to go on that was cut, whatever was written since.
    private var mayOverwrite = false

    /// What was prepared, or committed.
    private struct Staged {
        var snapshot: (request: SnapshotRequest, ordinal: SnapshotOrdinal)?
        var revert: (request: RevertRequest, target: SnapshotManifest)?
        var isEmpty: Bool { snapshot == nil && revert == nil }
    }

    init(_ volume: RBDVolume) { self.volume = volume }

    /// A command copies, and waits for it.
    var mergesByItself: Bool { false }
    var warnings: [Advice] { volume.warnings }

    /// What was committed and not released is undone; what is left is finished by whoever opens the volume next.
    func close() {
        if hold != nil, !committed.isEmpty { try? undo(committed) }
        try? undo(staged)
        (staged, committed) = (Staged(), Staged())
        letLockGo()
        volume.close()
    }

    /// In the middle of a revert of this process's, the image is marked first: it goes on if nobody has written.
    private func letLockGo() {
        if let revert = volume.revert, revert.client == volume.connection.instance,
            hold?.isHeld == true
        {
            try? RevertMarker(volume, revert.record.id).set()
        }
        hold?.end()
        hold = nil
    }

    /// Takes the lock of an image that nobody has open, neither before nor after it was taken.
    private func takeLock(milliseconds: Int? = nil) throws(Problem) {
        try requireClosed()
        (hold, isUnbroken) = try volume.hold(milliseconds: milliseconds)
        do throws(Problem) { try requireClosed() } catch {
            hold?.end()
            hold = nil
            throw error
        }
    }

    // MARK: Looking

    func status(for client: any RequestClient) throws(Problem) -> VolumeStatus {
        let snapshots = volume.state.manifests.map {
            SnapshotStatus(
                manifest: $0, state: volume.state.condition(of: $0), exceptionCount: 0, readers: 0)
        }
        return VolumeStatus(
            record: volume.record, snapshots: snapshots, merge: try mergeProgress(for: client),
            storeBytes: try volume.store.areaBytes(), freeBytes: try volume.store.freeBytes(),
            warnings: warnings)
    }

    /// Who has the image open is told by ``VolumeInspector/openProblem()``.
    func clients(for client: any RequestClient) throws(Problem) -> ClientPresence? { nil }
    /// Those that the cluster keeps: protected ones, and those with clones.
    func openSnapshots(for client: any RequestClient) throws(Problem) -> [SnapshotID] {
        try SnapshotChange(volume).kept()
    }

    func overruleClients(for client: any RequestClient) throws(Problem) { overrules = true }

    func letGo(for client: any RequestClient) throws(Problem) {
        throw Problem(.usage, "this process has volume \(volume.name) open for one command")
    }

    private func requireClosed() throws(Problem) {
        guard let problem = try openProblem() else { return }
        // The lock alone tells nothing then.
        isUnbroken = false
        if !overrules { throw problem }
    }

    private func openProblem() throws(Problem) -> Problem? {
        try RBDVolume.openProblem(volume.image, volume.record, volume.revert)
    }

    // MARK: Snapshots

    func takeSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) -> SnapshotOutcome {
        try prepareSnapshot(request, for: client)
        defer { staged = Staged() }
        guard let ordinal = staged.snapshot?.ordinal else { throw Self.outOfTurn }
        let manifest = try SnapshotChange(volume).commit(request, ordinal)
        try volume.reload()
        return SnapshotOutcome(manifest: manifest, heldNanoseconds: 0)
    }

    func prepareSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) {
        guard staged.isEmpty else { throw Self.outOfTurn }
        try requireNothingHalfDone()
        try volume.requireSize()
        let ordinal = try SnapshotChange(volume).stage(request)
        staged.snapshot = (request, ordinal)
    }

    /// An image in the middle of a revert is neither old nor new; copying the rest may take hours.
    private func requireNothingHalfDone() throws(Problem) {
        guard volume.revert != nil else { return }
        throw Problem(
            .refused,
            "a revert of volume \(volume.name) is half done: its image is neither old nor new",
            hint: "have it go on first: \(.mergeResume(volume.name))")
    }

    // MARK: Steps of sets

    func prepareRevert(_ request: RevertRequest, for client: any RequestClient) throws(Problem) {
        guard staged.isEmpty else { throw Self.outOfTurn }
        let target = try requireRevertible(request)
        try requireClosed()
        try volume.requireLockable()
        try RevertChange(volume).prepare(request)
        staged.revert = (request, target)
        guard let safety = request.safety else { return }
        do throws(Problem) {
            staged.snapshot = (safety, try SnapshotChange(volume).stage(safety))
        } catch {
            try? undo(staged)
            staged = Staged()
            throw error
        }
    }

    private func requireRevertible(_ request: RevertRequest) throws(Problem) -> SnapshotManifest {
        try volume.requireSize()
        let target = try volume.state.requireLive(request.target)
        let refusal = volume.state.refusal(
            ofRevertTo: target, takingSafety: request.safety != nil)
        if let refusal { throw refusal }
        _ = try volume.view(target)
        return target
    }

    func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...VolumeLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(.usage, "I/O can be held for 1 to \(VolumeLimits.holdMilliseconds) ms")
        }
        guard hold == nil else { throw Self.outOfTurn }
        // Forced or not: nobody's writes may fail for a snapshot.
        if staged.revert == nil, let open = try openProblem() { throw volume.holdProblem(open) }
        try takeLock(milliseconds: milliseconds)
    }

    func commit(
        for client: any RequestClient
    ) throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        guard let hold, !staged.isEmpty else { throw Self.outOfTurn }
        guard hold.isHeld else { throw notHeld }
        if staged.revert != nil, !hold.keep() { throw notHeld }
        let outcome = try commitStaged()
        guard hold.isHeld else {
            try rollBack(for: client)
            throw notHeld
        }
        return outcome
    }

    /// What is written moves from what is staged to what is committed, step by step: each can be undone.
    private func commitStaged() throws(Problem) -> (
        snapshot: SnapshotOutcome?, revert: RevertOutcome?
    ) {
        let begunAt = volume.clock.monotonicNanoseconds()
        if staged.revert != nil, staged.snapshot == nil { try keepWhatOthersWrote() }
        var taken: SnapshotManifest?
        if let snapshot = staged.snapshot {
            taken = try SnapshotChange(volume).commit(snapshot.request, snapshot.ordinal)
            (committed.snapshot, staged.snapshot) = (snapshot, nil)
            try volume.reload()
        }
        guard let revert = staged.revert else {
            return (taken.map { SnapshotOutcome(manifest: $0, heldNanoseconds: 0) }, nil)
        }
        let running = try RevertChange(volume).commit(revert.request, revert.target, safety: taken)
        (committed.revert, staged.revert) = (revert, nil)
        isUnbroken = true
        try volume.reload()
        let outcome = RevertOutcome(
            id: revert.request.id, target: revert.target.id, safety: taken,
            planBytes: running.planBytes,
            usableAfterNanoseconds: volume.clock.monotonicNanoseconds() - begunAt, state: .merging)
        return (nil, outcome)
    }

    /// One revert takes another one's place: what was written since that was cut is in no snapshot.
    private func keepWhatOthersWrote() throws(Problem) {
        guard let revert = volume.revert, !isUnbroken else { return }
        let marker = RevertMarker(volume, revert.record.id)
        guard try !marker.isUntouched(proceed: { () throws(Problem) in }) else { return }
        try marker.keepPresent()
    }

    func rollBack(for client: any RequestClient) throws(Problem) {
        guard hold != nil else { throw Self.outOfTurn }
        try undo(committed)
        committed = Staged()
    }

    private func undo(_ steps: Staged) throws(Problem) {
        if let revert = steps.revert { try RevertChange(volume).undo(revert.request.id) }
        if let snapshot = steps.snapshot { try SnapshotChange(volume).remove(snapshot.ordinal) }
        if !steps.isEmpty { try volume.reload() }
    }

    /// A revert that counts keeps the lock until it is done.
    func releaseIO(for client: any RequestClient) throws(Problem) -> Int64 {
        guard let hold else { return 0 }
        let held = max(1, SystemClock().monotonicNanoseconds() - hold.begunAt)
        try undo(staged)
        let isKept = committed.revert != nil
        (staged, committed) = (Staged(), Staged())
        guard !isKept else { return held }
        self.hold = nil
        guard hold.end() else { throw notHeld }
        return held
    }

    private var notHeld: Problem {
        Problem(
            .interrupted, "volume \(volume.name) is not held any more",
            hint: "run the command again when the cluster is less busy")
    }

    private static var outOfTurn: Problem { Problem(.usage, "that is not its turn") }

    // MARK: Reverts

    func previewRevert(
        to id: SnapshotID, for client: any RequestClient
    ) throws(Problem) -> RevertPreview {
        let target = try volume.state.requireLive(id)
        let refusal =
            volume.state.refusal(ofRevertTo: target, takingSafety: false)
        let bytes = try volume.image.changes(
            since: volume.snapshotName(target.ordinal),
            in: 0..<volume.image.byteCount(), proceed: client.proceed)
        return RevertPreview(
            target: id, planBytes: ByteRanges(unordered: bytes).byteCount, preserveBytes: 0,
            refusal: refusal)
    }

    func revert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try prepareRevert(request, for: client)
        let outcome = try commitAtOnce()
        // The image reads as the snapshot when all is copied.
        try waitForMerge(for: client)
        return outcome
    }

    /// With the lock taken before the safety snapshot, which nobody writes after.
    private func commitAtOnce() throws(Problem) -> RevertOutcome {
        do throws(Problem) {
            if hold == nil { try takeLock() }
            guard let outcome = try commitStaged().revert else { throw Self.outOfTurn }
            committed = Staged()
            return outcome
        } catch {
            try? undo(committed)
            try? undo(staged)
            (staged, committed) = (Staged(), Staged())
            hold?.end()
            hold = nil
            throw error
        }
    }

    func mergeProgress(for client: any RequestClient) throws(Problem) -> MergeProgress? {
        guard let revert = volume.revert else { return nil }
        let limits = (try? volume.store.mergeLimits(revert.record.id)) ?? MergeLimits()
        return revert.progress(limits, isMoving: false)
    }

    func pauseMerge(for client: any RequestClient) throws(Problem) {
        try changeLimits { $0.isPaused = true }
    }

    /// Whoever asks for it has whatever is in the image overwritten, once it is kept.
    func resumeMerge(for client: any RequestClient) throws(Problem) {
        mayOverwrite = true
        try changeLimits { $0.isPaused = false }
    }

    func throttleMerge(bytesPerSecond: Int?, for client: any RequestClient) throws(Problem) {
        guard bytesPerSecond.map({ $0 > 0 }) ?? true else {
            throw Problem(.usage, "a merge's rate must be more than 0 bytes per second")
        }
        try changeLimits { $0.bytesPerSecond = bytesPerSecond }
    }

    private func changeLimits(_ change: (inout MergeLimits) -> Void) throws(Problem) {
        guard let id = volume.revert?.record.id else { return }
        var limits = try volume.store.mergeLimits(id) ?? MergeLimits()
        change(&limits)
        try volume.store.writeMergeLimits(limits, of: id)
    }

    func cancelMerge(
        _ id: RevertID, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        let request = try volume.state.cancelRequest(id)
        try requireClosed()
        try prepareRevert(request, for: client)
        return try commitAtOnce()
    }

    func waitForMerge(for client: any RequestClient) throws(Problem) {
        guard let revert = volume.revert else { return }
        if try volume.store.mergeLimits(revert.record.id)?.isPaused == true {
            throw Problem(
                .refused, "the revert of volume \(volume.name) is paused",
                hint: "let it go on: \(.mergeResume(volume.name))")
        }
        if hold == nil { try takeLock() }
        defer { letLockGo() }
        try RevertCopy(volume, for: client).run(
            isUnbroken: isUnbroken, mayOverwrite: mayOverwrite)
    }

    // MARK: Deleting

    func previewDelete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        let manifests = try SnapshotChange(volume).deletable(ids)
        return try SnapshotChange(volume).report(deleting: manifests)
    }

    func delete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        let manifests = try SnapshotChange(volume).deletable(ids)
        let report = try SnapshotChange(volume).report(deleting: manifests)
        try volume.store.writeMarks(manifests.map { StoreLayout.deletedMark($0.ordinal) }) { _ in }
        try volume.reload()
        return report
    }

    func collect(for client: any RequestClient) throws(Problem) -> CollectReport {
        volume.closeViews()
        let report = try SnapshotChange(volume).collect()
        try volume.reload()
        return report
    }

    func label(
        _ id: SnapshotID, _ labels: SnapshotLabels, for client: any RequestClient
    ) throws(Problem) {
        var manifest = try volume.state.requireLive(id)
        manifest.labels = labels
        try volume.store.relabel(manifest)
        try volume.image.setManifest(manifest)
        try volume.reload()
    }

    // MARK: Content

    func export(
        _ id: SnapshotID, path: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let manifest = try volume.state.requireLive(id)
        let source = try ImageContent(volume.view(manifest), proceed: client.proceed)
        return try SnapshotExport(path: path).write(source, named: "snapshot \(id)", for: client)
    }

    func read(
        _ id: SnapshotID?, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let image =
            try id.map { id throws(Problem) in
                try volume.view(volume.state.requireLive(id))
            } ?? volume.image
        let size = try image.byteCount()
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            guard offset <= size - buffer.byteCount else {
                throw Problem(.usage, "that is beyond the end")
            }
            let content = try image.read(offset..<offset + buffer.byteCount)
            content.withBytes(content.count) { buffer.copy(from: $0) }
        }
    }

    func extents(
        _ id: SnapshotID, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> [Extent] {
        let view = try volume.view(volume.state.requireLive(id))
        let asked = try VolumeLimits.extentRange(offset, count)
        let range = asked.clamped(to: 0..<(try view.byteCount()))
        guard !range.isEmpty else { throw Problem(.usage, "that is beyond the end") }
        let data = try view.changes(
            since: nil, in: range, dataOnly: true, proceed: client.proceed)
        return CopyPiece.pieces(of: range, data: data).prefix(VolumeLimits.extentCount)
            .map { Extent(range: $0.range, isHole: $0.isHole) }
    }

    func resize(to bytes: Int, for client: any RequestClient) throws(Problem) -> VolumeRecord {
        try requireNothingHalfDone()
        let present = try volume.image.byteCount()
        if bytes < present { try requireClosed() }
        if bytes != present { try volume.image.resize(to: bytes) }
        try volume.changeRecord { record in
            record.geometry.volumeBytes = bytes
        }
        try volume.reload()
        return volume.record
    }
}

extension RequestClient {
    /// - Throws: `interrupted` when nobody waits any more.
    func proceed() throws(Problem) {
        guard !isGone else { throw Problem(.interrupted, "the client went away") }
    }
}

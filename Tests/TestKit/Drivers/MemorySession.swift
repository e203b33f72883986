internal import System
internal import SnapshotModel
internal import VolumeAccess

/// A session with a volume in memory.
final class MemorySession: OpenVolume {
    private let volume: MemoryVolume
    private var staged: [Staged] = []
    private var committed: [SnapshotID] = []
    private var before: [UInt8]?
    private var heldAt: Int64?
    private var overrules = false

    private enum Staged {
        case snapshot(SnapshotRequest)
        case revert(RevertRequest)
    }

    init(_ volume: MemoryVolume) { self.volume = volume }

    var mergesByItself: Bool { true }
    var warnings: [Advice] { [] }

    /// What was committed and not released is undone.
    func close() {
        if heldAt != nil { try? rollBack() }
        _ = letGoOn()
    }

    private func rollBack() throws(Problem) { try rollBack(for: LocalClient { _ in }) }

    private func now() -> Timestamp { SystemClock().now() }

    func status(for client: any RequestClient) throws(Problem) -> VolumeStatus {
        volume.look { state in
            let newest = state.snapshots.last?.manifest.id
            return VolumeStatus(
                record: state.record,
                snapshots: state.snapshots.map {
                    SnapshotStatus(
                        manifest: $0.manifest,
                        state: $0.manifest.id == newest ? .active : .frozen, exceptionCount: 0,
                        readers: 0)
                }, merge: nil, storeBytes: 0, freeBytes: 1 << 30, warnings: [])
        }
    }

    // MARK: Clients

    func clients(for client: any RequestClient) throws(Problem) -> ClientPresence? {
        let count = volume.look(\.writers)
        return count > 0 ? ClientPresence(count: count, since: now()) : nil
    }

    func openSnapshots(for client: any RequestClient) throws(Problem) -> [SnapshotID] { [] }
    func overruleClients(for client: any RequestClient) throws(Problem) { overrules = true }
    func letGo(for client: any RequestClient) throws(Problem) {
        try requireNoClients()
        volume.look(\.letGo)()
    }

    private func requireNoClients() throws(Problem) {
        guard !overrules, let clients = try clients() else { return }
        throw clients.problem(volume.look(\.record.name))
    }

    // MARK: Changes

    func takeSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) -> SnapshotOutcome {
        let time = now()
        return SnapshotOutcome(
            manifest: volume.look { $0.take(request, at: time) }, heldNanoseconds: 0)
    }

    func revert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try requireNoClients()
        let time = now()
        return try volume.change { state throws(Problem) in try state.revert(request, at: time) }
    }

    func prepareSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) {
        staged.append(.snapshot(request))
    }

    func prepareRevert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) {
        try requireNoClients()
        _ = try volume.change { state throws(Problem) in try state.live(request.target) }
        staged.append(.revert(request))
    }

    func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...VolumeLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(.usage, "I/O can be held for 1 to \(VolumeLimits.holdMilliseconds) ms")
        }
        heldAt = SystemClock().monotonicNanoseconds()
        let number = volume.look { state in
            state.holdCount += 1
            state.isHeld = true
            return state.holdCount
        }
        let volume = volume
        BackgroundThread.start(name: "memory-hold") {
            BackgroundThread.sleep(milliseconds: milliseconds)
            // Another one may hold it by now.
            volume.look { if $0.holdCount == number { $0.isHeld = false } }
        }
    }

    func commit(
        for client: any RequestClient
    ) throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        guard heldAt != nil else { throw Problem(.usage, "I/O is not held") }
        let (time, steps) = (now(), staged)
        var outcome: (snapshot: SnapshotOutcome?, revert: RevertOutcome?) = (nil, nil)
        before = before ?? volume.look(\.content)
        for step in steps {
            switch step {
            case .snapshot(let request):
                let manifest = volume.look { $0.take(request, at: time) }
                outcome.snapshot = SnapshotOutcome(manifest: manifest, heldNanoseconds: 0)
                committed.append(manifest.id)
            case .revert(let request):
                let reverted = try volume.change { state throws(Problem) in
                    try state.revert(request, at: time)
                }
                outcome.revert = reverted
                if let safety = reverted.safety { committed.append(safety.id) }
            }
        }
        staged = []
        return outcome
    }

    func rollBack(for client: any RequestClient) throws(Problem) {
        guard heldAt != nil else { throw Problem(.usage, "I/O is not held") }
        let (taken, content) = (committed, before)
        volume.look { state in
            state.snapshots.removeAll { taken.contains($0.manifest.id) }
            if let content { state.content = content }
        }
        (committed, before) = ([], nil)
    }

    func releaseIO(for client: any RequestClient) throws(Problem) -> Int64 { letGoOn() }

    /// How long I/O was held, in nanoseconds.
    private func letGoOn() -> Int64 {
        defer { (staged, committed, before, heldAt) = ([], [], nil, nil) }
        guard let heldAt else { return 0 }
        volume.look { $0.isHeld = false }
        return max(1, SystemClock().monotonicNanoseconds() - heldAt)
    }

    func resize(to bytes: Int, for client: any RequestClient) throws(Problem) -> VolumeRecord {
        volume.look { state in
            let missing = max(0, bytes - state.content.count)
            state.content =
                Array(state.content.prefix(bytes)) + [UInt8](repeating: 0, count: missing)
            state.record.geometry = Geometry(
                volumeBytes: bytes, chunkBytes: state.record.geometry.chunkBytes)
            return state.record
        }
    }

    // MARK: Merges: a revert is done when it answers

    func previewRevert(
        to id: SnapshotID, for client: any RequestClient
    ) throws(Problem) -> RevertPreview {
        let target = try volume.change { state throws(Problem) in try state.live(id) }
        return RevertPreview(
            target: id, planBytes: target.content.count, preserveBytes: 0, refusal: nil)
    }

    func mergeProgress(for client: any RequestClient) throws(Problem) -> MergeProgress? { nil }
    func pauseMerge(for client: any RequestClient) throws(Problem) { throw noMerge }
    func resumeMerge(for client: any RequestClient) throws(Problem) { throw noMerge }
    func throttleMerge(bytesPerSecond: Int?, for client: any RequestClient) throws(Problem) {
        throw noMerge
    }
    func cancelMerge(
        _ id: RevertID, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome { throw noMerge }
    func waitForMerge(for client: any RequestClient) throws(Problem) {}

    private var noMerge: Problem {
        Problem(.notFound, "no merge runs on volume \(volume.look(\.record.name))")
    }

    // MARK: Deleting, exporting

    func previewDelete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        try volume.change { state throws(Problem) in
            var freed = 0
            for id in ids { freed += try state.live(id).content.count }
            return DeleteReport(deleted: ids, freedBytes: freed)
        }
    }

    func delete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        let report = try previewDelete(ids, for: client)
        volume.look { state in
            state.snapshots.removeAll { ids.contains($0.manifest.id) }
        }
        return report
    }

    func collect(for client: any RequestClient) throws(Problem) -> CollectReport {
        CollectReport()
    }

    func label(
        _ id: SnapshotID, _ labels: SnapshotLabels, for client: any RequestClient
    ) throws(Problem) {
        try volume.change { state throws(Problem) in
            _ = try state.live(id)
            for index in state.snapshots.indices where state.snapshots[index].manifest.id == id {
                state.snapshots[index].manifest.labels = labels
            }
        }
    }

    func export(
        _ id: SnapshotID, path: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let content = try volume.change { state throws(Problem) in try state.live(id) }.content
        guard try doing({ () throws(IOFailure) in try !FileFolder.exists(path: path) }) else {
            throw Problem(.exists, "the file \(path) exists")
        }
        client.report(
            TransferProgress(doneBytes: content.count, totalBytes: content.count, rate: 0))
        guard !client.isGone else { throw Problem(.interrupted, "the client went away") }
        try doing { () throws(IOFailure) in
            let file = try FileDevice(path: path, access: .create)
            try file.write(content.span.bytes, at: 0)
        }
        return content.count
    }

    func read(
        _ id: SnapshotID?, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let whole = try volume.change { state throws(Problem) in
            try id.map { id throws(Problem) in try state.live(id).content } ?? state.content
        }
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            guard offset + buffer.byteCount <= whole.count else {
                throw Problem(.usage, "that is beyond the end")
            }
            buffer.copy(from: whole.span.bytes.extracting(offset..<offset + buffer.byteCount))
        }
    }
}

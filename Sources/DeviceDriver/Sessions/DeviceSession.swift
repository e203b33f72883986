package import System
package import DeviceMapper
internal import MergeKit
internal import StoreFormat
package import SnapshotModel
package import VolumeAccess

/// A session with a volume under device-mapper: answers what a server of an image answers, by asking
/// and changing the kernel. What it finds half done when it opens, it finishes.
package final class DeviceSession: OpenVolume {
    let volume: DeviceVolume
    /// What keeps a clone from being mounted while it is copied.
    var heldClone: HeldClone?
    private var change: DeviceChange?
    /// One that has been released, and is to be tidied up after.
    private var released: DeviceChange?
    /// What was read last; nil names the volume itself.
    private var readers: [(source: ReadSource, device: any BlockDevice)] = []

    private static let lookMilliseconds = 100

    /// Opens the volume of a store for this process alone. Nil when another process has it open.
    package static func openUnlessHeld(
        storePath: String, purpose: String, mapper: any DeviceMapping, clock: any Clock
    ) throws(Problem) -> DeviceSession? {
        guard
            let volume = try DeviceVolume.openUnlessHeld(
                storePath: storePath, purpose: purpose, mapper: mapper, clock: clock)
        else { return nil }
        try volume.recover()
        return DeviceSession(volume)
    }

    package init(_ volume: DeviceVolume) { self.volume = volume }

    /// The kernel goes on with a merge when this has ended.
    package var mergesByItself: Bool { true }

    /// The library that asks the kernel serves one thread.
    package var worksAlone: Bool { true }

    package var warnings: [Advice] { volume.warnings }

    package func close() {
        closeReaders()
        heldClone = nil
        // Undone as far as it can be; the next command finds the rest.
        if let change {
            try? change.rollBack()
            _ = try? change.releaseIO()
        }
        change = nil
        try? tidy()
    }

    /// After a change in steps: not with its release, since other volumes of a set are still held then.
    func tidy() throws(Problem) {
        guard let change = released else { return }
        released = nil
        try change.tidy()
    }

    package func status(for client: any RequestClient) throws(Problem) -> VolumeStatus {
        try tidy()
        return try volume.status()
    }

    /// Whoever has its device open is found when the volume is about to be changed.
    package func clients(for client: any RequestClient) throws(Problem) -> ClientPresence? { nil }
    package func overruleClients(for client: any RequestClient) throws(Problem) {}
    package func letGo(for client: any RequestClient) throws(Problem) {}
}

// MARK: - Changes

extension DeviceSession {
    package func prepareSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) {
        try step { change throws(Problem) in try change.prepareSnapshot(request) }
    }

    package func prepareRevert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) {
        try step { change throws(Problem) in try change.prepareRevert(request) }
    }

    package func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        guard (1...VolumeLimits.holdMilliseconds).contains(milliseconds) else {
            throw Problem(.usage, "I/O can be held for 1 to \(VolumeLimits.holdMilliseconds) ms")
        }
        try step { change throws(Problem) in try change.holdIO(milliseconds: milliseconds) }
    }

    package func commit(
        for client: any RequestClient
    ) throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        try underWay().commit()
    }

    package func rollBack(for client: any RequestClient) throws(Problem) {
        try underWay().rollBack()
    }

    package func releaseIO(for client: any RequestClient) throws(Problem) -> Int64 {
        let change = try underWay()
        self.change = nil
        released = change
        return try change.releaseIO()
    }

    private func underWay() throws(Problem) -> DeviceChange {
        try tidy()
        let change = self.change ?? DeviceChange(volume)
        self.change = change
        return change
    }

    /// When it fails, everything is undone.
    private func step(_ body: (DeviceChange) throws(Problem) -> Void) throws(Problem) {
        let change = try underWay()
        do throws(Problem) { try body(change) } catch {
            _ = try? change.releaseIO()
            self.change = nil
            throw error
        }
    }

    package func takeSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) -> SnapshotOutcome {
        try changing { change throws(Problem) in
            try change.prepareSnapshot(request)
            try change.holdIO(milliseconds: VolumeLimits.holdMilliseconds)
            return try change.commitAlone()
        }
    }

    package func cancelMerge(
        _ id: RevertID, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try requireNoSteps()
        try volume.reload()
        return try revert(try volume.state.cancelRequest(id), for: client)
    }

    package func resize(
        to bytes: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeRecord {
        try requireNoSteps()
        try volume.grow(to: bytes)
        return volume.record
    }

    package func revert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome { try revert(request, with: nil) }

    /// - Parameter clone: whose content the volume gets, too.
    func revert(
        _ request: RevertRequest, with clone: CloneUse?
    ) throws(Problem) -> RevertOutcome {
        let begunAt = volume.clock.monotonicNanoseconds()
        let reverted = try changing { change throws(Problem) in
            try change.prepareRevert(request, with: clone)
            try change.holdIO(milliseconds: VolumeLimits.holdMilliseconds)
            let reverted = try change.commit().revert
            _ = try change.releaseIO()
            try change.tidy()
            return reverted
        }
        guard var outcome = reverted else {
            throw Problem(.failed, "volume \(volume.record.name) was not reverted")
        }
        outcome.usableAfterNanoseconds = volume.clock.monotonicNanoseconds() - begunAt
        return outcome
    }

    /// Does a change of its own; when it fails, everything is undone.
    private func changing<Result>(
        _ body: (DeviceChange) throws(Problem) -> Result
    ) throws(Problem) -> Result {
        try requireNoSteps()
        let change = DeviceChange(volume)
        do throws(Problem) { return try body(change) } catch {
            _ = try? change.releaseIO()
            throw error
        }
    }

    func requireNoSteps() throws(Problem) {
        try tidy()
        guard change == nil else {
            throw Problem(.usage, "this session has a change in steps under way")
        }
    }
}

// MARK: - Merges

extension DeviceSession {
    package func previewRevert(
        to id: SnapshotID, for client: any RequestClient
    ) throws(Problem) -> RevertPreview {
        try tidy()
        return try volume.stored().previewRevert(to: id)
    }

    package func mergeProgress(for client: any RequestClient) throws(Problem) -> MergeProgress? {
        try tidy()
        return try volume.mergeProgress()
    }

    package func pauseMerge(for client: any RequestClient) throws(Problem) {
        try tidy()
        try volume.pauseMerge()
    }

    package func resumeMerge(for client: any RequestClient) throws(Problem) {
        try tidy()
        try volume.resumeMerge()
    }

    package func throttleMerge(
        bytesPerSecond: Int?, for client: any RequestClient
    ) throws(Problem) {
        try tidy()
        try volume.throttleMerge(bytesPerSecond: bytesPerSecond)
    }

    package func waitForMerge(for client: any RequestClient) throws(Problem) {
        try tidy()
        var meter = RateMeter()
        var doneBytes = 0
        var refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)
        while let merge = try volume.mergeProgress() {
            if refilled.hasPassed {
                try volume.refill()
                refilled = Deadline(milliseconds: DeviceVolume.refillMilliseconds)
            }
            if let failure = try volume.mergeFailure() { throw failure }
            if let problem = try volume.restingProblem() { throw problem }
            meter.add(merge.mergedBytes.subtractingClamped(doneBytes))
            doneBytes = merge.mergedBytes
            client.report(
                TransferProgress(
                    doneBytes: doneBytes, totalBytes: merge.planBytes,
                    rate: meter.bytesPerSecond))
            if try volume.finishMergeIfDone() {
                try volume.tidy()
            } else {
                BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
            }
        }
    }
}

// MARK: - Deleting, exporting

extension DeviceSession {
    package func openSnapshots(for client: any RequestClient) throws(Problem) -> [SnapshotID] {
        try tidy()
        return try volume.views().filter { $0.value > 0 }.map(\.key)
    }

    package func previewDelete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        try tidy()
        try volume.requireRunning()
        try volume.requireUnviewed(ids)
        return try volume.stored().previewDelete(ids)
    }

    package func delete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        try tidy()
        return try volume.delete(ids)
    }

    package func collect(for client: any RequestClient) throws(Problem) -> CollectReport {
        try tidy()
        return try volume.collect()
    }

    package func label(
        _ id: SnapshotID, _ labels: SnapshotLabels, for client: any RequestClient
    ) throws(Problem) {
        try tidy()
        try volume.label(id, labels)
    }

    package func export(
        _ id: SnapshotID, path: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        try tidy()
        return try volume.export(id, to: path, for: client)
    }

    // MARK: Reading

    /// As many devices stay open: a comparison reads two by turns.
    private static let readersMaximum = 2

    package func read(
        _ id: SnapshotID?, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let device = try reader(id.map { .snapshot($0) } ?? .volume)
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            do throws(IOFailure) { try device.read(into: &buffer, at: offset) } catch {
                throw Problem(error)
            }
        }
    }

    /// What a session reads.
    enum ReadSource: Hashable {
        case volume
        case snapshot(SnapshotID)
        case clone(String)
    }

    func reader(_ source: ReadSource) throws(Problem) -> any BlockDevice {
        if let known = readers.first(where: { $0.source == source }) { return known.device }
        try tidy()
        if readers.count >= Self.readersMaximum { closeReaders() }
        let path = try path(of: source)
        let device = try doing { () throws(IOFailure) in
            let device = try FileDevice(path: path, access: .readOnly)
            // A filesystem that is mounted from it has written past what an earlier read left in the page cache.
            if case .snapshot = source {} else { device.forgetCached() }
            return device
        }
        readers.append((source, device))
        return device
    }

    private func path(of source: ReadSource) throws(Problem) -> String {
        switch source {
        case .volume: return DeviceInspector.devicePath(ofVolume: volume.record.name)
        case .snapshot(let id): return try volume.openView(id)
        case .clone(let name):
            try volume.reload()
            return try volume.openClone(name)
        }
    }

    /// Views that somebody else has open, too, stay.
    private func closeReaders() {
        let ids = Set(
            readers.compactMap { reader in
                if case .snapshot(let id) = reader.source { id } else { nil }
            })
        guard !readers.isEmpty else { return }
        readers = []
        if !ids.isEmpty { try? volume.sweepViews(ids) }
    }
}

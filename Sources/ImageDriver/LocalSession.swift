internal import System
internal import MergeKit
package import SnapshotModel
package import VolumeAccess

/// A session with an image that this process has open. It undoes at its end what it has left
/// half-done. Only one thread at a time performs requests; any may ask whether a change is under way.
package final class LocalSession: OpenVolume, HostedSession {
    private let host: VolumeHost
    private let ownsHost: Bool
    private let change: SteppedChange
    /// What collections had freed before the session's last deletion; the upkeep may be faster
    /// to collect than the session.
    private let freedBefore = Monitored<Int?>(nil)
    private let overrulesClients = Monitored(false)
    /// Whether what the session has prepared changes the volume's content.
    private let stagesRevert = Monitored(false)
    /// The snapshots that were read last.
    private let views = Monitored<[SnapshotView]>([])
    /// The clone that was read last.
    private let readClone = Monitored<OpenClone?>(nil)
    /// The clone that the session has copied and may delete.
    private let held = Monitored<CloneHold?>(nil)

    /// - Parameter ownsHost: whether the volume is closed with the session.
    package init(host: VolumeHost, ownsHost: Bool) {
        self.host = host
        self.ownsHost = ownsHost
        change = SteppedChange(host: host)
    }

    private var engine: LiveEngine { host.engine }

    package var mergesByItself: Bool { false }

    package var warnings: [Advice] { engine.warnings }

    package var isUnderWay: Bool { change.isUnderWay }

    package func close() {
        change.abandon()
        keepViews(0)
        keepClone(nil)
        hold(nil)
        // What could not be flushed is found by the next open, which recovers.
        if ownsHost { try? host.close() }
    }

    package func status(for client: any RequestClient) throws(Problem) -> VolumeStatus {
        try engine.status()
    }
}

// MARK: - Clients

extension LocalSession {
    package func clients(for client: any RequestClient) throws(Problem) -> ClientPresence? {
        host.clients.presence()
    }

    package func overruleClients(for client: any RequestClient) throws(Problem) {
        overrulesClients.withLock { $0 = true }
    }

    package func letGo(for client: any RequestClient) throws(Problem) {
        try requireNoClients()
        guard let letGo = host.letGo.withLock({ $0 }) else {
            throw Problem(.usage, "this process does not let volumes go")
        }
        letGo()
    }

    /// `.refused` when the volume's content would change under clients that have it open.
    private func requireNoClients() throws(Problem) {
        guard !overrulesClients.withLock({ $0 }), let presence = host.clients.presence() else {
            return
        }
        throw presence.problem(engine.record.name)
    }

    /// The same at the last moment, while reads and writes wait: one who has come since the first look
    /// may have read what is about to change.
    private func requireNobodyCame() throws(Problem) {
        guard !overrulesClients.withLock({ $0 }), let presence = host.clients.presenceNow() else {
            return
        }
        throw presence.problem(engine.record.name)
    }
}

// MARK: - Changes

extension LocalSession {
    package func takeSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) -> SnapshotOutcome {
        try engine.takeBackKept()
        defer { host.upkeep?.wake() }
        return try change.atOnce(for: client) { engine throws(Problem) in
            try engine.takeSnapshot(request)
        }
    }

    package func revert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try requireNoClients()
        try engine.takeBackKept()
        defer { host.upkeep?.wake() }
        return try change.atOnce(for: client) { engine throws(Problem) in
            try engine.revert(request, isAllowed: requireNobodyCame)
        }
    }

    package func cancelMerge(
        _ id: RevertID, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try requireNoClients()
        try engine.takeBackKept()
        defer { host.upkeep?.wake() }
        return try change.atOnce(for: client) { engine throws(Problem) in
            try engine.cancelMerge(id, isAllowed: requireNobodyCame)
        }
    }

    package func resize(
        to bytes: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeRecord {
        if bytes < engine.geometry.volumeBytes { try requireNoClients() }
        try engine.takeBackKept()
        defer { host.upkeep?.wake() }
        return try change.atOnce(for: client) { engine throws(Problem) in
            try engine.resize(to: bytes) { () throws(Problem) in
                if bytes < engine.geometry.volumeBytes { try requireNobodyCame() }
            }
            return engine.record
        }
    }

    package func prepareSnapshot(
        _ request: SnapshotRequest, for client: any RequestClient
    ) throws(Problem) {
        if !change.isUnderWay { stagesRevert.withLock { $0 = false } }
        try engine.takeBackKept()
        try change.prepare(for: client) { barrier throws(Problem) in
            try barrier.prepareSnapshot(request)
            try barrier.syncAhead()
        }
    }

    package func prepareRevert(
        _ request: RevertRequest, for client: any RequestClient
    ) throws(Problem) {
        try requireNoClients()
        try engine.takeBackKept()
        try change.prepare(for: client) { barrier throws(Problem) in
            try barrier.prepareRevert(request)
            try barrier.syncAhead()
        }
        stagesRevert.withLock { $0 = true }
    }

    package func holdIO(milliseconds: Int, for client: any RequestClient) throws(Problem) {
        try change.holdIO(milliseconds: milliseconds, for: client)
    }

    package func commit(
        for client: any RequestClient
    ) throws(Problem) -> (snapshot: SnapshotOutcome?, revert: RevertOutcome?) {
        if stagesRevert.withLock({ $0 }) { try requireNobodyCame() }
        return try change.commit()
    }

    package func rollBack(for client: any RequestClient) throws(Problem) {
        stagesRevert.withLock { $0 = false }
        try change.rollBack()
    }

    package func releaseIO(for client: any RequestClient) throws(Problem) -> Int64 {
        stagesRevert.withLock { $0 = false }
        let heldNanoseconds = try change.releaseIO()
        host.upkeep?.wake()
        return heldNanoseconds
    }
}

// MARK: - Merges

extension LocalSession {
    package func previewRevert(
        to id: SnapshotID, for client: any RequestClient
    ) throws(Problem) -> RevertPreview {
        try engine.previewRevert(to: id)
    }

    package func mergeProgress(for client: any RequestClient) throws(Problem) -> MergeProgress? {
        defer { host.upkeep?.wake() }
        return engine.mergeProgress()
    }

    package func pauseMerge(for client: any RequestClient) throws(Problem) {
        try engine.pauseMerge()
        host.upkeep?.wake()
    }

    package func resumeMerge(for client: any RequestClient) throws(Problem) {
        try engine.resumeMerge()
        host.upkeep?.wake()
    }

    package func throttleMerge(
        bytesPerSecond rate: Int?, for client: any RequestClient
    ) throws(Problem) {
        guard rate.map({ $0 > 0 }) ?? true else {
            throw Problem(.usage, "a merge's rate must be more than 0 bytes per second")
        }
        try engine.throttleMerge(bytesPerSecond: rate)
        host.upkeep?.wake()
    }

    package func waitForMerge(for client: any RequestClient) throws(Problem) {
        try MergeWait(host: host).run(for: client)
    }
}

// MARK: - Deleting, exporting

extension LocalSession {
    package func previewDelete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        try engine.previewDelete(ids)
    }

    package func delete(
        _ ids: [SnapshotID], for client: any RequestClient
    ) throws(Problem) -> DeleteReport {
        let report = try change.atOnce(for: client) { engine throws(Problem) in
            let before = engine.freedBytes
            freedBefore.withLock { $0 = before }
            return try engine.delete(ids)
        }
        host.upkeep?.collectSoon()
        return report
    }

    /// The report's freed bytes are those since the session's last deletion, and its removed areas all
    /// that nobody has been told of: the upkeep may have been faster.
    package func collect(for client: any RequestClient) throws(Problem) -> CollectReport {
        var report = try engine.collect()
        report.removedAreas = engine.takeRemovedAreas()
        let before = freedBefore.withLock { before in
            defer { before = nil }
            return before
        }
        if let before { report.freedBytes = engine.freedBytes - before }
        return report
    }

    package func openSnapshots(for client: any RequestClient) throws(Problem) -> [SnapshotID] {
        engine.openSnapshots
    }

    package func label(
        _ id: SnapshotID, _ labels: SnapshotLabels, for client: any RequestClient
    ) throws(Problem) {
        try change.atOnce(for: client) { engine throws(Problem) in try engine.label(id, labels) }
    }

    package func export(
        _ id: SnapshotID, path: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let view = try engine.openView(of: id)
        defer { view.close() }
        return try SnapshotExport(path: path).write(view, for: client)
    }

    // MARK: Reading

    /// As many snapshots stay open: a comparison reads two by turns.
    private static let viewsMaximum = 2

    package func read(
        _ id: SnapshotID?, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let view = try id.map { id throws(Problem) in try self.view(of: id) }
        if view == nil { try engine.takeBackKept() }
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            if let view {
                try view.read(into: &buffer, at: offset)
            } else {
                try engine.read(into: &buffer, at: offset)
            }
        }
    }

    package func extents(
        _ id: SnapshotID, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> [Extent] {
        try view(of: id).extents(
            in: VolumeLimits.extentRange(offset, count), limit: VolumeLimits.extentCount)
    }

    private func view(of id: SnapshotID) throws(Problem) -> SnapshotView {
        if let view = views.withLock({ $0.first { $0.manifest.id == id } }) { return view }
        let view = try engine.openView(of: id)
        keepViews(Self.viewsMaximum - 1)
        views.withLock { $0.append(view) }
        return view
    }

    /// Closes all but so many of those that were opened last.
    private func keepViews(_ count: Int) {
        let gone = views.withLock { views in
            let gone = views.dropLast(count)
            views.removeFirst(gone.count)
            return gone
        }
        for view in gone { view.close() }
    }
}

// MARK: - Clones

extension LocalSession {
    package func previewRevert(
        to id: SnapshotID, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertPreview { try engine.previewRevert(to: id, with: clone) }

    package func revert(
        _ request: RevertRequest, with clone: CloneUse, for client: any RequestClient
    ) throws(Problem) -> RevertOutcome {
        try requireNoClients()
        try engine.takeBackKept()
        defer { host.upkeep?.wake() }
        let overrules = overrulesClients.withLock { $0 }
        return try change.atOnce(for: client) { engine throws(Problem) in
            try engine.revert(
                request, with: clone, overrulesClients: overrules, isAllowed: requireNobodyCame)
        }
    }

    package func createClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) -> CloneRecord {
        try change.atOnce(for: client) { engine throws(Problem) in
            try engine.createClone(request, shape)
        }
    }

    package func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape, for client: any RequestClient
    ) throws(Problem) { try engine.previewCreateClone(request, shape) }

    package func previewDeleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int { try engine.previewDeleteClone(name) }

    package func deleteClone(
        _ name: String, for client: any RequestClient
    ) throws(Problem) -> Int {
        let known = held.withLock { $0 }
        let hold = known?.clone.record.name == name ? known : nil
        return try change.atOnce(for: client) { engine throws(Problem) in
            guard let hold else { return try engine.deleteClone(name) }
            return try engine.deleteClone(hold)
        }
    }

    package func exportClone(
        _ name: String, path: String, holds: Bool, for client: any RequestClient
    ) throws(Problem) -> Int {
        let hold = try engine.holdClone(name)
        do throws(Problem) {
            let bytes = try SnapshotExport(path: path).write(hold, for: client)
            if holds { self.hold(hold) } else { hold.close() }
            return bytes
        } catch {
            hold.close()
            throw error
        }
    }

    package func readClone(
        _ name: String, at offset: Int, count: Int, for client: any RequestClient
    ) throws(Problem) -> VolumeContent {
        let clone = try openClone(name).clone
        return try .read(count: count, at: offset) { (buffer, offset) throws(Problem) in
            try clone.read(into: &buffer, at: offset)
        }
    }

    private func openClone(_ name: String) throws(Problem) -> OpenClone {
        if let known = readClone.withLock({ $0 }), known.clone.record.name == name { return known }
        let opened = try engine.openClone(name, readOnly: true)
        keepClone(opened)
        return opened
    }

    /// Keeps a clone open in the place of another one.
    private func keepClone(_ next: OpenClone?) {
        let former = readClone.withLock { clone in
            defer { clone = next }
            return clone
        }
        former?.close()
    }

    /// Holds a clone in the place of another one.
    private func hold(_ next: CloneHold?) {
        let former = held.withLock { held in
            defer { held = next }
            return held
        }
        former?.close()
    }
}

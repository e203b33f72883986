internal import BlockIO
internal import MergeKit
package import SnapshotModel

/// Performs one session's requests on an open volume, and undoes at the session's end what it left
/// half-done. The same for sessions in process and over the socket, so that both answer alike.
package final class ControlHandler: Sendable {
    let host: VolumeHost
    private let change: SteppedChange
    /// What collections had freed before the session's last deletion; the caretaker may be faster
    /// to collect than the session.
    private let freedBefore = Monitored<Int?>(nil)
    private let overrulesClients = Monitored(false)
    /// Whether what the session has prepared changes the volume's content.
    private let stagesRevert = Monitored(false)

    package init(host: VolumeHost) {
        self.host = host
        change = SteppedChange(host: host)
    }

    private var engine: LiveEngine { host.engine }

    /// Whether the session has something prepared or held.
    package var isUnderWay: Bool { change.isUnderWay }

    /// Ends the session.
    package func close() { change.abandon() }

    /// Performs a request; returns when it is done.
    package func perform(
        _ request: ControlRequest, for client: any RequestClient
    ) throws(Problem) -> ControlReply {
        try checkClients(request)
        switch request {
        case .status: return .status(try engine.status())
        case .clients: return .clients(host.clients.presence())
        case .overruleClients:
            overrulesClients.withLock { $0 = true }
            return .done
        case .letGo:
            guard let letGo = host.letGo.withLock({ $0 }) else {
                throw Problem(.usage, "this process does not let volumes go")
            }
            letGo()
            return .done
        case .snapshot, .revert, .cancelMerge, .delete, .resize:
            return try changeAtOnce(request, for: client)
        case .prepareSnapshot, .prepareRevert, .hold, .commit, .rollBack, .release:
            return try changeInSteps(request, for: client)
        case .mergeStatus, .pauseMerge, .resumeMerge, .throttleMerge, .waitForMerge:
            return try superviseMerge(request, for: client)
        case .previewRevert(let id): return .preview(try engine.previewRevert(to: id))
        case .previewDelete(let ids): return .deleted(try engine.previewDelete(ids))
        case .collect: return .collected(try collect())
        case .export(let id, let path):
            let view = try engine.openView(of: id)
            defer { view.close() }
            return .exported(bytes: try SnapshotExport(path: path).write(view, for: client))
        }
    }

    /// `.refused` when the volume's content would change under clients that have it open.
    private func checkClients(_ request: ControlRequest) throws(Problem) {
        switch request {
        case .revert, .prepareRevert, .cancelMerge, .letGo: break
        case .resize(let bytes) where bytes < engine.geometry.volumeBytes: break
        default: return
        }
        guard !overrulesClients.withLock({ $0 }), let presence = host.clients.presence() else {
            return
        }
        throw presence.problem(engine.record.name)
    }

    /// The same at the last moment, while reads and writes wait: one who has come since the first look
    /// may have read what is about to change.
    private func checkNobodyCame() throws(Problem) {
        guard !overrulesClients.withLock({ $0 }), let presence = host.clients.presenceNow() else {
            return
        }
        throw presence.problem(engine.record.name)
    }

    /// The report's freed bytes are those since the session's last deletion, and its removed areas all
    /// that nobody has been told of: the caretaker may have been faster.
    private func collect() throws(Problem) -> CollectReport {
        var report = try engine.collect()
        report.removedAreas = engine.takeRemovedAreas()
        let before = freedBefore.withLock { before in
            defer { before = nil }
            return before
        }
        if let before { report.freedBytes = engine.freedBytes - before }
        return report
    }

    private func changeAtOnce(
        _ request: ControlRequest, for client: any RequestClient
    ) throws(Problem) -> ControlReply {
        let reply = try change.atOnce(for: client) { engine throws(Problem) -> ControlReply in
            switch request {
            case .snapshot(let request): return .snapshot(try engine.takeSnapshot(request))
            case .revert(let request):
                return .reverted(try engine.revert(request, isAllowed: checkNobodyCame))
            case .cancelMerge(let id):
                return .reverted(try engine.cancelMerge(id, isAllowed: checkNobodyCame))
            case .delete(let ids):
                let before = engine.freedBytes
                freedBefore.withLock { $0 = before }
                return .deleted(try engine.delete(ids))
            case .resize(let bytes):
                try engine.resize(to: bytes) { () throws(Problem) in
                    if bytes < engine.geometry.volumeBytes { try checkNobodyCame() }
                }
                return .volume(engine.record)
            default: preconditionFailure("not a change at once: \(request)")
            }
        }
        if case .delete = request { host.caretaker?.collectSoon() } else { host.caretaker?.wake() }
        return reply
    }

    private func changeInSteps(
        _ request: ControlRequest, for client: any RequestClient
    ) throws(Problem) -> ControlReply {
        switch request {
        case .prepareSnapshot(let request):
            if !change.isUnderWay { stagesRevert.withLock { $0 = false } }
            try change.prepare(for: client) { barrier throws(Problem) in
                try barrier.prepareSnapshot(request)
            }
        case .prepareRevert(let request):
            try change.prepare(for: client) { barrier throws(Problem) in
                try barrier.prepareRevert(request)
            }
            stagesRevert.withLock { $0 = true }
        case .hold(let milliseconds): try change.hold(milliseconds: milliseconds, for: client)
        case .commit:
            if stagesRevert.withLock({ $0 }) { try checkNobodyCame() }
            let committed = try change.commit()
            return .committed(snapshot: committed.snapshot, revert: committed.revert)
        case .rollBack:
            stagesRevert.withLock { $0 = false }
            try change.rollBack()
        case .release:
            stagesRevert.withLock { $0 = false }
            let heldNanoseconds = try change.release()
            host.caretaker?.wake()
            return .released(heldNanoseconds: heldNanoseconds)
        default: preconditionFailure("not a step: \(request)")
        }
        return .done
    }

    private func superviseMerge(
        _ request: ControlRequest, for client: any RequestClient
    ) throws(Problem) -> ControlReply {
        switch request {
        case .mergeStatus: return .merge(engine.mergeProgress())
        case .pauseMerge: try engine.pauseMerge()
        case .resumeMerge: try engine.resumeMerge()
        case .throttleMerge(let rate):
            guard rate.map({ $0 > 0 }) ?? true else {
                throw Problem(.usage, "a merge's rate must be more than 0 bytes per second")
            }
            try engine.throttleMerge(bytesPerSecond: rate)
        case .waitForMerge: try MergeWait(host: host).run(for: client)
        default: preconditionFailure("not about the merge: \(request)")
        }
        host.caretaker?.wake()
        return request == .waitForMerge ? .merge(engine.mergeProgress()) : .done
    }
}

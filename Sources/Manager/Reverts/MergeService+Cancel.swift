internal import Catalog
internal import StoreFormat
internal import SnapshotModel
internal import VolumeAccess

extension MergeService {
    /// Forgets the revert that waits until the volume is closed; else goes back to the safety
    /// snapshot of the running merge, dropping what was written since.
    ///
    /// - Parameter overrulesClients: does it under the clients that have an image open.
    /// - Throws: `notFound` when no merge runs, `refused` when a later snapshot was taken.
    package func cancel(
        _ name: String, isDryRun: Bool, overrulesClients: Bool = false
    ) throws -> RevertReport {
        try context.asJob(.mergeCancel, of: [name]) { context in
            try MergeService(context: context).cancelMerge(
                name, isDryRun: isDryRun, overrulesClients: overrulesClients)
        }
    }

    private func cancelMerge(
        _ name: String, isDryRun: Bool, overrulesClients: Bool
    ) throws -> RevertReport {
        try Reconciler(context).withVolume(name) { volume in
            if let queued = try cancelQueued(volume, isDryRun: isDryRun) { return queued }
            let running = try self.running(volume)
            let safety = try safety(of: running, volume)
            return try context.withSession(volume) { session in
                let clients = try session.clients()
                if overrulesClients {
                    try session.overruleClients()
                } else if let clients {
                    throw clients.problem(name)
                }
                var item = try preview(session, name: name, safety: safety)
                item.clients = clients
                if !isDryRun {
                    try context.end.check()
                    let outcome = try cancel(running, safety: safety, volume, session)
                    item.id = outcome.id
                    item.planBytes = outcome.planBytes
                    item.usableAfterNanoseconds = outcome.usableAfterNanoseconds
                    item.state = outcome.state
                    if !session.mergesByItself {
                        try MergeFollower(context).run(session, volume)
                        item.state = .done
                    }
                }
                return RevertReport(items: [item], set: nil, isDryRun: isDryRun)
            }
        }
    }

    private func cancelQueued(_ volume: VolumeRow, isDryRun: Bool) throws -> RevertReport? {
        let name = volume.record.name
        let queue = QueuedReverts(context)
        guard let target = try queue.target(of: name) else { return nil }
        if !isDryRun { try queue.cancel(name) }
        let item = RevertItem(
            id: nil, volume: name, target: target, safety: nil, planBytes: 0, preserveBytes: nil,
            usableAfterNanoseconds: nil, state: .cancelled, isQueued: true)
        return RevertReport(items: [item], set: nil, isDryRun: isDryRun)
    }

    private func running(_ volume: VolumeRow) throws -> RevertRecord {
        guard let running = try context.reader(volume).runningRevert() else {
            throw Problem(
                .notFound, "no merge runs in volume \(volume.record.name)",
                hint: "run \(.mergeStatus()); to undo a revert that has ended, revert to its "
                    + "safety snapshot")
        }
        return running
    }

    private func safety(of running: RevertRecord, _ volume: VolumeRow) throws -> SnapshotID {
        let name = volume.record.name
        guard running.tookSafetySnapshot else {
            throw Problem(
                .refused,
                "the revert of volume \(name) was begun without a safety snapshot: there is no way "
                    + "back", hint: "wait for it: \(.mergeStatus(name))")
        }
        let safety = running.safetyID
        guard running.safety == volume.snapshotsSeen else {
            throw Problem(
                .refused,
                "a snapshot of volume \(name) was taken since the merge began, so it cannot be "
                    + "cancelled",
                hint: "wait for it (\(.mergeStatus(name))), then run "
                    + "\(.revert(safety))")
        }
        return safety
    }

    private func preview(
        _ session: any VolumeSession, name: String, safety: SnapshotID
    ) throws -> RevertItem {
        let preview = try session.previewRevert(to: safety)
        return RevertItem(
            id: nil, volume: name, target: safety, safety: nil, planBytes: preview.planBytes,
            preserveBytes: preview.preserveBytes, usableAfterNanoseconds: nil, state: nil)
    }

    private func cancel(
        _ running: RevertRecord, safety: SnapshotID, _ volume: VolumeRow,
        _ session: any VolumeSession
    ) throws -> RevertOutcome {
        let id = try context.catalog.beginRevert(volume: volume.record.name, snapshot: safety)
        do {
            let outcome = try session.cancelMerge(id)
            if let row = try context.catalog.revert(running.id) {
                try MergeEnd(context, volume).record(row, .cancelled)
            }
            try RevertCommit(context, outcome, volume: volume).record()
            return outcome
        } catch {
            // What failed first is what people must know; the next command settles the rest.
            try? Reconciler(context).settleQuietly([volume])
            throw error
        }
    }
}

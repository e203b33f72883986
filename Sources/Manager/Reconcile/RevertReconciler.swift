internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import VolumeAccess

/// Puts one volume's unfinished reverts right.
struct RevertReconciler {
    private let context: ManagerContext
    private let facts: StoreFacts
    private let log: ReconcileLog

    init(_ context: ManagerContext, _ facts: StoreFacts, _ log: ReconcileLog) {
        self.context = context
        self.facts = facts
        self.log = log
    }

    private var volume: String { facts.volume.record.name }

    func run() throws {
        let all = try context.catalog.reverts(volume: volume)
        for row in all where row.isUnfinished {
            // Whether it counts may stand in a store that is not there now: it waits for that.
            guard let isGroupCommitted = try isGroupCommitted(row) else { continue }
            let verdict = RevertVerdict(
                row: row, running: try facts.running(), ended: facts.reader.record.endedReverts,
                others: all, isGroupCommitted: isGroupCommitted)
            do {
                try carryOut(verdict, on: row)
            } catch let problem as Problem where problem.isForLater {
                continue
            }
        }
        // A clone that ends with a merge loses its record before the merge is over.
        if all.contains(where: \.isUnfinished) {
            try EndedClones(context, facts.volume).takeOver()
        }
    }

    /// Whether another volume of the group is known, or seen in its store, to have been reverted;
    /// nil when none is and a store cannot be read.
    private func isGroupCommitted(_ row: RevertRow) throws -> Bool? {
        guard let key = row.groupKey, let group = row.group else { return false }
        var isCertain = true
        for name in group where name != volume {
            guard let other = try context.catalog.volume(named: name) else { continue }
            guard
                let revert = try context.catalog.reverts(volume: name)
                    .first(where: { $0.groupKey == key })
            else { continue }
            if revert.state != nil { return true }
            guard let reader = try? context.reader(other) else {
                isCertain = false
                continue
            }
            if try reader.runningRevert()?.id == revert.id { return true }
            if reader.record.endedReverts.contains(revert.id) { return true }
        }
        return isCertain ? false : nil
    }

    private func carryOut(_ verdict: RevertVerdict, on row: RevertRow) throws {
        switch verdict {
        case .keep: return
        case .commit:
            try commit(row)
            try say(
                "the revert to snapshot \(row.snapshot) was done, and is in the catalog now", row)
        case .commitAndFinish:
            try commit(row)
            try finish(row, .done)
            try say("the revert to snapshot \(row.snapshot) was done, and its merge has ended", row)
        case .rollForward:
            try rollForward(row)
            try say(
                "another volume of the same set was reverted: so is this one now, to snapshot "
                    + "\(row.snapshot)", row)
        case .abandon:
            try context.catalog.abandonRevert(row.id)
            try say("the revert to snapshot \(row.snapshot) was begun but not done: forgotten", row)
        case .finish(let state):
            // No anomaly: whoever served the volume ended the merge, and cannot write here.
            try finish(row, state)
        }
    }

    private func commit(_ row: RevertRow) throws {
        // A merge that has ended does not tell any more how much it was.
        let planChunks = try facts.running()?.planChunkCount ?? 0
        try context.catalog.commitRevert(
            row.id, safety: try facts.safety(of: row.id)?.id,
            planBytes: planChunks.multipliedClamped(
                by: facts.volume.record.geometry.chunkBytes))
    }

    private func finish(_ row: RevertRow, _ state: MergeState) throws {
        try MergeEnd(context, facts.volume).record(row, state)
    }

    private func rollForward(_ row: RevertRow) throws {
        let request = RevertRequest(
            id: row.id, target: row.snapshot,
            safety: try safety(of: row).map {
                SnapshotRequest(id: $0.id, description: SnapshotDescription(of: $0.manifest))
            })
        let outcome = try context.withSession(facts.volume) { session in
            try session.revert(request)
        }
        try RevertCommit(context, outcome, volume: facts.volume).record()
    }

    /// The safety snapshot that a revert shall take: as it was begun. When the store has that one
    /// already, a crash came between it and its revert: another one is begun, which is of the moment
    /// of the revert, and the earlier one goes (see ``Reconciler``).
    private func safety(of row: RevertRow) throws -> SnapshotRow? {
        let begun = try context.catalog.unfinished(volume: volume).first { $0.revertID == row.id }
        guard let begun, try facts.manifest(begun.id) != nil else { return begun }
        let id = try context.catalog.atomically("beginning another safety snapshot") {
            var description = SnapshotDescription(of: begun.manifest)
            description.idFloor = try context.catalog.idFloor()
            return try context.catalog.beginSnapshot(volume: volume, description: description)
        }
        return try context.catalog.snapshot(id)
    }

    private func say(_ text: String, _ row: RevertRow) throws {
        try log.say(text, volume: volume, snapshot: row.snapshot)
    }
}

extension SnapshotDescription {
    /// What a request for this snapshot said.
    init(of manifest: SnapshotManifest) {
        self.init(
            kind: manifest.kind, consistency: manifest.consistency, name: manifest.name,
            setID: manifest.setID, setName: manifest.setName, setVolumes: manifest.setVolumes,
            schedule: manifest.schedule, slot: manifest.slot, tags: manifest.tags,
            note: manifest.note,
            revertID: manifest.revertID, idFloor: manifest.idFloor)
    }
}

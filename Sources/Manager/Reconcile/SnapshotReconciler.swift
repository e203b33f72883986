internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// Carries out what was decided about one volume's unfinished snapshots.
struct SnapshotReconciler {
    private let context: ManagerContext
    private let facts: StoreFacts
    private let log: ReconcileLog

    init(_ context: ManagerContext, _ facts: StoreFacts, _ log: ReconcileLog) {
        self.context = context
        self.facts = facts
        self.log = log
    }

    private var volume: String { facts.volume.record.name }

    /// What needs a volume that somebody else keeps busy is left for a later command.
    func carryOut(_ verdict: SnapshotVerdict, on row: SnapshotRow) throws {
        do {
            try carryOutNow(verdict, on: row)
        } catch let problem as Problem where problem.isForLater {
            return
        }
    }

    private func carryOutNow(_ verdict: SnapshotVerdict, on row: SnapshotRow) throws {
        switch verdict {
        case .commit(let manifest):
            try context.catalog.atomically("recording a snapshot") {
                try context.catalog.commitSnapshot(manifest, volume: volume)
                try AreaBookkeeper(context, facts.volume).snapshotTaken(manifest.ordinal)
            }
            try say("snapshot \(row.id) had been taken, and is in the catalog now", row)
        case .commitAndDelete(let manifest):
            try context.catalog.atomically("recording a snapshot to delete") {
                try context.catalog.commitSnapshot(manifest, volume: volume, servesSlot: false)
                try context.catalog.markDeleting([row.id])
            }
            if manifest.isDeleted {
                try collect(row.id, ordinal: manifest.ordinal)
            } else {
                try delete(row.id, ordinal: manifest.ordinal)
            }
            try say(
                "snapshot \(row.id) was part of a set that is not complete, and is deleted", row)
        case .abandon:
            try context.catalog.abandonSnapshot(row.id)
            if let set = row.setID { try context.catalog.abandonSet(set) }
            try say("snapshot \(row.id) was begun but never taken, and is forgotten", row)
        case .delete:
            try delete(row.id, ordinal: row.ordinal)
            try say("snapshot \(row.id) was being deleted, and is gone now", row)
        case .collect:
            try collect(row.id, ordinal: row.ordinal)
            try say("snapshot \(row.id) had been deleted, and what it held is freed", row)
        case .forget:
            try forget(row.id, ordinal: row.ordinal, removedAreas: [])
            try say("snapshot \(row.id) had been deleted, and is forgotten", row)
        case .wait: return
        }
    }

    private func delete(_ id: SnapshotID, ordinal: SnapshotOrdinal) throws {
        let collected = try context.withSession(facts.volume) { session in
            try Deletion(session: session, volume: volume).carryOut([id])
        }
        try forget(id, ordinal: ordinal, removedAreas: collected.removedAreas)
    }

    private func collect(_ id: SnapshotID, ordinal: SnapshotOrdinal) throws {
        let collected = try context.withSession(facts.volume) { session in
            try Deletion(session: session, volume: volume).collect()
        }
        try forget(id, ordinal: ordinal, removedAreas: collected.removedAreas)
    }

    private func forget(
        _ id: SnapshotID, ordinal: SnapshotOrdinal, removedAreas: [SnapshotOrdinal]
    ) throws {
        try context.catalog.atomically("recording a deletion") {
            try context.catalog.removeSnapshots([id])
            let books = AreaBookkeeper(context, facts.volume)
            try books.snapshotsDeleted(books.sizesBeside([ordinal]), removedAreas: removedAreas)
        }
    }

    private func say(_ text: String, _ row: SnapshotRow) throws {
        try log.say(text, volume: volume, snapshot: row.id)
    }
}

extension Problem {
    /// Whether the same may succeed once somebody else has finished with the volume.
    var isForLater: Bool { code == .locked || code == .refused }
}

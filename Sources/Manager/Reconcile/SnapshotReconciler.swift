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

    /// Ends deletions: the volume is opened once for all of them. When one cannot go yet, they are tried in
    /// halves, and what a command has not ended after some openings is left for a later one.
    func finish(_ deletions: [(row: SnapshotRow, verdict: SnapshotVerdict)]) throws {
        // What the store has forgotten already needs nobody's volume.
        let forgotten = deletions.filter { $0.verdict == .forget }
        if !forgotten.isEmpty { try finishTogether(forgotten) }
        var openings = Self.openingsMaximum
        try finish(deletions.filter { $0.verdict != .forget }, &openings)
    }

    private static let openingsMaximum = 16

    private func finish(
        _ deletions: [(row: SnapshotRow, verdict: SnapshotVerdict)], _ openings: inout Int
    ) throws {
        guard !deletions.isEmpty, openings > 0 else { return }
        openings -= 1
        do {
            try finishTogether(deletions)
        } catch let problem as Problem where problem.isForLater {
            guard deletions.count > 1, problem.code == .refused else { return }
            let half = deletions.count / 2
            try finish(Array(deletions[..<half]), &openings)
            try finish(Array(deletions[half...]), &openings)
        }
    }

    private func finishTogether(
        _ deletions: [(row: SnapshotRow, verdict: SnapshotVerdict)]
    ) throws {
        let unmarked = deletions.filter { $0.verdict == .delete }.map(\.row.id)
        var removed: [SnapshotOrdinal] = []
        if deletions.contains(where: { $0.verdict != .forget }) {
            removed = try context.withSession(facts.volume) { session in
                let deletion = Deletion(session: session, volume: volume)
                return try unmarked.isEmpty ? deletion.collect() : deletion.carryOut(unmarked)
            }.removedAreas
        }
        try forget(
            deletions.map(\.row.id), ordinals: deletions.map(\.row.ordinal), removedAreas: removed)
        for (row, verdict) in deletions { try say(Self.end(of: row, verdict), row) }
    }

    private static func end(of row: SnapshotRow, _ verdict: SnapshotVerdict) -> String {
        switch verdict {
        case .delete: "snapshot \(row.id) was being deleted, and is gone now"
        case .collect: "snapshot \(row.id) had been deleted, and what it held is freed"
        default: "snapshot \(row.id) had been deleted, and is forgotten"
        }
    }

    private func carryOutNow(_ verdict: SnapshotVerdict, on row: SnapshotRow) throws {
        switch verdict {
        case .commit(let manifest):
            let books = AreaBookkeeper(context, facts.volume)
            let usage = books.settled(before: manifest.ordinal)
            try context.catalog.atomically("recording a snapshot") {
                try context.catalog.commitSnapshot(manifest, volume: volume)
                try books.snapshotTaken(manifest.ordinal, usage)
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
        case .delete, .collect, .forget: try finishTogether([(row, verdict)])
        case .wait: return
        }
    }

    private func delete(_ id: SnapshotID, ordinal: SnapshotOrdinal) throws {
        let collected = try context.withSession(facts.volume) { session in
            try Deletion(session: session, volume: volume).carryOut([id])
        }
        try forget([id], ordinals: [ordinal], removedAreas: collected.removedAreas)
    }

    private func collect(_ id: SnapshotID, ordinal: SnapshotOrdinal) throws {
        let collected = try context.withSession(facts.volume) { session in
            try Deletion(session: session, volume: volume).collect()
        }
        try forget([id], ordinals: [ordinal], removedAreas: collected.removedAreas)
    }

    private func forget(
        _ ids: [SnapshotID], ordinals: [SnapshotOrdinal], removedAreas: [SnapshotOrdinal]
    ) throws {
        let books = AreaBookkeeper(context, facts.volume)
        let sizes = try books.sizesBeside(ordinals)
        let extended = try books.extended(removedAreas)
        try context.catalog.atomically("recording a deletion") {
            try context.catalog.removeSnapshots(ids)
            try books.snapshotsDeleted(sizes, removedAreas: removedAreas, extended)
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

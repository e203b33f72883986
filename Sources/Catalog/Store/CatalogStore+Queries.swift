import GRDB
package import SnapshotModel

extension CatalogStore {
    /// A snapshot in any phase.
    package func snapshot(_ id: SnapshotID) throws -> SnapshotRow? {
        try select("looking for snapshot \(id)") { $0.require("s.id = ?", [id.rawValue]) }.first
    }

    /// Those of some snapshots that are there, in any phase, by id.
    package func snapshots(_ ids: [SnapshotID]) throws -> [SnapshotRow] {
        try select("looking for \(ids.count) snapshots") {
            $0.require("s.id \(NumberList.isMember)", [NumberList(ids)])
        }
    }

    /// All snapshots of a volume but unfinished creations, oldest first.
    ///
    /// - Throws: `notFound` when there is no such volume; so do all look-ups by volume.
    package func snapshots(volume: String) throws -> [SnapshotRow] {
        try snapshots(query: SnapshotQuery(volumes: [volume], order: .ordinal))
    }

    /// What a crash, or somebody at work, has left in creation or deletion, by id.
    package func unfinished(volume: String) throws -> [SnapshotRow] {
        try select("looking for unfinished snapshots of volume \(volume)", volume: volume) {
            $0.require("s.phase <> 'present'")
        }
    }

    package func snapshots(query: SnapshotQuery) throws -> [SnapshotRow] {
        try read("listing snapshots") { database in
            try SnapshotSelection(query, database).rows(database, at: now())
        }
    }

    /// How SQLite finds the rows of a query: what tells whether an index serves it.
    func plan(of query: SnapshotQuery) throws -> [String] {
        try read("planning a query") { database in
            try SnapshotSelection(query, database).plan(database)
        }
    }

    /// The snapshots of that name that are not being deleted, by id. Names need not be unique.
    package func snapshots(volume: String, named name: String) throws -> [SnapshotRow] {
        try select("looking for snapshot \(volume)@\(name)", volume: volume) {
            $0.require("s.phase = 'present'")
            $0.require("s.name = ?", [name])
        }
    }

    /// How many a query finds, whatever its page.
    package func snapshotCount(query: SnapshotQuery) throws -> Int {
        try read("counting snapshots") { try SnapshotSelection(query, $0).count($0) }
    }

    /// The newest snapshot of a volume that is not being deleted.
    package func latestSnapshot(volume: String) throws -> SnapshotRow? {
        try select("looking for snapshot \(volume)@latest", volume: volume) {
            $0.require("s.phase = 'present'")
            $0.require("s.ordinal > 0")
            $0.order(by: "s.ordinal DESC")
            $0.page(limit: 1)
        }.first
    }

    /// The newest snapshot of a volume that was taken at `time` or before, and is not being deleted.
    package func latestSnapshot(volume: String, notAfter time: Timestamp) throws -> SnapshotRow? {
        try select("looking for snapshot \(volume)@\(time)", volume: volume) {
            $0.require("s.phase = 'present'")
            $0.require("s.taken_at <= ?", [time.stored])
            $0.order(by: "s.taken_at DESC, s.id DESC")
            $0.page(limit: 1)
        }.first
    }

    /// The snapshot with that place in the volume's chain.
    package func snapshot(volume: String, ordinal: SnapshotOrdinal) throws -> SnapshotRow? {
        try select("looking for snapshot \(ordinal) of volume \(volume)", volume: volume) {
            $0.require("s.ordinal > 0")
            $0.require("s.ordinal = ?", [ordinal.rawValue])
        }.first
    }

    /// The snapshot that is nearest to an ordinal on one side of it, of those that are there. One
    /// look-up in an index, and a step for each that is being deleted.
    package func nearestSnapshot(
        volume: String, to ordinal: SnapshotOrdinal, _ side: ChainSide
    ) throws -> SnapshotRow? {
        try select("looking for the \(side) neighbour of snapshot \(ordinal)", volume: volume) {
            $0.require("s.ordinal > 0 AND s.phase = 'present'")
            switch side {
            case .older: $0.require("s.ordinal < ?", [ordinal.rawValue])
            case .newer: $0.require("s.ordinal > ?", [ordinal.rawValue])
            }
            $0.order(by: side == .older ? "s.ordinal DESC" : "s.ordinal")
            $0.page(limit: 1)
        }.first
    }

    /// The ordinals of the snapshots of a stretch that are neither gone nor being deleted, ascending.
    package func liveOrdinals(
        volume: String, in ordinals: Range<SnapshotOrdinal>
    ) throws -> [SnapshotOrdinal] {
        try read("listing the snapshots of volume \(volume)") { database in
            try Row.map(
                database,
                sql: """
                    SELECT ordinal FROM snapshot
                    WHERE volume_id = ? AND ordinal >= ? AND ordinal < ? AND phase = 'present'
                    ORDER BY ordinal
                    """,
                arguments: [
                    try Self.volumeID(database, volume), ordinals.lowerBound.rawValue,
                    ordinals.upperBound.rawValue,
                ]
            ) { try $0.raw() }
        }
    }

    /// Whether a revert has taken one of a stretch of snapshots, also of one that is being deleted.
    package func hasSafetySnapshot(
        volume: String, in ordinals: Range<SnapshotOrdinal>
    ) throws -> Bool {
        try read("looking for safety snapshots of volume \(volume)") { database in
            try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT 1 FROM snapshot WHERE volume_id = ? AND ordinal > 0
                        AND ordinal >= ? AND ordinal < ? AND kind = ?)
                    """,
                arguments: [
                    try Self.volumeID(database, volume), ordinals.lowerBound.rawValue,
                    ordinals.upperBound.rawValue, SnapshotKind.safety.rawValue,
                ]) ?? false
        }
    }

    /// The members of a set in any phase, by id.
    package func snapshots(set: SetID) throws -> [SnapshotRow] {
        try select("looking for the snapshots of set \(set)") {
            $0.require("s.set_id = ?", [set.rawValue])
        }
    }

    private func select(
        _ action: @autoclosure () -> String, volume: String? = nil,
        _ configure: (inout SnapshotSelection) -> Void
    ) throws -> [SnapshotRow] {
        try read(action()) { database in
            var selection = SnapshotSelection()
            if let volume {
                selection.require("s.volume_id = ?", [try Self.volumeID(database, volume)])
            }
            configure(&selection)
            return try selection.rows(database, at: now())
        }
    }
}

/// A side of a snapshot in its chain.
package enum ChainSide: Sendable {
    case older
    case newer
}

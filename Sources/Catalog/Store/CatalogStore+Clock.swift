import GRDB
package import SnapshotModel

/// What the catalog remembers of the clocks: ``anchor`` is the last reading that was believed, the
/// others are of a clock that has left it.
package struct ClockRow: Hashable, Sendable {
    package var anchor: ClockReading
    package var since: ClockReading?
    package var last: ClockReading?
    package var steadyNanoseconds: Int64

    package init(
        anchor: ClockReading, since: ClockReading? = nil, last: ClockReading? = nil,
        steadyNanoseconds: Int64 = 0
    ) {
        self.anchor = anchor
        self.since = since
        self.last = last
        self.steadyNanoseconds = steadyNanoseconds
    }
}

extension CatalogStore {
    /// Nil when no clock was ever looked at.
    package func clock() throws -> ClockRow? {
        try read("reading what is known of the clocks") { database in
            let readings = try Row.map(
                database, sql: "SELECT role, wall, boot_id, boot, steady FROM clock_reading"
            ) { reader in
                (
                    role: try reader.value(String.self),
                    reading: ClockReading(
                        wall: try reader.timestamp(), bootID: try reader.value(),
                        bootNanoseconds: try reader.value()),
                    steady: try reader.value(Int64.self)
                )
            }
            func find(_ role: String) -> ClockReading? {
                readings.first { $0.role == role }?.reading
            }
            guard let anchor = find("anchor") else { return nil }
            return ClockRow(
                anchor: anchor, since: find("since"), last: find("last"),
                steadyNanoseconds: readings.first { $0.role == "last" }?.steady ?? 0)
        }
    }

    package func setClock(_ row: ClockRow) throws {
        try write("recording the clocks") { database in
            try database.execute(sql: "DELETE FROM clock_reading")
            let readings = [("anchor", row.anchor), ("since", row.since), ("last", row.last)]
            for case (let role, let reading?) in readings as [(String, ClockReading?)] {
                try database.execute(
                    sql: """
                        INSERT INTO clock_reading (role, wall, boot_id, boot, steady)
                        VALUES (?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        role, reading.wall.stored, reading.bootID, reading.bootNanoseconds,
                        row.steadyNanoseconds,
                    ])
            }
        }
    }

    /// The newest moment that any snapshot was taken at; nil without one.
    package func newestMoment() throws -> Timestamp? {
        try read("looking for the newest snapshot") {
            try Int64.fetchOne(
                $0, sql: "SELECT max(taken_at) FROM snapshot WHERE phase <> 'creating'"
            ).map(Timestamp.init(stored:))
        }
    }
}

import Foundation
import TestKit
import Testing

/// Catalogs that somebody else has written to: the built binary refuses or answers, and never traps.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"),
    .enabled(if: isInstalled("sqlite3"), "needs sqlite3"))
struct HostileCatalogTests {
    private func harness() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        for volume in ["data", "more"] {
            try harness.json(
                "volume", "create", volume, "--origin", "\(volume).img", "--create-size", "1M")
            try harness.json("snapshot", volume, "--name", "one", "--note", "text")
        }
        try harness.json("snapshot", "data", "more", "--set", "both")
        try harness.json("hold", "data@one", "--reason", "test")
        return harness
    }

    private func change(_ harness: CommandLineHarness, _ statements: String) throws {
        let result = try harness.tool(
            ["sqlite3", harness.folder + "/state/catalog.sqlite", statements])
        #expect(result.status == 0, "\(statements): \(result.errors)")
    }

    /// Lets every column take any value, as a file may that was made by other means.
    private func loosen(_ harness: CommandLineHarness) throws {
        try change(
            harness,
            """
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = replace(replace(sql, ') STRICT', ')'), ' NOT NULL', '')
                WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%';
            """)
    }

    private static let verbs = [
        ["list"], ["list", "--json"], ["list", "--set"], ["show", "1"], ["show", "1", "--json"],
        ["volume", "list"], ["volume", "show", "data"], ["status"], ["status", "--prometheus"],
        ["events"], ["hold", "list"], ["merge", "status"], ["diff", "1"], ["prune", "-n"],
        ["policy", "simulate", "data", "--for", "1d"], ["tick", "-n"], ["check"],
        ["snapshot", "data"],
    ]

    private func expectAnswers(_ harness: CommandLineHarness, _ what: String) throws {
        let plugin = try harness.run("status", "--nagios")
        #expect((0...3).contains(plugin.status), "\(what): \(plugin)")
        #expect(plugin.output.hasPrefix("SNAPMGR "), "\(what): \(plugin)")
        for verb in Self.verbs {
            let result = try harness.run(verb)
            #expect((0...13).contains(result.status), "\(what): \(verb): \(result)")
        }
    }

    private static let numbers = ["9223372036854775807", "-9223372036854775808"]

    @Test(
        "M4: numbers beyond all bounds in the catalog are refused or told",
        arguments: [
            "volume SET snapshots_seen", "volume SET volume_bytes", "volume SET chunk_bytes",
            "volume SET floor_snapshot", "snapshot SET taken_at", "snapshot SET volume_bytes",
            "snapshot SET changed_bytes", "snapshot SET exclusive_bytes", "hold SET until",
            "event SET time", "snapshot_set SET created_at", "snapshot_set SET held_nanoseconds",
            "sqlite_sequence SET seq", "chunk_map SET exceptions", "chunk_segment SET segment",
        ])
    func numbers(column: String) throws {
        let harness = try harness()
        for number in Self.numbers {
            try change(harness, "UPDATE OR IGNORE \(column) = \(number)")
            try expectAnswers(harness, "\(column) = \(number)")
        }
    }

    @Test(
        "M4: values of another type in the catalog are refused or told",
        arguments: ["'text'", "x'00ff'", "NULL", "1e300"])
    func types(value: String) throws {
        let harness = try harness()
        try loosen(harness)
        for column in [
            "volume SET snapshots_seen", "snapshot SET taken_at", "snapshot SET ordinal",
            "snapshot SET name", "volume SET volume_bytes", "event SET message", "volume SET name",
        ] {
            try change(harness, "UPDATE OR IGNORE \(column) = \(value)")
            try expectAnswers(harness, "\(column) = \(value)")
        }
    }

    @Test("L2: a view without an end, or a trigger, in the catalog is refused, and nothing hangs")
    func views() throws {
        for statements in [
            "CREATE VIEW harmless AS SELECT 1",
            "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM snapshot; END",
            "CREATE TABLE strange (x)",
            """
            ALTER TABLE volume RENAME TO other;
            CREATE VIEW volume AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                SELECT x AS id, x AS name, x AS uuid, x AS driver, x AS store_path FROM n
            """,
        ] {
            let harness = try harness()
            try change(harness, statements)
            let result = try harness.run("list")
            // What takes one of them would not end with the last.
            try #require(result.status == 1, "\(statements)")
            #expect(result.errors.contains("that snapmgr does not make"), "\(result)")
            #expect(try harness.run("status", "--nagios").status == 3)
        }
    }

    @Test("H5: a pipe in the place of the catalog is refused at once")
    func pipe() throws {
        let harness = try harness()
        let path = harness.folder + "/state/catalog.sqlite"
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
        #expect(mkfifo(path, 0o600) == 0)
        #expect(try harness.run("list").status == 1)
        #expect(try harness.run("status", "--nagios").status == 3)
    }

    @Test("M4: a number beyond all bounds is told where it is read")
    func told() throws {
        let harness = try harness()
        try change(harness, "UPDATE volume SET snapshots_seen = \(Self.numbers[0])")
        let result = try harness.run("volume", "list")
        #expect(result.status == 1, "\(result)")
        #expect(result.errors.contains("snapshots_seen"), "\(result.errors)")
    }

    @Test("what is damaged in the catalog's numbers is made anew from the stores")
    func rebuild() throws {
        for column in ["sqlite_sequence SET seq", "volume SET snapshots_seen"] {
            let harness = try harness()
            try change(harness, "UPDATE \(column) = 9223372036854775807")
            #expect(try harness.run("snapshot", "data").status == 1)
            #expect(try harness.run("catalog", "rebuild").status == 0)
            #expect(try harness.run("snapshot", "data").status == 0)
        }
    }
}

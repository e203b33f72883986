import System
import DeviceMapper
import Glibc
import SnapshotModel
import StoreFormat
import TestKit

/// Clones of clones under device-mapper by the command line, and a database in one.
enum CloneLayerCases {
    static let cases = [
        GuestCase("clones of clones ten deep, and two of one snapshot, go on apart", body: tenDeep),
        GuestCase("a database is upgraded in a clone, merged back whole, and undone") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            let database = "/app.db"
            try Tool.run(
                "sqlite3", point + database,
                """
                PRAGMA journal_mode = wal; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                    INSERT INTO t SELECT i, 'row ' || i FROM n;
                PRAGMA user_version = 1;
                """)
            let first = try rig.snapshot("data", "one")
            try Tool.run("sqlite3", point + database, "INSERT INTO t(name) VALUES('later')")
            try rig.snapmgr.run("clone", "create", "\(first)", "trial")
            let folder = try rig.viewFolder("trial")
            try rig.snapmgr.run("mount", "trial", folder)
            try interruptWriter(to: folder + database)
            try expectEqual(try say(folder, "PRAGMA integrity_check"), "ok", "the database")
            try Tool.run(
                "sqlite3", folder + database,
                """
                BEGIN; DELETE FROM t WHERE id > 5000; ALTER TABLE t ADD COLUMN length INTEGER;
                UPDATE t SET length = length(name); PRAGMA user_version = 2; COMMIT;
                """)
            try rig.snapmgr.run("umount", folder)

            try rig.unmount(point)
            let revert = try rig.snapmgr.run(
                "revert", "\(first)", "--with", "trial", "--end-clone", "--wait", "--json")
            try rig.mount(CommandRig.device("data"), on: point)
            let question = "PRAGMA integrity_check; PRAGMA user_version; SELECT count(*) FROM t"
            try expectEqual(try say(point, question), "ok\n2\n5000", "the upgraded database")
            try expectEqual(
                try say(point, "SELECT sum(length) FROM t"), "38893", "what the upgrade added")
            try rig.unmount(point)
            try rig.checkFilesystem(CommandRig.device("data"))

            let safety = try require(revert.number("safety_snapshot_id"), "safety snapshot")
            try rig.snapmgr.run("revert", "\(safety)", "--wait")
            try rig.mount(CommandRig.device("data"), on: point)
            try expectEqual(try say(point, question), "ok\n1\n5001", "the database as it was")
        },
    ]

    private static func say(_ folder: String, _ question: String) throws -> String {
        let text = try Tool.run("sqlite3", folder + "/app.db", question)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }

    /// A program dies that commits to a database, in the middle of whatever it does.
    private static func interruptWriter(to path: String) throws {
        let statements = try Tool.scratch("statements")
        let line = "INSERT INTO t(name) VALUES('extra'); SELECT 'done';\n"
        try Tool.write(String(repeating: line, count: 20_000), to: statements)
        let answers = try Tool.scratch("answers")
        let writer = try ChildProcess.start([
            "bash", "-c", "exec stdbuf -oL sqlite3 \"$1\" <\"$2\" >\"$3\" 2>&1", "writer", path,
            statements, answers,
        ])
        let deadline = Deadline(milliseconds: 60_000)
        while try access(answers, F_OK) != 0 || Tool.read(answers).count < 20 {
            try expect(!deadline.hasPassed, "the database commits nothing")
            usleep(10_000)
        }
        kill(writer, SIGKILL)
        ChildProcess.wait(for: writer)
    }

    private static let depth = 10

    private static func tenDeep(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        try rig.create("data", on: rig.origins[0])
        let old = try rig.fill("data", version: 1, seed: 13)
        let first = try rig.snapshot("data", "one")
        let new = try rig.fill("data", version: 2, seed: 13)
        var contents: [String: DiskContent] = [:]
        for number in 0...depth {
            // Two of the snapshot, the others each of the one before.
            let parent = number < 2 ? "data@one" : "c\(number - 1)"
            try rig.snapmgr.run("clone", "create", parent, "c\(number)")
            contents["c\(number)"] = number < 2 ? old : contents[parent]
            try write(number * 3, 10 + number, "c\(number)", &contents)
        }
        try check(contents)
        // Each goes on beside those that began as it was.
        for number in 0...depth { try write(number * 3 + 2, 30 + number, "c\(number)", &contents) }
        try check(contents)
        try rig.snapmgr.run("deactivate", "data")
        try rig.snapmgr.run("activate", "data")
        try check(contents)

        try rig.snapmgr.run("clone", "delete", "c5")
        contents["c5"] = nil
        let deepest = try require(contents["c\(depth)"], "deepest clone")
        try rig.snapmgr.run("revert", "\(first)", "--with", "c\(depth)", "--wait")
        try deepest.expect(
            on: DirectDevice(path: CommandRig.device("data")), "the volume after the revert")
        try check(contents)
        for name in contents.keys.sorted() where name != "c\(depth)" {
            try rig.snapmgr.run("clone", "delete", name)
            contents[name] = nil
        }
        try check(contents)
        try rig.snapmgr.run("check", "data")
        try rig.snapmgr.run("clone", "delete", "c\(depth)")
        let folders = try Store(folder: FileFolder(path: CommandRig.store("data"))).cloneFolders()
        try expectEqual(folders, [], "folders of clones")
        let safety = try require(
            rig.snapmgr.run("list", "data", "--kind", "safety", "--json").number("id"),
            "safety snapshot")
        try rig.snapmgr.run("revert", "\(safety)", "--wait")
        try new.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume at the end")
    }

    private static func path(_ name: String) throws -> String {
        let reader = try StoreReader(folder: FileFolder(path: CommandRig.store("data")))
        let clone = try require(reader.clones().first { $0.name == name }, "clone \(name)")
        return DeviceName(volume: "data", .clone(clone.ordinal)).path
    }

    private static func write(
        _ block: Int, _ version: Int, _ name: String, _ contents: inout [String: DiskContent]
    ) throws {
        let blocks = block..<block + 4
        contents[name]?.set(ChunkPattern.Version(version), blocks: blocks)
        try contents[name]?.write(blocks, to: DirectDevice(path: path(name)))
    }

    private static func check(_ contents: [String: DiskContent]) throws {
        for (name, content) in contents.sorted(by: { $0.key < $1.key }) {
            try content.expect(
                on: DirectDevice(path: path(name), isReadOnly: true), "clone \(name)")
        }
    }
}

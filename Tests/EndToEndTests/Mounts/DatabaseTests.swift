import Foundation
import Glibc
import SnapshotModel
import Testing

extension EndToEndMounts {
    /// A database that is upgraded in a clone, which then becomes the volume.
    @Suite struct DatabaseTests {
        /// Of the lengths of all names.
        private static let sum = "38893"

        @Test("a database is upgraded in a clone, through a crash, merged back whole, and undone")
        func upgrade() throws {
            let scene = try MountScene()
            try scene.run(
                """
                sqlite3 source/app.db "PRAGMA journal_mode = wal;
                    CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
                        INSERT INTO t SELECT i, 'row ' || i FROM n;
                    PRAGMA user_version = 1"
                """)
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            try scene.harness.json("clone", "create", "1", "trial")

            try crash(scene)
            try scene.mount("trial")
            #expect(try query(scene, "PRAGMA integrity_check") == "ok")
            try scene.run(
                """
                sqlite3 view/app.db "BEGIN; DELETE FROM t WHERE id > 5000;
                    ALTER TABLE t ADD COLUMN length INTEGER;
                    UPDATE t SET length = length(name); PRAGMA user_version = 2; COMMIT"
                """)
            try scene.unmount()

            let safety = try revert(scene, "1", "--with", "trial", "--end-clone")
            #expect(
                try shown(scene, "PRAGMA user_version; SELECT count(*), sum(length) FROM t")
                    == "2\n5000|\(Self.sum)")
            _ = try revert(scene, safety)
            #expect(try shown(scene, "PRAGMA user_version; SELECT count(*) FROM t") == "1\n5000")
            #expect(try scene.harness.json("check", "--data")["damaged"] as? Int == 0)
        }

        /// The program that shows the clone's bytes dies under a database that is written to.
        private func crash(_ scene: MountScene) throws {
            try scene.mount("trial")
            let helpers = scene.records.first?["helpers"] as? [[String: Any]]
            let helper = try #require(helpers?.first?["id"] as? Int)
            try scene.run(
                """
                for number in $(seq 500); do
                    sqlite3 view/app.db "INSERT INTO t(name) VALUES('extra $number')" || break
                    touch written
                done >/dev/null 2>&1 &
                until [[ -e written ]]; do sleep 0.02; done
                kill -9 \(helper)
                wait
                """)
            _ = try scene.harness.run("umount", scene.path("view"))
        }

        private func query(_ scene: MountScene, _ text: String) throws -> String {
            try scene.run("sqlite3 view/app.db '\(text)'")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }

        /// What the database says in the volume as it is, by a snapshot that is taken for it.
        private func shown(_ scene: MountScene, _ text: String) throws -> String {
            try scene.harness.json("snapshot", "data")
            try scene.mount("data@latest")
            defer { try? scene.unmount() }
            return try scene.run("sqlite3 'file:view/app.db?immutable=1' '\(text)'")
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }

        /// - Returns: the snapshot that undoes it.
        private func revert(_ scene: MountScene, _ arguments: String...) throws -> String {
            let result = try scene.harness.run(
                ["revert"] + arguments + ["--wait", "--yes", "--json"])
            let answer = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
            let report = (answer as? [String: Any])?["revert"] as? [String: Any]
            guard let safety = report?["safety_snapshot_id"] as? Int else {
                throw Problem(.failed, "\(arguments): \(result)")
            }
            return "\(safety)"
        }
    }
}

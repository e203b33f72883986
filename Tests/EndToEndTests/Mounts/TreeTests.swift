import Foundation
import Glibc
import SnapshotModel
import Testing

extension EndToEndMounts {
    /// All snapshots of a volume in one mount.
    @Suite struct TreeTests {
        private func scene(isDirty: Bool = false) throws -> MountScene {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img", isDirty: isDirty)
            return scene
        }

        /// Mounts all, and returns the answer.
        @discardableResult
        private func mountAll(_ scene: MountScene, _ options: String...) throws -> [String: Any] {
            let arguments =
                [
                    "mount", "--all", "data", (try? scene.folder("all")) ?? scene.path("all"),
                    "--json",
                ]
                + options
            let result = try scene.harness.run(arguments)
            guard result.status == 0,
                let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
                    as? [String: Any], let report = document["mount"] as? [String: Any]
            else { throw Problem(.failed, "\(arguments): \(result.status) \(result.errors)") }
            return report
        }

        private func names(_ scene: MountScene) throws -> [String] {
            try scene.run("ls all").split(separator: "\n").map(String.init)
        }

        /// Deletes a snapshot, once nobody reads it.
        private func delete(_ scene: MountScene, _ id: String) throws {
            let deadline = Instant.now + Instant.patience
            while try scene.harness.run("delete", id).status != 0 {
                guard Instant.now < deadline else {
                    throw Problem(.failed, try scene.harness.run("delete", id).errors)
                }
                Instant.sleep(0.1)
            }
        }

        /// The names, once they are as they should be.
        private func names(
            _ scene: MountScene, until isRight: ([String]) -> Bool
        ) throws -> [String] {
            let deadline = Instant.now + Instant.patience
            while try !isRight(names(scene)), Instant.now < deadline { Instant.sleep(0.1) }
            return try names(scene)
        }

        @Test("each snapshot has its files in a folder, as a mount of it alone shows them")
        func folders() throws {
            let scene = try scene()
            try scene.change(
                """
                echo new >files/new; rm -r files/d3; chown 1234:4321 files/hard
                setfattr -n user.note -v kept files/hard; setfacl -m u:daemon:rw files/hard
                mknod files/null c 1 3
                """)
            try scene.harness.json("snapshot", "data", "--name", "changed")
            let report = try mountAll(scene)
            #expect(report["all"] as? Bool == true)
            #expect(report["snapshots"] as? Int == 2)
            #expect(report["directory"] as? String == scene.path("all"))
            let names = try names(scene)
            #expect(names.count == 2 && names[1].hasSuffix(" changed"), "\(names)")
            for (id, name) in zip(["1", "2"], names) {
                try scene.mount(id)
                #expect(
                    try scene.run(
                        "rsync -anc --delete --itemize-changes -HAX view/ 'all/\(name)/'") == "")
                #expect(
                    try scene.run(
                        "cd view; find . -printf '%p %s %b %m %U:%G %T@ %C@ %n\\n' | sort")
                        == scene.run(
                            "cd 'all/\(name)'; find . -printf '%p %s %b %m %U:%G %T@ %C@ %n\\n' | sort"
                        ))
                try scene.unmount()
            }
            let acl = try scene.run("cd 'all/\(names[1])'; getfacl -n hard; getfattr -d hard")
            #expect(acl.contains("user:1:rw-") && acl.contains("user.note=\"kept\""), "\(acl)")
            let options = try scene.run("grep ' \(scene.path("all")) ' /proc/mounts")
            for option in ["fuse.snapmgr", "ro", "nosuid", "nodev", "default_permissions"] {
                #expect(options.contains(option))
            }
            #expect(try scene.harness.tool(["touch", scene.path("all/new")]).status != 0)
            let told = try #require(try scene.told().first)
            #expect(told["state"] as? String == "mounted" && told["all"] as? Bool == true)
            #expect(
                try scene.harness.run("status").output.contains(
                    "every snapshot of volume data is mounted on"))
            try scene.unmount("all")
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "new snapshots appear and deleted ones go by themselves; what is open of one is a stale handle"
        )
        func upToDate() throws {
            let scene = try scene()
            try mountAll(scene, "--names", "utc")
            let first = try #require(try names(scene).first)
            // Foundation's own descriptors are inherited by programs that other tests start meanwhile.
            let path = scene.path("all/\(first)/d1/sub 1/file 1")
            let handle = FileHandle(
                fileDescriptor: open(path, O_RDONLY | O_CLOEXEC), closeOnDealloc: true)
            try scene.harness.json("snapshot", "data", "--name", "second")
            #expect(
                try names(scene) { $0.count == 2 }.last?.hasSuffix("Z second") == true)
            try scene.harness.json("revert", "1")
            try delete(scene, "1")
            let left = try names(scene) { !$0.contains(first) }
            #expect(!left.contains(first))
            // What was never read of it is not to be had.
            _ = try? handle.readToEnd()
            try handle.close()
            let second = try #require(left.first { $0.hasSuffix("second") })
            #expect(
                try scene.run(
                    "rsync -anc --delete -i -HAX --exclude lost+found source/ 'all/\(second)/'")
                    == "")
            #expect(try scene.harness.run("tick").status == 0)
            try scene.unmount("all")
            #expect(try scene.leftovers() == "")
        }

        @Test("of an ext4 that was in use, what its journal holds is shown, as `get` does")
        func journal() throws {
            let scene = try scene(isDirty: true)
            try mountAll(scene)
            let name = try #require(try names(scene).first)
            #expect(try scene.run("cat 'all/\(name)/late'") == "late")
            try scene.unmount("all")
        }

        @Test("other users read what the files' owners let them, and not more")
        func owners() throws {
            let scene = try scene()
            try scene.change(
                """
                echo secret >files/secret; chmod 600 files/secret
                echo shared >files/shared; chmod 640 files/shared; setfacl -m u:65534:r files/shared
                echo masked >files/masked; chmod 644 files/masked; setfacl -m u:65534:- files/masked
                chmod 755 files
                """)
            try scene.harness.json("snapshot", "data", "--name", "owned")
            try scene.run("chmod 755 .")
            try mountAll(scene)
            let folder = scene.path("all/\(try #require(try names(scene).last))")
            func asOther(_ script: String) throws -> CommandLineHarness.Result {
                try scene.harness.tool([
                    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bash", "-c",
                    "cd '\(folder)' && \(script)",
                ])
            }
            #expect(try asOther("cat shared 'd1/sub 1/file 1' | head -1").output == "shared\n")
            #expect(try asOther("cat secret").status != 0)
            #expect(try asOther("cat masked").status != 0)
            try scene.unmount("all")
        }

        /// Where users may not open the device, they get one of their own: in a namespace, and for this test.
        private static let user = """
            \(MountScene.letsGoOfOthers)
            mknod fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
            mkdir -m 755 user user/all; cp disk.img user/disk.img; chmod 755 .; chown -R 65534:65534 user
            export SNAPMGR_STATE=$PWD/user/state HOME=$PWD/user; all=$PWD/user/all
            as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
            as "$0" volume create own --origin "$PWD/user/disk.img" >/dev/null
            as "$0" snapshot own --name mine >/dev/null
            as "$0" mount --all own "$all" >/dev/null
            as bash -c 'rsync -anc --delete -i -H --exclude lost+found source/ "$1"/*mine/' - "$all"
            as "$0" status | grep -o 'every snapshot of volume own is mounted'
            as bash -c 'cd "$1"/*mine && exec "$0" umount "$1"' "$0" "$all" 2>/dev/null || echo "busy: $?"
            ls "$all" >/dev/null 2>&1 || echo "root reads nothing"
            as "$0" umount "$all" >/dev/null
            grep -F "$all" /proc/mounts || ls user/state/mounts
            """

        @Test("an ordinary user has a mount of his own, reads all in it, and ends it")
        func ordinaryUser() throws {
            let scene = try scene()
            let result = try scene.harness.tool([
                "unshare", "--mount", "bash", "-c", "set -euo pipefail\n\(Self.user)",
                CommandLineHarness.binary,
            ])
            #expect(result.status == 0, "\(result.errors)")
            #expect(
                result.output.split(separator: "\n") == [
                    "every snapshot of volume own is mounted", "busy: 13", "root reads nothing",
                ], "\(result.output)")
        }

        @Test("killed, its program leaves errors in that mount alone, and the tick clears it away")
        func killed() throws {
            let scene = try scene()
            try mountAll(scene)
            try scene.mount("1")
            try scene.kill(try record(scene)["program"])
            #expect(try scene.harness.tool(["ls", scene.path("all")]).status != 0)
            #expect(try scene.differences() == "")
            #expect(try scene.told().contains { $0["state"] as? String == "broken" })
            let tick = try scene.harness.run("tick")
            #expect(tick.errors.contains("is not any more"), "\(tick.errors)")
            try mountAll(scene)
            try scene.kill(try record(scene)["program"])
            // The next mount there does so, too.
            try mountAll(scene)
            #expect(try names(scene).count == 1)
            try scene.unmount()
            try scene.unmount("all")
            #expect(try scene.leftovers() == "")
        }

        private func record(_ scene: MountScene) throws -> [String: Any] {
            try #require(scene.records.first { $0["program"] != nil })
        }

        @Test("unmounted by hand, its program ends, and the next tick ends what was begun for it")
        func byHand() throws {
            let scene = try scene()
            try mountAll(scene)
            #expect(umount(scene.path("all")) == 0)
            let deadline = Instant.now + Instant.patience
            while try scene.told().first?["state"] as? String != "unmounted",
                Instant.now < deadline
            { Instant.sleep(0.05) }
            #expect(try scene.harness.run("tick").status == 0)
            #expect(try scene.leftovers() == "")
        }

        @Test("when the volume's server is killed, the files are read from another one")
        func killedServer() throws {
            let scene = try scene()
            try mountAll(scene)
            let name = try #require(try names(scene).first)
            try killServer(scene, reading: name)
            #expect(
                try scene.run(
                    "rsync -anc --delete -i -HAX --exclude lost+found source/ 'all/\(name)/'") == ""
            )
            try scene.unmount("all")
            #expect(try scene.leftovers() == "")
        }

        /// Kills the server that a file was read from. Whoever reads nothing for a moment lets it go: then another file
        /// is read, from the next one.
        private func killServer(_ scene: MountScene, reading name: String) throws {
            for file in 1...60 {
                try scene.run("cat 'all/\(name)/d\(file % 7)/sub \(file)/file \(file)'")
                let holder = try scene.run("cut -d' ' -f1 state/stores/data/lock")
                guard let id = Int32(holder.filter(\.isNumber)), id > 1 else { continue }
                if (try? scene.kill(["id": id])) != nil { return }
            }
            throw Problem(.failed, "nobody serves what is read")
        }

        @Test("a snapshot whose filesystem is damaged gives errors in its folder alone")
        func damaged() throws {
            let scene = try scene()
            try scene.change(
                isMounted: false,
                "dd if=/dev/urandom of=next.img bs=1 seek=1028 count=40 conv=notrunc status=none")
            try scene.harness.json("snapshot", "data", "--name", "damaged")
            let report = try scene.harness.run("mount", "--all", "data", try scene.folder("all"))
            #expect(report.status == 0, "\(report.errors)")
            let names = try names(scene)
            #expect(names.count == 2)
            #expect(try scene.harness.tool(["ls", scene.path("all/\(names[1])")]).status != 0)
            #expect(
                try scene.run(
                    "rsync -anc --delete -i -HAX --exclude lost+found source/ 'all/\(names[0])/'")
                    == "")
            try scene.unmount("all")
        }

        @Test(
            "what it holds is the volume, and no snapshot; it is not unmounted while it is in use")
        func held() throws {
            let scene = try scene()
            try mountAll(scene)
            let all = scene.path("all")
            #expect(
                try scene.fails(
                    13, "volume", "remove", "data", "--yes",
                    saying: [
                        "every snapshot of volume data is mounted on \(all)", "snapmgr umount",
                    ])
                    == nil)
            let name = try #require(try names(scene).first)
            let holder = FileHandle(
                fileDescriptor: open("\(all)/\(name)/set", O_RDONLY | O_CLOEXEC),
                closeOnDealloc: true)
            #expect(try scene.fails(13, "umount", all, saying: ["somebody uses files"]) == nil)
            try holder.close()
            try delete(scene, "1")
            try scene.unmount("all")
            try scene.harness.json("volume", "remove", "data", "--yes")
        }

        @Test("what cannot be is refused before anything begins, and a dry run begins nothing")
        func refusals() throws {
            let scene = try scene()
            let all = try scene.folder("all")
            let dry = try mountAll(scene, "--dry-run")
            #expect(dry["state"] as? String == "planned" && dry["snapshots"] as? Int == 1)
            #expect(try scene.leftovers() == "")
            #expect(
                try scene.fails(4, "mount", "--all", "none", all, saying: ["no volume none"]) == nil
            )
            #expect(
                try scene.fails(4, "mount", "--all", "data", "nowhere", saying: ["does not exist"])
                    == nil)
            #expect(
                try scene.fails(13, "mount", "--all", "data", "source", saying: ["not empty"])
                    == nil)
            #expect(
                try scene.fails(2, "mount", "1", all, "--names", "gmt", saying: ["--all"]) == nil)
            #expect(
                try scene.fails(
                    4, "mount", "--all", "data", all, "--partition", "2", saying: ["no partitions"])
                    == nil)
            try mountAll(scene)
            #expect(
                try scene.fails(
                    13, "mount", "--all", "data", all, saying: ["mounted on \(all) already"]) == nil
            )
            try scene.unmount("all")
            try scene.change(
                isMounted: false,
                "truncate -s 0 next.img; truncate -s 128M next.img; mkfs.btrfs -q next.img")
            try scene.harness.json("snapshot", "data")
            #expect(
                try scene.fails(
                    13, "mount", "--all", "data", all, saying: ["btrfs", "snapmgr mount 2"]) == nil)
            #expect(try scene.leftovers() == "")
        }
    }
}

import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension EndToEndMounts {
    /// Snapshots and clones of images, mounted with the kernel's own filesystems.
    @Suite struct MountTests {
        @Test(
            "a snapshot that nobody serves is mounted as it was, and all that was begun ends with it"
        )
        func unserved() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 -e remount-ro disk.img")
            let report = try scene.mount("1")
            #expect(report["filesystem"] as? String == "ext4")
            #expect(report["read_only"] as? Bool == true)
            #expect(report["directory"] as? String == scene.path("view"))
            #expect(try scene.differences() == "")
            let options = try scene.run("grep ' \(scene.path("view")) ' /proc/mounts")
            for option in ["ro", "nosuid", "nodev", "errors=continue"] {
                #expect(options.contains(option))
            }
            #expect(try scene.harness.tool(["touch", scene.path("view/new")]).status != 0)
            let told = try #require(try scene.told().first)
            #expect(told["state"] as? String == "mounted")
            #expect(told["snapshot_id"] as? Int == 1)
            #expect(try scene.harness.run("status").output.contains("is mounted on"))
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "what is taken, reverted and deleted while a mount serves the volume goes through its server"
        )
        func lifeGoesOn() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            try scene.mount("1")
            for _ in 0..<3 { try scene.harness.json("snapshot", "data") }
            #expect(try scene.harness.run("tick").status == 0)
            try scene.harness.json("revert", "2")
            try scene.harness.json("delete", "3")
            try scene.mount("2", "second")
            #expect(try scene.differences() == "")
            #expect(try scene.differences("second") == "")
            try scene.unmount()
            #expect(try scene.differences("second") == "")
            try scene.unmount("second")
            #expect(try scene.leftovers() == "")
            #expect(try scene.harness.json("check", "--data")["damaged"] as? Int == 0)
        }

        @Test("a volume that is served is read from its server, which stays")
        func served() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            let served = try ServedHarness(serving: scene.harness)
            try scene.mount("data@latest")
            #expect(scene.records.first?["owns_server"] as? Bool == false)
            #expect(try scene.differences() == "")
            try scene.unmount()
            #expect(scene.records.isEmpty)
            #expect(served.isNBDKit)
            #expect(try served.client("data@1").readAll().count == 128 << 20)
        }

        @Test("a clone is mounted writable, keeps what is written, and cannot be deleted meanwhile")
        func clone() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img")
            try scene.harness.json("clone", "create", "1", "trial")
            let report = try scene.mount("trial")
            #expect(report["read_only"] as? Bool == false)
            #expect(report["clone"] as? String == "trial")
            try scene.run("echo new > view/new; rm -r view/d3")
            #expect(
                try scene.fails(
                    13, "clone", "delete", "trial",
                    saying: ["clone trial", scene.path("view"), "snapmgr umount"]) == nil)
            for command in [
                ["revert", "1", "--with", "trial", "--yes"],
                ["revert", "1", "--with", "trial", "-n"], ["clone", "promote", "trial"],
                ["clone", "promote", "trial", "-n"], ["export", "trial", "trial.img"],
                ["volume", "remove", "data", "--yes"],
                ["volume", "remove", "data", "--yes", "--force"],
            ] {
                let result = try scene.harness.run(command)
                #expect(
                    result.status == 13 && result.errors.contains(scene.path("view")),
                    "\(command): \(result)")
            }
            try scene.unmount()
            try scene.mount("data@trial")
            #expect(try scene.run("cat view/new; ls view | grep -c d3 || true") == "new\n0\n")
            try scene.unmount()
            try scene.mount("1")
            #expect(try scene.differences() == "")
            try scene.unmount()
            try scene.harness.json("clone", "delete", "trial")
            #expect(try scene.leftovers() == "")
        }

        @Test("of an ext4 that was in use it is said what is not shown, and a clone shows it")
        func dirtyExt4() throws {
            let scene = try MountScene()
            try scene.volume("mke2fs -q -F -t ext4 disk.img", isDirty: true)
            let said = try scene.harness.run("mount", "1", try scene.folder("view")).errors
            #expect(said.contains("was in use") && said.contains("snapmgr clone create 1"))
            try scene.harness.json("clone", "create", "1", "trial")
            try scene.mount("trial", "second")
            #expect(try scene.run("cat second/late") == "late")
            try scene.run("rm second/late; touch -r source second")
            #expect(try scene.differences("second") == "")
        }

        @Test(
            "an XFS goes beside another one of its UUID; its log is replayed in a clone",
            arguments: [false, true])
        func xfs(isDirty: Bool) throws {
            let scene = try MountScene()
            try scene.volume("mkfs.xfs -q disk.img", megabytes: 400, isDirty: isDirty)
            let said = try scene.harness.run("mount", "1", try scene.folder("view"))
            #expect(said.status == 0, "\(said.errors)")
            #expect(said.errors.contains("was in use") == isDirty, "\(said.errors)")
            try scene.harness.json("clone", "create", "1", "trial")
            try scene.mount("trial", "second")
            if isDirty {
                #expect(
                    try scene.run("cat second/late; rm second/late; touch -r source second")
                        == "late")
            } else {
                #expect(try scene.differences() == "")
            }
            #expect(try scene.differences("second") == "")
            try scene.unmount("second")
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test("a Btrfs is mounted, and refused while another one of its UUID is")
        func btrfs() throws {
            let scene = try MountScene()
            try scene.volume("mkfs.btrfs -q disk.img", megabytes: 256)
            try scene.harness.json("snapshot", "data")
            try scene.mount("1")
            #expect(try scene.differences() == "")
            let refusal = try scene.fails(
                13, "mount", "2", try scene.folder("second"), saying: ["same UUID", "btrfstune"])
            #expect(refusal == nil)
            try scene.unmount()
            try scene.mount("2", "second")
            #expect(try scene.differences("second") == "")
            try scene.unmount("second")
            #expect(try scene.leftovers() == "")
        }

        @Test("of a disk with partitions, one is named, and mounted by its number")
        func partitions() throws {
            let scene = try MountScene()
            // The second of two, by a table at the disk's beginning: 1 MiB, then the rest.
            try scene.run(
                """
                truncate -s 64M part.img; mke2fs -q -F -t ext4 -d source part.img
                truncate -s 2M disk.img; cat part.img >> disk.img
                entry() { printf '\\x00\\x00\\x00\\x00\\x83\\x00\\x00\\x00'; }
                { entry; printf '\\x00\\x08\\x00\\x00\\x00\\x08\\x00\\x00'
                  entry; printf '\\x00\\x10\\x00\\x00\\x00\\x00\\x02\\x00'
                } | dd of=disk.img bs=1 seek=446 conv=notrunc status=none
                printf '\\x55\\xaa' | dd of=disk.img bs=1 seek=510 conv=notrunc status=none
                """)
            try scene.harness.json("volume", "create", "data", "--origin", "disk.img")
            try scene.harness.json("snapshot", "data")
            let folder = try scene.folder("view")
            #expect(
                try scene.fails(
                    13, "mount", "1", folder, saying: ["partitions (MBR)", "--partition: 1, 2"])
                    == nil)
            #expect(
                try scene.fails(4, "mount", "1", folder, "--partition", "3", saying: ["1, 2"])
                    == nil)
            try scene.mount("1", "view", "--partition", "2")
            #expect(
                try scene.run("cat 'view/d1/sub 1/file 1'")
                    == scene.run("cat 'source/d1/sub 1/file 1'"))
            #expect(try scene.told().first?["partition"] as? Int == 2)
            try scene.unmount()
            #expect(try scene.leftovers() == "")
        }

        @Test(
            "what is no filesystem is named, with what to do next, and nothing is left of the attempt",
            arguments: [
                ("LUKS\\xba\\xbe", 0, "crypto_LUKS", "cryptsetup"),
                ("LVM2 001", 536, "LVM2_member", "vgimportclone"),
                ("SWAPSPACE2", 4086, "swap", "no files"),
                ("nothing", 0, "not a filesystem", "export"),
            ])
        func noFilesystem(magic: String, offset: Int, kind: String, way: String) throws {
            let scene = try MountScene()
            try scene.run(
                """
                truncate -s 8M disk.img
                printf '\(magic)' | dd of=disk.img bs=1 seek=\(offset) conv=notrunc status=none
                """)
            try scene.harness.json("volume", "create", "data", "--origin", "disk.img")
            try scene.harness.json("snapshot", "data")
            #expect(
                try scene.fails(13, "mount", "1", try scene.folder("view"), saying: [kind, way])
                    == nil)
            #expect(try scene.leftovers() == "")
        }

        @Test("a filesystem that is damaged fails, and nothing is left of the attempt")
        func damaged() throws {
            let scene = try MountScene()
            try scene.run(
                """
                truncate -s 8M disk.img; mke2fs -q -F -t ext4 disk.img
                dd if=/dev/urandom of=disk.img bs=1 seek=1028 count=40 conv=notrunc status=none
                """)
            try scene.harness.json("volume", "create", "data", "--origin", "disk.img")
            try scene.harness.json("snapshot", "data")
            #expect(
                try scene.fails(1, "mount", "1", try scene.folder("view"), saying: ["dmesg"]) == nil
            )
            #expect(try scene.leftovers() == "")
        }
    }
}

/// Mounts take the kernel's loop devices, and are made one after the other.
@Suite(
    .serialized,
    .enabled(if: CommandLineHarness.isBuilt && MountScene.isPossible, "root, FUSE and loop devices")
)
enum EndToEndMounts {}

import System
import Glibc

/// What `mount` says and does.
enum SnapshotMountCases {
    static let cases = [
        GuestCase("DM8, DL1: mount says what it does not show of an ext4 that was in use unseen") {
            context in
            let rig = try CommandRig(context)
            try Program.run("mkfs.ext4", "-q", "-F", rig.origins[0])
            try rig.create("data", on: rig.origins[0])
            // As a virtual machine has it: the kernel does not know of the filesystem's mount.
            let guest = "guest-disk"
            try Program.run(
                "dmsetup", "create", guest, "--table",
                "0 49152 linear \(CommandRig.device("data")) 0")
            let point = "\(CommandRig.volumeRoot)/guest"
            context.cleanUp {
                _ = umount(point)
                try Program.run("dmsetup", "remove", guest)
            }
            try rig.mount("/dev/mapper/\(guest)", on: point)
            try rig.fill(point, seed: 1)
            try Program.run("sync", "--file-system", point)
            try TextFile.write("in the journal", to: point + "/late")
            try Program.run("sync", point + "/late")
            let dirty = try rig.snapshot("data", "dirty")
            try rig.unmount(point)
            let clean = try rig.snapshot("data", "clean")
            let view = try rig.viewFolder("view")
            let said = try rig.snapmgr.run("mount", "\(dirty)", view).errors
            try expect(said.tail(after: "was in use") != nil, "it said: \(said)")
            try expect(
                said.tail(after: "snapmgr clone create \(dirty)") != nil, "it said: \(said)")
            try rig.snapmgr.run("umount", view)
            try expectEqual(try rig.snapmgr.run("mount", "\(clean)", view).errors, "", "words")
            let mounts = try TextFile.read("/proc/mounts").split(separator: "\n")
            let options = try require(
                mounts.first { $0.tail(after: " \(view) ") != nil }, "mount of \(view)")
            for option in ["ro", "nosuid", "nodev"] {
                try expect(options.tail(after: option) != nil, "no \(option): \(options)")
            }
            try rig.snapmgr.run("umount", view)
        }
    ]
}

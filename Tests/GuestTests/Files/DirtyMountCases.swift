import Glibc
import SnapshotModel
import System

/// Filesystems whose journals have what is nowhere else, as a virtual machine's disk has them.
enum DirtyMountCases {
    static let cases = ["ext4", "xfs", "btrfs"].map { type in
        GuestCase(
            "of an \(type) that was in use it is said what is not shown, and a clone shows it"
        ) {
            try run($0, type)
        }
    }

    private static func run(_ context: GuestContext, _ type: String) throws {
        let rig = try CommandRig(context)
        try FilesRig.make(type, on: rig.origins[0])
        try rig.create("data", on: rig.origins[0])
        // The kernel does not know that the volume is mounted through this, and does not freeze it.
        let guest = "guest-disk"
        let sectors = 320 << 11
        try Program.run(
            "dmsetup", "create", guest, "--table",
            "0 \(sectors) linear \(CommandRig.device("data")) 0")
        let point = "\(CommandRig.volumeRoot)/guest"
        context.cleanUp {
            _ = umount(point)
            try Program.run("dmsetup", "remove", guest)
        }
        try rig.mount("/dev/mapper/\(guest)", on: point, type: type)
        try rig.fill(point, seed: 1)
        try Program.run("sync", "--file-system", point)
        try TextFile.write("in the journal", to: point + "/late")
        try Program.run("sync", point + "/late")
        let dirty = try rig.snapshot("data", "dirty")
        try rig.unmount(point)

        let view = try rig.viewFolder("view")
        let said = try rig.snapmgr.run("mount", "\(dirty)", view).errors
        for words in ["was in use", "snapmgr clone create \(dirty)"] {
            try expect(said.tail(after: words) != nil, "it does not say `\(words)`: \(said)")
        }
        try rig.snapmgr.run("umount", view)
        try rig.snapmgr.run("clone", "create", "\(dirty)", "trial")
        try rig.snapmgr.run("mount", "trial", view)
        try expectEqual(try TextFile.read(view + "/late"), "in the journal", "the late file")
        try rig.snapmgr.run("umount", view)
    }
}

import Glibc
import SnapshotModel

/// Snapshots and clones mounted beside their volume, as each filesystem needs it.
enum DeviceMountCases {
    static let cases = ["ext4", "xfs", "btrfs"].map { type in
        GuestCase("an \(type) is mounted from a snapshot, and writable from a clone") {
            try run($0, type)
        }
    }

    private static func run(_ context: GuestContext, _ type: String) throws {
        let scene = try FilesRig(context, type)
        let (rig, snapmgr) = (scene.rig, scene.snapmgr)
        try rig.fill(scene.point, seed: 1)
        let old = try rig.digest(scene.point)
        let first = try rig.snapshot("data", "one")
        try rig.fill(scene.point, seed: 2)
        let view = try rig.viewFolder("view")
        if scene.isAlone {
            try snapmgr.fails(
                13, "mount", "\(first)", view, saying: ["same UUID", "clone create \(first)"])
        }
        try scene.makeRoom()
        let said = try snapmgr.run("mount", "\(first)", view)
        // A freeze leaves the log of an XFS as one that was in use, though all is written back.
        try expectEqual(
            said.errors.tail(after: "was in use") != nil, type == "xfs", "a word of the journal")
        try expectEqual(try rig.digest(view), old, "the snapshot's files")
        for option in ["ro", "nosuid", "nodev"] {
            let options = try FilesRig.options(view)
            try expect(options.contains(option), "no \(option) among \(options)")
        }
        try expectEqual(
            try snapmgr.run("status", "--json").text("filesystem"), type, "told filesystem")
        try snapmgr.run("umount", view)

        try snapmgr.run("clone", "create", "\(first)", "trial")
        try snapmgr.run("mount", "trial", view)
        for option in ["rw", "nosuid", "nodev"] {
            let options = try FilesRig.options(view)
            try expect(options.contains(option), "no \(option) among \(options)")
        }
        try expectEqual(try rig.digest(view), old, "the clone's files")
        try rig.fill(view, seed: 3)
        let changed = try rig.digest(view)
        try snapmgr.run("umount", view)
        try snapmgr.run("mount", "trial", view)
        try expectEqual(try rig.digest(view), changed, "the clone's new files")
        try snapmgr.run("umount", view)
        // An older state of the same filesystem after a newer one.
        try snapmgr.run("mount", "\(first)", view)
        try expectEqual(try rig.digest(view), old, "the snapshot's files, later")
        try snapmgr.run("umount", view)
        if scene.isAlone { try scene.mount() }
        try rig.unmount(scene.point)
        try snapmgr.run("check", "data")
    }
}

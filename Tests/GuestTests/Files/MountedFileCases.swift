import Glibc
import SnapshotModel
import System

/// Files of filesystems that the kernel alone reads.
enum MountedFileCases {
    static let cases = ["xfs", "btrfs"].map { type in
        GuestCase("files of an \(type) are listed, found, compared and brought back by mounts") {
            try run($0, type)
        }
    }

    private static func run(_ context: GuestContext, _ type: String) throws {
        let scene = try FilesRig(context, type)
        let (rig, snapmgr) = (scene.rig, scene.snapmgr)
        let history = try FileHistoryRig(scene, seed: 21)
        if scene.isAlone {
            try snapmgr.fails(13, "files", "data@latest", saying: ["same UUID"])
        }
        try scene.makeRoom()
        try history.checkLists()
        try history.checkGets()
        try history.checkDifferences()
        try history.checkFinds()

        try snapmgr.run("clone", "create", "data@s0", "trial")
        let view = try rig.viewFolder("view")
        try snapmgr.run("mount", "trial", view)
        try TextFile.write("in the clone\n", to: view + "/more")
        try snapmgr.fails(13, "files", "trial", saying: ["is mounted on \(view)", "umount"])
        try snapmgr.run("umount", view)
        try expectEqual(
            try snapmgr.run("get", "trial", "/more", "--to", "-").output, "in the clone\n",
            "the clone's file")
        let told = try snapmgr.run("diff", "--files", "trial", "--json").output
        try expect(told.tail(after: #""path":"/more""#) != nil, "no /more: \(told)")
        try snapmgr.run("clone", "delete", "trial")

        // Nothing is left of the mounts.
        try expectEqual(
            try snapmgr.run("status", "--json").text("directory"), nil, "mounts left")
        try expectEqual(
            try FileFolder(path: snapmgr.statePath + "/mounts").list("")
                .filter { $0.hasPrefix("read-") }, [], "folders left")
        if scene.isAlone { try scene.mount() }
        try TextFile.write("now\n", to: scene.point + "/now")
        try snapmgr.fails(13, "files", "data@live", saying: [type, "snapshot"])
        try rig.unmount(scene.point)
    }
}

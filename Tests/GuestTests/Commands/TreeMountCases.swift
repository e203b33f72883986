import Glibc
import SnapshotModel
import System

/// All snapshots of a volume under device-mapper, mounted by one program.
enum TreeMountCases {
    static let cases = [
        GuestCase("all snapshots are mounted in one folder, which follows them") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            let first = try rig.snapshot("data", "one")
            try rig.fill(point, seed: 2)
            let new = try rig.digest(point)
            try rig.snapshot("data", "two")

            let folder = try rig.viewFolder("all")
            try rig.snapmgr.run("mount", "--all", "data", folder, "--dry-run")
            try rig.snapmgr.run("mount", "--all", "data", folder)
            try expectEqual(try rig.digest(view("one", folder)), old, "the first snapshot's files")
            try expectEqual(try rig.digest(view("two", folder)), new, "the second one's files")
            try rig.snapmgr.fails(13, "volume", "remove", "data", "--yes", saying: [folder])

            // The volume goes on: nobody is kept from it for long.
            try rig.fill(point, seed: 3)
            let newest = try rig.digest(point)
            try rig.snapshot("data", "three")
            try expectEqual(
                try rig.digest(awaitView("three", folder, isThere: true)), newest,
                "the files of a snapshot that came later")
            try deletePatiently(rig, first)
            _ = try awaitView("one", folder, isThere: false)
            let second = try view("two", folder)
            try expectEqual(try rig.digest(second), new, "the second one's files, later")

            try rig.snapmgr.run("umount", folder)
            try expectEqual(try FileFolder(path: folder).list(""), [], "what is left in the folder")
            try rig.unmount(point)
            try rig.snapmgr.run("check", "data")
        }
    ]

    /// The folder of a snapshot with a name; its own name ends with it.
    private static func view(_ name: String, _ folder: String) throws -> String {
        let names = try FileFolder(path: folder).list("")
        return try folder + "/"
            + require(names.first { $0.hasSuffix(" \(name)") }, "folder \(name)")
    }

    private static func awaitView(
        _ name: String, _ folder: String, isThere: Bool
    ) throws -> String {
        let deadline = Deadline(milliseconds: 300_000)
        while true {
            let path = try? view(name, folder)
            if (path != nil) == isThere { return path ?? "" }
            try expect(
                !deadline.hasPassed, "the folder \(name) does not \(isThere ? "come" : "go")")
            BackgroundThread.sleep(milliseconds: 200)
        }
    }

    /// What was read a moment ago is held for a second.
    private static func deletePatiently(_ rig: CommandRig, _ id: Int) throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try rig.snapmgr.start(["delete", "\(id)"]).status != 0 {
            try expect(!deadline.hasPassed, "snapshot \(id) stays in use")
            BackgroundThread.sleep(milliseconds: 200)
        }
    }
}

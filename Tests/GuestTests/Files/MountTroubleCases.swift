import Glibc
import SnapshotModel
import System

/// Bad input, bad luck, and what is mounted kept from being taken away.
enum MountTroubleCases {
    static let cases = [
        GuestCase("folders that are missing, not empty, mounted on already, or none, are refused") {
            context in
            let scene = try FilesRig(context, "ext4")
            let (rig, snapmgr) = (scene.rig, scene.snapmgr)
            let id = "\(try rig.snapshot("data", "one"))"
            let view = try rig.viewFolder("view")
            try snapmgr.fails(
                4, "mount", id, view + "/nowhere", saying: ["does not exist", "mkdir"])
            try snapmgr.fails(1, "mount", id, "/etc/passwd", saying: ["not a folder"])
            try snapmgr.fails(13, "mount", id, "/etc", saying: ["not empty"])
            try snapmgr.fails(4, "umount", view, saying: ["no snapshot is mounted"])
            try snapmgr.run("mount", id, view)
            try snapmgr.fails(13, "mount", id, view, saying: ["mounted on \(view) already"])
            try snapmgr.fails(
                13, "mount", id, scene.point, saying: ["mounted on \(scene.point) already"])
            try snapmgr.run("umount", view)
            try snapmgr.fails(
                13, "mount", id, view, "--writable", saying: ["read-only", "clone create \(id)"])
        },
        GuestCase("what is mounted is neither deleted, pruned nor removed; it is said where it is")
        {
            context in
            let scene = try FilesRig(context, "ext4")
            let (rig, snapmgr) = (scene.rig, scene.snapmgr)
            let first = "\(try rig.snapshot("data", "one"))"
            let second = "\(try rig.snapshot("data", "two"))"
            let view = try rig.viewFolder("view")
            try snapmgr.run("mount", first, view)
            try snapmgr.fails(13, "delete", first, saying: [view, "umount"])
            try snapmgr.fails(13, "delete", first, second, saying: [view, "umount"])
            try rig.unmount(scene.point)
            try snapmgr.fails(13, "revert", first, saying: ["mounted on \(view)", "umount"])
            let config = CommandRig.storeRoot + "/config.toml"
            try TextFile.write(
                """
                [policies.one]
                last = 1
                include-manual = true
                [volumes.data]
                policy = "one"
                """, to: config)
            let plan = try snapmgr.run("--config", config, "prune", "-n", "--explain")
            for words in ["it is mounted on \(view)", "snapmgr umount \(view)"] {
                try expect(plan.output.tail(after: words) != nil, plan.output + plan.errors)
            }
            try snapmgr.run("--config", config, "prune")
            try expectEqual(
                try snapmgr.run("list", "data", "--json").numbers("id").sorted(),
                [Int(first), Int(second)].compactMap(\.self), "snapshots after the prune")
            try snapmgr.run("umount", view)
            try snapmgr.run("--config", config, "prune")
            try expectEqual(
                try snapmgr.run("list", "data", "--json").numbers("id"),
                [Int(second)].compactMap(\.self), "snapshots after the next prune")
        },
        GuestCase("a loop device that a killed mount has left is ended by the next one") {
            context in
            let scene = try FilesRig(context, "ext4")
            let (rig, snapmgr) = (scene.rig, scene.snapmgr)
            let id = "\(try rig.snapshot("data", "one"))"
            let view = try rig.viewFolder("view")
            try snapmgr.run("mount", id, view)
            let device = try require(
                snapmgr.run("status", "--json").text("device"), "device of the mount")
            let loop = try LeftLoop(device)
            try snapmgr.run("umount", view)
            try expect(try loop.isThere, "it went too early")
            try snapmgr.run("mount", id, view)
            try expect(try !loop.isThere, "the loop device that was left is there")
            try snapmgr.run("umount", view)
            try snapmgr.run("delete", id)
        },
    ]
}

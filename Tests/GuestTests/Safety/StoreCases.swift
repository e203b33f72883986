import BlockIO
import DeviceMapper
import Glibc

/// Stores in odd places, or in none.
enum StoreCases {
    static let cases = [
        GuestCase("DM4: a set is refused at once when one member's store lies on another") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("a")
            // Behind a loop device on a file there.
            let inner = "\(CommandRig.volumeRoot)/inner"
            try Program.run("truncate", "--size", "12M", "\(point)/file")
            try Program.run("mkfs.ext4", "-q", "-F", "\(point)/file")
            try rig.makeFolder(inner)
            try Program.run("mount", "-o", "loop", "\(point)/file", inner)
            context.cleanUp {
                // From the inside out: the inner volume, its store, and then the rest.
                _ = try rig.snapmgr.start(["deactivate", "b"])
                _ = umount(inner)
            }
            let created = try rig.snapmgr.start([
                "volume", "create", "b", "--driver", "dm", "--origin", rig.origins[1], "--store",
                "\(inner)/b",
            ])
            try expectEqual(created.status, 0, "status (\(created.errors))")
            try expect(created.errors.tail(after: "no set can have both") != nil, created.errors)
            try rig.snapmgr.fails(
                13, "snapshot", "a", "b", "--set", "both", saying: ["lies on volume a"])
            try rig.snapshot("b", "one")
            try rig.snapshot("a", "two")
        },
    ]
}

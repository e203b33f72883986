import System
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
        GuestCase("DM6: without its store, a volume's devices can be taken down") { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let first = try rig.snapshot("data", "one")
            let content = try rig.fill("data", version: 1, seed: 3)
            try Program.run("umount", "--lazy", CommandRig.storeRoot)
            for words in [["deactivate", "data"], ["volume", "remove", "data", "--yes"]] {
                let outcome = try rig.snapmgr.start(words)
                try expectEqual(outcome.status, 5, "status of \(words): \(outcome.errors)")
                try expect(
                    outcome.errors.tail(after: "snapmgr deactivate data --without-store") != nil,
                    outcome.errors)
            }
            try expectRefusedWhileOpen(rig, content)
            try takeDown(rig)
            try rig.mount(context.disks[3], on: CommandRig.storeRoot)
            try rig.snapmgr.run("activate", "data")
            try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
            try rig.snapmgr.run("export", "\(first)", "\(CommandRig.storeRoot)/one.img")
            try rig.snapmgr.run("check", "--data")
        },
    ]

    private static func expectRefusedWhileOpen(
        _ rig: CommandRig, _ content: DiskContent
    ) throws {
        let open = try DirectDevice(path: CommandRig.device("data"))
        try rig.snapmgr.fails(
            13, "deactivate", "data", "--without-store", saying: ["volume data is open"])
        try content.expect(on: open, "the volume")
    }

    private static func takeDown(_ rig: CommandRig) throws {
        try rig.snapmgr.run("deactivate", "data", "--without-store")
        try expectEqual(try KernelDeviceMapper().devices(), [], "devices")
        try expectEqual(
            try LoopDevice.all().filter { $0.backingPath.hasSuffix("area.cow") }, [], "loop devices"
        )
    }
}

import System
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel

/// What `volume create` and `resize` look at.
enum CreationCases {
    static let cases = [
        GuestCase("DH4: an origin is remembered by a name that lasts, or its name is warned of") {
            context in
            let rig = try CommandRig(context)
            let path = try mapped(
                context, rig, "lasting", table: "0 40960 linear \(rig.origins[0]) 0")
            let own = try require(BlockDevices.path(BlockDevices.number(path)), "kernel's name")
            try makeNode(own, of: path)
            let said = try rig.snapmgr.start(words("data", own)).errors
            try expect(said.tail(after: "is remembered as \(path)") != nil, said)
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").text("origin"), path,
                "origin")
            let plain = try rig.snapmgr.start(words("plain", rig.origins[1])).errors
            try expect(plain.tail(after: "may be another device's") != nil, plain)
        },
        GuestCase("DH6: a resize to no multiple of the disk's blocks is refused, and harms nothing")
        {
            context in
            let rig = try CommandRig(context)
            let file = "\(CommandRig.storeRoot)/disk.img"
            try Program.run("truncate", "--size", "8M", file)
            let loop = try Tool.run(
                "losetup", "--show", "--sector-size", "4096", "--find", file
            ).filter { $0 != "\n" }
            context.cleanUp {
                try rig.takeDownVolumes()
                try Program.run("losetup", "--detach", loop)
            }
            try rig.create("data", on: loop)
            try Program.run("truncate", "--size", "16M", file)
            try Program.run("losetup", "--set-capacity", loop)
            try rig.snapmgr.fails(
                13, "volume", "resize", "data", "\((12 << 20) + 512)", saying: ["blocks of 4096"])
            try rig.snapshot("data", "one")
            try rig.snapmgr.run("volume", "resize", "data", "12M")
            _ = try rig.fill("data", version: 1, seed: 1)
            try rig.snapshot("data", "two")
        },
        GuestCase("DL4: an origin that takes no writes is refused, at creation and at activation") {
            context in
            let rig = try CommandRig(context)
            let disk = rig.origins[0]
            context.cleanUp { try Program.run("blockdev", "--setrw", disk) }
            try Program.run("blockdev", "--setro", disk)
            let outcome = try rig.snapmgr.start(words("data", disk))
            try expectEqual(outcome.status, 13, "status (\(outcome.errors))")
            try expect(
                outcome.errors.tail(after: "blockdev --setrw \(disk)") != nil, outcome.errors)
            try Program.run("blockdev", "--setrw", disk)
            try rig.create("data", on: disk)
            try rig.snapmgr.run("deactivate", "data")
            try Program.run("blockdev", "--setro", disk)
            try rig.snapmgr.fails(13, "activate", "data", saying: ["is read-only"])
        },
        GuestCase(
            "snapshots of a volume whose origin is missing are deleted, and the rest is there with it",
            body: missingOrigin),
        GuestCase("DH4: an origin that was moved by an explicit word is known from then on") {
            context in
            let rig = try CommandRig(context)
            let paths = try (0..<2).map {
                try mapped(
                    context, rig, "moved-\($0)", table: "0 40960 linear \(rig.origins[$0]) 0")
            }
            try rig.create("data", on: paths[0])
            try rig.snapshot("data", "one")
            let content = try rig.fill("data", version: 1, seed: 4)
            try rig.snapmgr.run("deactivate", "data")
            try Program.run("dd", "if=\(paths[0])", "of=\(paths[1])", "bs=1M", "conv=fsync")
            try rig.snapmgr.run("volume", "set", "data", "--origin", paths[1])
            try rig.snapmgr.run("activate", "data")
            try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
            try rig.snapmgr.run("deactivate", "data")
            let own = try require(BlockDevices.path(BlockDevices.number(paths[0])), "kernel's name")
            try makeNode(own, of: paths[0])
            let said = try rig.snapmgr.run("volume", "set", "data", "--origin", own).errors
            try expect(said.tail(after: "is remembered as \(paths[0])") != nil, said)
            let marks = try Store(folder: FileFolder(path: CommandRig.store("data"))).volume()
                .deviceIdentity
            try expectEqual(marks?["dm_name"], "moved-0", "by what the origin is known")
            try rig.snapmgr.run("activate", "data")
            try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
        },
        GuestCase("DL2: a store whose filesystem takes no files as large as an area is refused") {
            context in
            let rig = try CommandRig(context)
            let sectors = 17 << 31
            let path = try mapped(context, rig, "huge", table: "0 \(sectors) zero")
            let outcome = try rig.snapmgr.start(words("data", path))
            try expectEqual(outcome.status, 13, "status (\(outcome.errors))")
            try expect(outcome.errors.tail(after: "takes no files of") != nil, outcome.errors)
            try expect(access(CommandRig.store("data"), F_OK) != 0, "a store was made")
        },
    ]

    private static func words(_ volume: String, _ origin: String) -> [String] {
        [
            "volume", "create", volume, "--driver", "dm", "--origin", origin, "--store",
            CommandRig.store(volume),
        ]
    }

    /// Somebody else's device.
    private static func missingOrigin(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        let table = "0 40960 linear \(rig.origins[0]) 0"
        let path = try mapped(context, rig, "missing", table: table)
        try rig.create("data", on: path)
        let first = try rig.snapshot("data", "one")
        let content = try rig.fill("data", version: 1, seed: 5)
        let second = try rig.snapshot("data", "two")
        _ = try rig.fill("data", version: 2, seed: 5)
        let third = try rig.snapshot("data", "three")
        try rig.snapmgr.run("deactivate", "data")
        try Program.run("dmsetup", "remove", "missing")

        try rig.snapmgr.run("delete", "\(first)", "--dry-run")
        let freed = try rig.snapmgr.run("delete", "\(first)", "--json").number("freed_bytes")
        try expect(freed ?? 0 > 16 << 20, "\(freed ?? 0) bytes are freed")
        try rig.snapmgr.run("delete", "\(third)")
        try expectEqual(
            try rig.snapmgr.run("list", "data", "--json").numbers("id"), [second], "snapshots")
        try rig.snapmgr.fails(13, "export", "\(second)", "\(CommandRig.storeRoot)/no.img")

        try Program.run("dmsetup", "create", "missing", "--table", table)
        try rig.snapmgr.run("activate", "data")
        let file = "\(CommandRig.storeRoot)/two.img"
        try rig.snapmgr.run("export", "\(second)", file)
        try content.expect(on: DirectDevice(path: file), "snapshot two")
        try rig.snapmgr.run("delete", "\(second)")
    }

    private static func mapped(
        _ context: GuestContext, _ rig: CommandRig, _ name: String, table: String
    ) throws -> String {
        try Program.run("dmsetup", "create", name, "--table", table)
        context.cleanUp {
            try rig.takeDownVolumes()
            try Program.run("dmsetup", "remove", name)
        }
        return "/dev/mapper/\(name)"
    }

    /// The kernel's own node, which libdevmapper does not make.
    private static func makeNode(_ node: String, of path: String) throws {
        let number = try BlockDevices.number(path)
        if BlockDevices.isBlockDevice(node) { return }
        try Program.run("mknod", "-m", "600", node, "b", "\(number.major)", "\(number.minor)")
    }
}

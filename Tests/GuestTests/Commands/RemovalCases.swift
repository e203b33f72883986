import System
import DeviceMapper
import Glibc

/// What stays when a volume goes, and what of others is never touched.
enum RemovalCases {
    static let cases = [
        GuestCase(
            "volume remove leaves the plain origin as the volume read, and others' devices alone"
        ) {
            context in
            let rig = try CommandRig(context)
            let foreign = try ForeignDevices(context, backing: rig.origins[2])
            try rig.create("data", on: rig.origins[0])
            _ = try rig.fill("data", version: 1, seed: 4)
            let first = try rig.snapshot("data", "one")
            _ = try rig.fill("data", version: 2, seed: 4)
            try rig.snapmgr.run("revert", "\(first)", "--yes", "--wait")
            let content = try rig.fill("data", version: 3, seed: 4)
            try rig.snapmgr.run("volume", "remove", "data", "--dry-run")
            let device = CommandRig.device("data")
            let shown = try rig.checksum(device)
            var open: DirectDevice? = try DirectDevice(path: device)
            _ = try open?.byteCount()
            try rig.snapmgr.fails(
                13, "volume", "remove", "data", "--yes", saying: ["opened by process \(getpid())"])
            open = nil
            try rig.snapmgr.run("volume", "remove", "data", "--yes")
            try expectEqual(try rig.checksum(rig.origins[0]), shown, "the origin's checksum")
            try content.expect(on: DirectDevice(path: rig.origins[0]), "the origin")
            try expectEqual(try KernelDeviceMapper().devices().count, 0, "snapmgr's devices left")
            let loops = try LoopDevice.all().filter {
                $0.backingPath.hasPrefix(CommandRig.storeRoot)
            }
            try expectEqual(loops.map(\.path), foreign.loopPaths, "loop devices on stores")
            try expect(access(CommandRig.store("data"), F_OK) != 0, "the store is there")
            try foreign.expectUntouched()
        },
        GuestCase("a kept store is taken over again, and a rebuilt catalog is equal") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 1)
            let old = try rig.digest(point)
            try rig.snapmgr.run("snapshot", "data", "--name", "one", "--tag", "t", "--note", "n")
            try rig.fill(point, seed: 2)
            try rig.snapshot("data", "two")
            try rig.unmount(point)
            let list = try rig.snapmgr.run("list", "--json").output
            let show = try rig.snapmgr.run("volume", "show", "data", "--json").output
            // The catalog is lost while the volume is active.
            try Program.run("rm", "-rf", rig.snapmgr.statePath)
            try rig.snapmgr.run(
                "catalog", "rebuild", "--store", CommandRig.store("data"), "--take-over")
            try expectEqual(try rig.snapmgr.run("list", "--json").output, list, "list")
            try expectEqual(
                try rig.snapmgr.run("volume", "show", "data", "--json").output, show, "volume show")
            try rig.snapmgr.run("volume", "remove", "data", "--keep-store", "--yes")
            try rig.checkFilesystem(rig.origins[0])
            try rig.snapmgr.run("catalog", "rebuild", "--store", CommandRig.store("data"))
            try rig.snapmgr.run("activate", "data")
            let view = try rig.viewFolder("old")
            try rig.snapmgr.run("mount", "data@one", view)
            try expectEqual(try rig.digest(view), old, "the snapshot's files")
            try rig.snapmgr.run("umount", view)
        },
    ]
}

/// Devices that are none of snapmgr's: names that look like ours, and a loop device in the very folder
/// of the stores.
private final class ForeignDevices {
    private static let name = "snapmgr-other"
    private let tables: String
    private(set) var loopPaths: [String] = []
    private let backing: String

    init(_ context: GuestContext, backing: String) throws {
        self.backing = backing
        let file = "\(CommandRig.storeRoot)/foreign.img"
        context.cleanUp {
            for loop in try LoopDevice.all() where loop.backingPath == file { try loop.detach() }
            try Program.run("dmsetup", "remove", Self.name)
        }
        try Program.run(
            "dmsetup", "create", Self.name, "--uuid", "OTHER-1", "--table",
            "0 8192 linear \(backing) 0")
        try Program.run("truncate", "--size", "8M", file)
        loopPaths = [try LoopDevice.attach(path: file, isReadOnly: false, directIO: false).path]
        tables = try Self.read()
    }

    private static func read() throws -> String {
        let file = "/run/snapmgr-foreign"
        try Program.run("sh", "-c", "(dmsetup info \(name); dmsetup table \(name)) >\(file)")
        return try TextFile.read(file)
    }

    func expectUntouched(fileID: StaticString = #fileID, line: Int = #line) throws {
        try expectEqual(try Self.read(), tables, "a foreign device", fileID: fileID, line: line)
        let loops = try LoopDevice.all().map(\.path)
        for path in loopPaths {
            try expect(
                loops.contains(path), "the foreign \(path) is gone", fileID: fileID, line: line)
        }
    }
}

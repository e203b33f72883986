import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import VolumeAccess

/// Who may open what a volume is made of: nobody who may not open its origin.
enum NodeAccessCases {
    static let cases = [
        GuestCase(
            "DL7: whoever may open the origin may open the volume, and root alone all other nodes",
            body: inherited),
        GuestCase(
            "DL7: a node that an earlier version has left to others is taken back", body: takenBack),
    ]

    /// Where udev makes the nodes, and hears of each change.
    static let udevCases = [
        GuestCase(
            "DL7: udev has snapmgr's rules, and leaves nodes to whom they belong", body: ruled),
        GuestCase("DL7: udev's own rules open no node before a command has ended", body: unruled),
    ]

    private static let volumeBytes = 4 << 20
    /// Owners and groups that need not have names.
    private static let some = NodeAccess(owner: 1007, group: 1008, mode: 0o640)

    private static func rig(_ context: GuestContext, _ access: NodeAccess) throws -> VolumeRig {
        let folder = "/mnt/snapmgr-stores"
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(folder) }
        try Mounting.mount(context.disks[1], at: folder, "ext4")
        let origin = context.disks[0]
        let before = try NodeAccess(path: origin)
        context.cleanUp { try before.apply(to: origin) }
        try access.apply(to: origin)
        return try VolumeRig(
            context, originPath: origin, storeFolder: folder, volumeBytes: volumeBytes,
            chunkBytes: 16 << 10)
    }

    /// Has a snapshot with a view of it, and so each kind of node but those of merges.
    private static func addSnapshot(_ rig: VolumeRig) throws -> SnapshotID {
        let id = try rig.takeSnapshot()
        try DirectDevice(path: rig.devicePath).write(
            AlignedBuffer(count: 64 << 10).bytes, at: 0)
        try rig.takeSnapshot()
        _ = try rig.volume().openView(id)
        return id
    }

    private static func expectNodes(_ rig: VolumeRig, top: NodeAccess, _ when: String) throws {
        let devices = try KernelDeviceMapper().devices()
        try expect(devices.count >= 5, "\(devices.map(\.name)) are all devices \(when)")
        for device in devices {
            let wanted = device.name.path == rig.devicePath ? top : .rootOnly
            let kernelPath = try require(BlockDevices.path(device.number), "path of \(device)")
            // Without udev, the kernel's own node is another one.
            let paths = access(device.name.path, F_OK) == 0 ? [device.name.path] : [kernelPath]
            for path in paths {
                try expectEqual(try NodeAccess(path: path), wanted, "who may open \(path) \(when)")
            }
            let mode = try NodeAccess(path: kernelPath).mode
            try expect(mode & ~wanted.mode & 0o177 == 0, "\(kernelPath) is open \(when): \(mode)")
        }
        let loops = try LoopDevice.all().filter { $0.label.hasPrefix("SNAPMGR-") }
        try expect(loops.count >= 2, "there are \(loops.count) loop devices \(when)")
        for loop in loops {
            try expectEqual(
                try NodeAccess(path: loop.path), .rootOnly, "who may open \(loop.path) \(when)")
        }
    }

    private static func inherited(_ context: GuestContext) throws {
        let rig = try rig(context, some)
        try rig.activate()
        let id = try addSnapshot(rig)
        try expectNodes(rig, top: some, "behind a snapshot")
        _ = try rig.volume().closeView(id)
        try rig.deactivate()
        try NodeAccess.rootOnly.apply(to: rig.originPath)
        try rig.activate()
        _ = try rig.volume().openView(id)
        try expectNodes(rig, top: .rootOnly, "with an origin that is root's alone")
        // From the next activation on.
        try some.apply(to: rig.originPath)
        try expectNodes(rig, top: .rootOnly, "as long as it is not activated")
        try rig.activate()
        try expectNodes(rig, top: some, "when it was activated again")
        try expectEqual(rig.takeWarnings(), [], "warnings")
    }

    private static func takenBack(_ context: GuestContext) throws {
        let rig = try rig(context, .rootOnly)
        try rig.activate()
        _ = try addSnapshot(rig)
        let all = NodeAccess(owner: 0, group: 6, mode: 0o660)
        for device in try KernelDeviceMapper().devices() where access(device.name.path, F_OK) == 0 {
            try all.apply(to: device.name.path)
        }
        for loop in try LoopDevice.all() { try all.apply(to: loop.path) }
        try rig.activate()
        let top = try NodeAccess(path: rig.devicePath)
        try expectEqual(top, .rootOnly, "who may open the volume")
        for part in [DeviceName.Part.content, .linear, .view(SnapshotID(rawValue: 1))] {
            let path = DeviceName(volume: rig.name, part).path
            try expectEqual(try NodeAccess(path: path), .rootOnly, "who may open \(path)")
        }
    }

    // MARK: udev

    private static func shippedRules(_ file: StaticString = #filePath) throws -> String {
        let folders = "\(file)".split(separator: "/").dropLast(4).joined(separator: "/")
        return try TextFile.read("/\(folders)/Config/udev/65-snapmgr.rules")
    }

    private static func settle() throws { try Program.run("udevadm", "settle") }

    /// Tells udev of devices as if they were new.
    private static func tellAgain(_ names: String) throws {
        try Program.run("udevadm", "trigger", "--action=add", "--sysname-match=\(names)")
        try settle()
    }

    private static func ruled(_ context: GuestContext) throws {
        let path = "/run/udev/rules.d/65-snapmgr.rules"
        try Program.run("mkdir", "-p", "/run/udev/rules.d")
        context.cleanUp {
            unlink(path)
            try Program.run("udevadm", "control", "--reload")
        }
        try TextFile.write(try shippedRules(), to: path)
        try Program.run("udevadm", "control", "--reload")
        let rig = try rig(context, some)
        try rig.activate()
        _ = try addSnapshot(rig)
        try settle()
        try expectNodes(rig, top: some, "when udev has heard of all")
        try tellAgain("dm-*")
        try tellAgain("loop*")
        try expectNodes(rig, top: some, "when udev takes them for new")
        try rig.takeSnapshot()
        try settle()
        try expectNodes(rig, top: some, "behind another snapshot")
        // What is not ours is as it was.
        let file = DeviceRig(context)
        let loop = try LoopDevice.attach(
            path: file.makeFile("other", byteCount: 1 << 20), isReadOnly: false, directIO: false)
        context.cleanUp { try loop.detach() }
        try tellAgain(String(loop.path.dropFirst("/dev/".count)))
        try expectEqual(try NodeAccess(path: loop.path).mode, 0o660, "mode of another loop device")
        let own = try LoopDevice.all().filter { $0.label.hasPrefix("SNAPMGR-") }
        try rig.volume().sweepViews()
        try rig.deactivate()
        try settle()
        let free = try NodeAccess(path: "/dev/loop-control")
        for loop in own {
            try expectEqual(try NodeAccess(path: loop.path), free, "who may take \(loop.path)")
        }
    }

    private static func unruled(_ context: GuestContext) throws {
        let rig = try rig(context, .rootOnly)
        try rig.activate()
        try expectEqual(
            try NodeAccess(path: rig.devicePath), .rootOnly, "who may open the volume")
        let id = try addSnapshot(rig)
        let view = DeviceName(volume: rig.name, .view(id)).path
        try expectEqual(try NodeAccess(path: view), .rootOnly, "who may open a snapshot's device")
    }
}

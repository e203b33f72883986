import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import VolumeAccess

enum UdevCases {
    static let cases = [
        GuestCase("udev links a filesystem's UUID to the top alone", body: links),
        GuestCase("a mounted partition's loop device is nobody's twin", body: partitions),
        GuestCase("DM7: udev's rules look for nothing in any device but the top", body: flags),
        GuestCase("neither views nor clones are ever their volume's twins to udev", body: twins),
    ]

    /// Devices with the filesystem of the volume, after whatever has udev look at them again.
    private static func twins(_ context: GuestContext) throws {
        let rig = try DriverRig(context, volumeBytes: 16 << 20, chunkBytes: 4096)
        let uuid = "9a3c51de-40b7-4a0f-8f4e-6d2b7c81e905"
        try ChildProcess.run(
            "mkfs.ext4", "-q", "-F", "-E", "nodiscard", "-U", uuid, "-L", "twin", rig.devicePath)
        let id = try rig.takeSnapshot()
        _ = try rig.perform(.createClone(CloneRequest(snapshot: id, name: "a")))
        var others = [try rig.volume().openView(id), try rig.volume().openClone("a")]
        try touch(others[1])
        _ = try rig.perform(
            .createCloneAs(
                CloneRequest(snapshot: id, name: "b"), CloneShape(parent: "a")))
        others[1] = try rig.volume().openClone("a")
        others.append(try rig.volume().openClone("b"))
        for path in others.dropFirst() { try touch(path) }
        try expectNoTwins(rig, others, uuid)
        try ChildProcess.run("udevadm", "trigger", "--action=change", "--subsystem-match=block")
        try expectNoTwins(rig, others, uuid)
        // A snapshot has the clones stand on other devices.
        try touch(rig.devicePath)
        try rig.takeSnapshot()
        try expectNoTwins(rig, others, uuid)
    }

    /// Writes what is there anyway. Udev looks at whatever somebody closes who could write to it.
    private static func touch(_ path: String) throws {
        let device = try DirectDevice(path: path)
        var buffer = AlignedBuffer(count: 4096)
        try device.read(into: &buffer, at: 0)
        try device.write(buffer, at: 0)
    }

    private static func expectNoTwins(
        _ rig: DriverRig, _ others: [String], _ uuid: String
    ) throws {
        try ChildProcess.run("udevadm", "settle")
        let own = [
            try BlockDevices.number(rig.devicePath), try BlockDevices.number(rig.originPath),
        ]
        for link in ["by-uuid/\(uuid)", "by-label/twin"] {
            let number = try BlockDevices.number("/dev/disk/\(link)")
            try expect(own.contains(number), "\(link) leads to the device \(number)")
        }
        for path in others {
            let text = try TextFile.read("/run/udev/data/b\(BlockDevices.number(path))")
            for word in ["by-uuid", "by-label", "ID_FS_UUID", "ID_FS_LABEL"] {
                try expect(!text.contains(word), "udev has \(word) of \(path)")
            }
        }
    }

    private static func flags(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let ordinal = SnapshotOrdinal(rawValue: 1)
        let clone = CloneOrdinal(rawValue: 1)
        let inner: [DeviceName.Part] = [
            .linear, .content, .pausedOrigin, .snapshot(ordinal), .view(SnapshotID(rawValue: 1)),
            .clone(clone), .cloneBase(clone),
        ]
        for part in inner + [.mounted] {
            let name = try rig.create(DeviceRig.name(part), rig.linear(1024))
            let number = try rig.info(name).number
            let text = try TextFile.read("/run/udev/data/b\(number)")
            for rules in ["SUBSYSTEM", "DISK", "OTHER"] {
                let flag = text.tail(after: "E:DM_UDEV_DISABLE_\(rules)_RULES_FLAG=1")
                try expectEqual(flag != nil, part != .mounted, "\(rules) is left out of \(name)")
            }
        }
    }

    private static func shippedRules(_ file: StaticString = #filePath) throws -> String {
        let folders = "\(file)".split(separator: "/").dropLast(4).joined(separator: "/")
        return try TextFile.read("/\(folders)/Config/udev/55-snapmgr-mounts.rules")
    }

    private static func partitions(_ context: GuestContext) throws {
        let path = "/run/udev/rules.d/55-snapmgr-mounts.rules"
        try ChildProcess.run("mkdir", "-p", "/run/udev/rules.d")
        context.cleanUp {
            unlink(path)
            try ChildProcess.run("udevadm", "control", "--reload")
        }
        try TextFile.write(try shippedRules(), to: path)
        try ChildProcess.run("udevadm", "control", "--reload")
        let rig = DeviceRig(context)
        let view = try rig.create(
            DeviceRig.name(.view(SnapshotID(rawValue: 1))), rig.linear(32_768))
        let number = try BlockDevices.number(view.path)
        let node = try require(BlockDevices.path(number), "node of \(view)")
        let own = try LoopDevice.attach(
            path: node, isReadOnly: true, directIO: false, label: "snapmgr-partition-1",
            part: 1 << 20..<4 << 20)
        context.cleanUp { try own.detach() }
        let other = try LoopDevice.attach(
            path: rig.makeFile("other", byteCount: 1 << 20), isReadOnly: true, directIO: false)
        context.cleanUp { try other.detach() }
        for (loop, isOurs) in [(own, true), (other, false)] {
            try ChildProcess.run(
                "udevadm", "trigger", "--action=change",
                "--sysname-match=\(loop.path.dropFirst("/dev/".count))")
            try ChildProcess.run("udevadm", "settle")
            let text = (try? TextFile.read("/run/udev/data/b\(loop.number)")) ?? ""
            let isLeft = text.tail(after: "E:UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG=1") != nil
            try expectEqual(isLeft, isOurs, "udev leaves \(loop.path) alone")
        }
    }

    private static func links(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let uuid = "0b5e7c1e-9f1d-4a60-8d0e-1c2b3a495867"
        let real = try rig.create(DeviceRig.name(.linear), rig.linear(32_768))
        try ChildProcess.run("mkfs.ext4", "-q", "-F", "-U", uuid, real.path)
        let base = try rig.create(
            DeviceRig.name(.content),
            DeviceTable(sectorCount: 32_768, .linear(device: .path(real.path), offset: 0)))
        let link = "/dev/disk/by-uuid/" + uuid
        try expect(
            !BlockDevices.isBlockDevice(link)
                || BlockDevices.number(link) == BlockDevices.number(context.disks[0]),
            "the link leads to a part")
        let top = try rig.create(
            DeviceRig.name(),
            DeviceTable(sectorCount: 32_768, .linear(device: .path(base.path), offset: 0)))
        try expectEqual(
            try BlockDevices.number(link), try BlockDevices.number(top.path), "the link's number")
        // A resume without a wait keeps udev's rules as they were.
        for name in [real, base] {
            try rig.mapper.suspend(name, freezesFilesystem: false, flushes: true)
            try rig.mapper.resume(name)
        }
        try ChildProcess.run("udevadm", "settle")
        try expectEqual(
            try BlockDevices.number(link), try BlockDevices.number(top.path), "the link's number")
    }
}

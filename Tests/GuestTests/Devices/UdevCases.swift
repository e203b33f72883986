import System
import DeviceMapper
import Glibc
import SnapshotModel

enum UdevCases {
    static let cases = [
        GuestCase("udev links a filesystem's UUID to the top alone", body: links),
        GuestCase("DM7: udev's rules look for nothing in any device but the top", body: flags),
    ]

    private static func flags(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let ordinal = SnapshotOrdinal(rawValue: 1)
        let inner: [DeviceName.Part] = [
            .linear, .content, .pausedOrigin, .snapshot(ordinal), .view(SnapshotID(rawValue: 1)),
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

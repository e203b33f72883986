import DeviceMapper
import SnapshotModel
import VolumeAccess

/// A logical volume as the origin, with lvm2 at work beside it.
enum LogicalVolumeCases {
    static let cases = [
        GuestCase("a logical volume is an origin like any other, and grows", body: grow),
        GuestCase("lvm2's own snapshots beside a volume stay as they are", body: beside),
    ]

    private static let group = "snapmgrtest"
    private static let mountPoint = "/mnt/snapmgr-lv"
    private static let mebibytes = 64

    /// Runs a command of lvm2, which sees the first disk only.
    private static func lvm(
        _ context: GuestContext, _ words: [String]
    ) throws -> (
        status: Int32, text: String
    ) {
        try Tool.attempt(
            ["lvm"] + words.prefix(1) + [
                "--config",
                """
                devices{filter=["a|^\(context.disks[0])$|","r|.*|"] use_devicesfile=0} \
                global{use_lvmetad=0 use_lvmpolld=0} backup{backup=0 archive=0}
                """,
            ] + words.dropFirst())
    }

    private static func manage(
        _ context: GuestContext, _ words: String..., fileID: StaticString = #fileID,
        line: Int = #line
    ) throws {
        let (status, text) = try lvm(context, words)
        try expect(
            status == 0, "lvm \(words.joined(separator: " ")) exited with \(status): \(text)",
            fileID: fileID, line: line)
    }

    /// Makes a volume group with a logical volume, and a volume of ours on that.
    private static func rig(_ context: GuestContext, mebibytes: Int) throws -> VolumeRig {
        try FilesystemRig.mountStore(context)
        context.cleanUp { _ = try lvm(context, ["vgremove", "-ff", "-y", group]) }
        try manage(context, "pvcreate", "-ff", "-y", context.disks[0])
        try manage(context, "vgcreate", group, context.disks[0])
        try manage(
            context, "lvcreate", "-y", "-Wn", "-Zn", "-L", "\(mebibytes)M", "-n", "data", group)
        return try VolumeRig(
            context, originPath: "/dev/\(group)/data", storeFolder: FilesystemRig.storeFolder,
            volumeBytes: mebibytes << 20, chunkBytes: 64 << 10)
    }

    private static func expectFilesystem(on path: String) throws {
        try Tool.run("e2fsck", "-fn", path)
    }

    private static func grow(_ context: GuestContext) throws {
        let rig = try rig(context, mebibytes: mebibytes)
        try rig.activate()
        try Mounting.make("ext4", on: rig.devicePath)
        context.cleanUp { try Mounting.unmount(mountPoint) }
        try Mounting.mount(rig.devicePath, at: mountPoint, "ext4")
        try Tool.write("small", to: mountPoint + "/file")
        let small = try rig.takeSnapshot()
        let wider = (mebibytes + 32) << 20
        // Asked for before the origin has the room: refused, and nothing has changed.
        let refusal = try rig.problem(of: .resize(bytes: wider))
        try expectEqual(refusal.code, .refused, "code of \(refusal)")
        try expect(refusal.hint?.description.contains("lvextend") ?? false, "hint of \(refusal)")
        try manage(context, "lvextend", "-L", "+32M", "\(group)/data")
        try rig.perform(.resize(bytes: wider))
        try expectEqual(
            try BlockDevices.sizeInSectors(rig.devicePath), wider / 512, "sectors of the volume")
        try Tool.run("resize2fs", rig.devicePath)
        try Tool.run(
            "dd", "if=/dev/urandom", "of=\(mountPoint)/large", "bs=1M", "count=70", "conv=fsync")
        let large = try rig.takeSnapshot()
        try Tool.run("rm", mountPoint + "/large", mountPoint + "/file")
        try Tool.run("sync")
        for (id, bytes) in [(small, mebibytes << 20), (large, wider)] {
            try rig.withView(id) {
                try expectEqual(
                    try BlockDevices.sizeInSectors($0), bytes / 512, "sectors of snapshot \(id)")
                try expectFilesystem(on: $0)
            }
        }
        try Mounting.unmount(mountPoint)
        // lvm2 cannot take away what we hold.
        let (status, text) = try lvm(context, ["vgchange", "-an", group])
        try expect(status != 0, "the volume group went while the volume was active: \(text)")
        try rig.withView(large) { try expectFilesystem(on: $0) }
        try rig.deactivate()
        try expectFilesystem(on: rig.originPath)
        try manage(context, "vgchange", "-an", group)
        try manage(context, "vgchange", "-ay", group)
        try rig.activate()
        try rig.revert(to: large)
        try Mounting.mount(rig.devicePath, at: mountPoint, "ext4")
        try expectEqual(try Tool.read(mountPoint + "/file"), "small", "content of the file")
        try Mounting.unmount(mountPoint)
        try rig.finishMerge()
        try rig.deactivate()
        try expectFilesystem(on: rig.originPath)
        try expectEqual(rig.takeWarnings(), [], "warnings")
    }

    private static func beside(_ context: GuestContext) throws {
        let rig = try rig(context, mebibytes: 16)
        try manage(context, "lvcreate", "-y", "-Wn", "-Zn", "-L", "16M", "-n", "other", group)
        let (other, snapshot) = ("/dev/\(group)/other", "/dev/\(group)/theirs")
        var content = DiskContent(seed: 11, byteCount: 16 << 20, blockBytes: 4096)
        content.set(1, blocks: 0..<content.blockCount)
        try content.writeAllButZeroes(to: DirectDevice(path: other))
        try manage(
            context, "lvcreate", "-y", "-s", "-c", "8k", "-L", "20M", "-n", "theirs",
            "\(group)/other")
        let theirs = content
        try rig.activate()
        var ours = DiskContent(seed: 12, byteCount: 16 << 20, blockBytes: 4096)
        ours.set(9, blocks: 0..<ours.blockCount)
        try ours.writeAllButZeroes(to: DirectDevice(path: rig.devicePath))
        var taken: [(SnapshotID, DiskContent)] = []
        for round in 1...3 {
            let blocks = round * 100..<round * 100 + 500
            ours.set(Int32(round), blocks: blocks)
            try ours.write(blocks, to: DirectDevice(path: rig.devicePath))
            taken.append((try rig.takeSnapshot(), ours))
            let part = round * 200..<round * 200 + 300
            content.set(Int32(round + 1), blocks: part)
            try content.write(part, to: DirectDevice(path: other))
        }
        try rig.revert(to: taken[0].0)
        try rig.finishMerge()
        try theirs.expect(on: DirectDevice(path: snapshot, isReadOnly: true), "lvm2's snapshot")
        try content.expect(on: DirectDevice(path: other, isReadOnly: true), "its origin")
        for (id, content) in taken {
            try rig.withView(id) {
                try content.expect(on: DirectDevice(path: $0, isReadOnly: true), "snapshot \(id)")
            }
        }
        // Their merge, and their removal, next to ours.
        try manage(context, "lvconvert", "-y", "--merge", "\(group)/theirs")
        try theirs.expect(on: DirectDevice(path: other, isReadOnly: true), "lvm2's merged origin")
        try taken[0].1.expect(
            on: DirectDevice(path: rig.devicePath, isReadOnly: true), "the volume")
        try rig.deactivate()
        try taken[0].1.expect(
            on: DirectDevice(path: rig.originPath, isReadOnly: true), "the origin")
        try expectEqual(rig.takeWarnings(), [], "warnings")
    }
}

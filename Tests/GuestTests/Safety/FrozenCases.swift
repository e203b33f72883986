import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import VolumeAccess

/// Filesystems that are mounted from a volume while it is held.
enum FrozenCases {
    static let cases = [
        GuestCase("DM2: a filesystem that a hook has frozen is snapshotted, and stays frozen") {
            context in
            let rig = try mounted(context)
            try Tool.write("before", to: point + "/file")
            try Tool.run("fsfreeze", "--freeze", point)
            context.cleanUp { _ = try Tool.attempt(["fsfreeze", "--unfreeze", point]) }
            let id = try rig.takeSnapshot()
            // To freeze it again is refused.
            let again = try Tool.attempt(["fsfreeze", "--freeze", point])
            try expect(again.status != 0, "the filesystem is not frozen any more")
            try Tool.run("fsfreeze", "--unfreeze", point)
            try Tool.write("after", to: point + "/file")
            try rig.withView(id) { _ = try Tool.run("e2fsck", "-fn", $0) }
        },
        GuestCase("DM3: what a filesystem has in memory is written out before it is held") {
            context in
            let rig = try mounted(context)
            let words = "written out while writes go on "
            try Tool.write(String(repeating: words, count: 4096), to: point + "/file")
            let session = try rig.session()
            _ = try session.perform(.prepareSnapshot(rig.snapshotRequest())) { _ in }
            try expect(
                try contains(words, context.disks[0], bytes: bytes), "it is in memory still")
            session.close()
        },
    ]

    private static let point = "/mnt/snapmgr-frozen"
    private static let bytes = 32 << 20

    private static func mounted(_ context: GuestContext) throws -> VolumeRig {
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(FaultRig.storeFolder) }
        try Mounting.mount(context.disks[1], at: FaultRig.storeFolder, "ext4")
        let rig = try VolumeRig(
            context, originPath: context.disks[0], storeFolder: FaultRig.storeFolder,
            volumeBytes: bytes, chunkBytes: 16 << 10)
        try rig.activate()
        try Mounting.make("ext4", on: rig.devicePath)
        context.cleanUp { try Mounting.unmount(point) }
        try Mounting.mount(rig.devicePath, at: point, "ext4")
        return rig
    }

    private static func contains(_ words: String, _ path: String, bytes: Int) throws -> Bool {
        let device = try DirectDevice(path: path, isReadOnly: true)
        var buffer = AlignedBuffer(count: 4096)
        // It begins a block of the filesystem.
        for offset in stride(from: 0, to: bytes, by: buffer.count) {
            try device.read(into: &buffer, at: offset)
            if buffer.bytes.array.starts(with: words.utf8) { return true }
        }
        return false
    }
}

import Glibc

/// The disks of the suite `filesystems`: origins, the stores' filesystem, scratch.
enum FilesystemRig {
    /// XFS takes no device below 300 MiB.
    static let originMebibytes = 320
    static let storeFolder = "/mnt/snapmgr-stores"

    static let machine = GuestMachine(
        diskMebibytes: [originMebibytes, 2048, 64], seconds: 1800)

    /// Makes and mounts an empty filesystem for stores.
    static func mountStore(_ context: GuestContext) throws {
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(storeFolder) }
        try Mounting.mount(context.disks[1], at: storeFolder, "ext4")
    }

    /// A volume on the first disk.
    static func volume(_ context: GuestContext, mebibytes: Int) throws -> VolumeRig {
        try mountStore(context)
        return try VolumeRig(
            context, originPath: context.disks[0], storeFolder: storeFolder,
            volumeBytes: mebibytes << 20, chunkBytes: 64 << 10)
    }
}

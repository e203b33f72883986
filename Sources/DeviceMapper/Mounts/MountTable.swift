package import System

/// What is mounted where this process sees it. That the kernel's table cannot be read is an error.
package enum MountTable {
    private static func mounts() throws(IOFailure) -> [Mount] {
        Mount.all(try SystemFile.text("/proc/self/mountinfo") ?? "")
    }

    /// Whether something is mounted on a folder.
    ///
    /// - Parameter path: from the root, without links.
    package static func isPoint(_ path: String) throws(IOFailure) -> Bool {
        try mounts().contains { $0.point == path }
    }

    /// Whether the last thing that is mounted on a folder is a filesystem of a kind.
    ///
    /// - Parameters:
    ///   - path: from the root, without links.
    ///   - subtype: the kernel's word, as `fuse.snapmgr`.
    package static func isPoint(_ path: String, subtype: String) throws(IOFailure) -> Bool {
        try mounts().last { $0.point == path }?.filesystem == subtype
    }

    /// Where a loop device's filesystem is mounted, the last one first.
    package static func points(of loop: LoopDevice) throws(IOFailure) -> [String] {
        points(of: loop.number, loop.path, in: try mounts())
    }

    static func points(of number: DeviceNumber, _ path: String, in mounts: [Mount]) -> [String] {
        // A Btrfs has a number of its own. What others say of their source is any text that they like.
        mounts.filter { mount in
            mount.number == number || (mount.filesystem == "btrfs" && mount.source == path)
        }.map(\.point).reversed()
    }

    /// Where all of a device's filesystem is mounted, and not a folder of it alone; the last one.
    ///
    /// - Parameter number: as stat tells it.
    package static func wholePoint(of number: UInt64) throws(IOFailure) -> String? {
        Mount.whole(DeviceNumber(encoded: number), of: try mounts())?.point
    }

    /// The devices that filesystems are mounted from, as stat tells their numbers, where, and which
    /// filesystems they are.
    package static func devices() throws(IOFailure) -> [(
        number: UInt64, point: String, filesystem: String
    )] {
        try mounts().compactMap { mount in
            mount.deviceNumber.map { ($0.encoded, mount.point, mount.filesystem) }
        }
    }

    /// The device whose filesystem is the last thing that is mounted on a folder, as stat tells its number; nil
    /// when none is.
    ///
    /// - Parameter path: from the root, without links.
    package static func device(on path: String) throws(IOFailure) -> UInt64? {
        try mounts().last { $0.point == path }?.deviceNumber?.encoded
    }

    /// Whether a Btrfs with this UUID is mounted, by whomever.
    package static func hasBtrfs(_ uuid: String) throws(IOFailure) -> Bool {
        try FileFolder.exists(path: "/sys/fs/btrfs/\(uuid)")
    }
}

internal import Glibc

/// What is mounted where this process sees it.
package enum MountTable {
    private static var mounts: [Mount] {
        Mount.all(SystemFile.text("/proc/self/mountinfo") ?? "")
    }

    /// Whether something is mounted on a folder.
    ///
    /// - Parameter path: from the root, without links.
    package static func isPoint(_ path: String) -> Bool { mounts.contains { $0.point == path } }

    /// Whether the last thing that is mounted on a folder is a filesystem of a kind.
    ///
    /// - Parameters:
    ///   - path: from the root, without links.
    ///   - subtype: the kernel's word, as `fuse.snapmgr`.
    package static func isPoint(_ path: String, subtype: String) -> Bool {
        mounts.last { $0.point == path }?.filesystem == subtype
    }

    /// Where a loop device's filesystem is mounted, the last one first.
    package static func points(of loop: LoopDevice) -> [String] {
        points(of: loop.number, loop.path, in: mounts)
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
    package static func wholePoint(of number: UInt64) -> String? {
        Mount.whole(DeviceNumber(encoded: number), of: mounts)?.point
    }

    /// The devices that filesystems are mounted from, as stat tells their numbers, where, and which
    /// filesystems they are.
    package static var devices: [(number: UInt64, point: String, filesystem: String)] {
        mounts.filter { $0.number.major != 0 }
            .map { ($0.number.encoded, $0.point, $0.filesystem) }
    }

    /// Whether a Btrfs with this UUID is mounted, by whomever.
    package static func hasBtrfs(_ uuid: String) -> Bool {
        access("/sys/fs/btrfs/\(uuid)", F_OK) == 0
    }
}

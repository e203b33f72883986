internal import SnapshotModel

/// Numbers for the inodes of mounted filesystems, which may have more bits, or begin anew in each part of a
/// filesystem. Mounts of several states of one filesystem that share this have the same number for the same
/// inode.
package final class NodeNumbers {
    /// A part of a filesystem that counts its inodes by itself, as a subvolume of a Btrfs: by where it was met.
    private var parts: [Place: Int] = [:]
    private var numbers: [Inode: UInt32] = [:]
    private var next = NodeNumbers.ownStart

    private struct Place: Hashable {
        var folder: UInt32
        var name: FileName
    }

    private struct Inode: Hashable {
        var part: Int
        var number: UInt64
    }

    /// Numbers below this one are inodes' own.
    private static let ownStart: UInt32 = 1 << 31

    package init() {}

    /// The part whose uppermost folder has a name in a folder; 0 is that of the root folder.
    func part(at name: FileName, in folder: UInt32) -> Int {
        let place = Place(folder: folder, name: name)
        if let known = parts[place] { return known }
        let part = parts.count + 1
        parts[place] = part
        return part
    }

    /// - Throws: `no_space` when there are no numbers left.
    func number(of inode: UInt64, in part: Int) throws(Problem) -> UInt32 {
        if part == 0, inode > 0, inode < UInt64(Self.ownStart) { return UInt32(inode) }
        let key = Inode(part: part, number: inode)
        if let known = numbers[key] { return known }
        guard next < UInt32.max else {
            throw Problem(.noSpace, "the filesystem has more files than can be looked at")
        }
        let number = next
        next += 1
        numbers[key] = number
        return number
    }
}

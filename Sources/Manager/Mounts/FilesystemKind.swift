internal import FileSystems
internal import SnapshotModel
internal import System

/// What is on a device, as far as it matters for mounting it. Known by the magic numbers of
/// superblocks; see libblkid and the kernel's headers, and docs/libraries.md.
enum FilesystemKind: String, CaseIterable {
    case ext4
    case xfs
    case btrfs
    case f2fs
    case exfat
    case ntfs = "ntfs3"
    case vfat
    case squashfs
    case erofs
    case iso9660
    // No filesystems: to be told in clear words.
    case swap
    case lvmVolume = "LVM2_member"
    case raidMember = "linux_raid_member"
    case encrypted = "crypto_LUKS"

    /// Reads the first bytes of a device; nil when it holds nothing that is known.
    static func detect(_ device: any BlockDevice) throws(IOFailure) -> FilesystemKind? {
        let count = min(headBytes, try device.byteCount() / sectorBytes * sectorBytes)
        guard count > 0 else { return nil }
        var buffer = AlignedBuffer(count: count)
        var bytes = buffer.mutableBytes
        try device.read(into: &bytes, at: 0)
        return detect(buffer.bytes.array)
    }

    private static let sectorBytes = 512
    /// All magic numbers lie within so many bytes.
    private static let headBytes = 128 << 10

    /// - Parameter head: the first bytes of a device. Pure.
    static func detect(_ head: [UInt8]) -> FilesystemKind? {
        allCases.first { kind in
            kind.magics.contains { magic in
                head.count >= magic.offset + magic.bytes.count
                    && head[magic.offset...].starts(with: magic.bytes)
            }
        }
    }

    /// The first bytes of a volume or a partition, in which all magic numbers lie.
    static func head(of bytes: any VolumeBytes) throws(Problem) -> [UInt8] {
        var head = [UInt8](repeating: 0, count: min(headBytes, bytes.byteCount))
        guard !head.isEmpty else { return [] }
        var elements = head.mutableSpan
        var span = elements.mutableBytes
        try bytes.read(into: &span, at: 0)
        return head
    }

    private var magics: [(offset: Int, bytes: [UInt8])] {
        func text(_ text: String) -> [UInt8] { Array(text.utf8) }
        return switch self {
        // ext2, ext3 and ext4, which ext4's driver mounts all.
        case .ext4: [(1080, [0x53, 0xEF])]
        case .xfs: [(0, text("XFSB"))]
        case .btrfs: [(0x10040, text("_BHRfS_M"))]
        case .f2fs: [(1024, [0x10, 0x20, 0xF5, 0xF2])]
        case .exfat: [(3, text("EXFAT   "))]
        case .ntfs: [(3, text("NTFS    "))]
        case .vfat: [(54, text("FAT1")), (82, text("FAT32"))]
        case .squashfs: [(0, text("hsqs"))]
        case .erofs: [(1024, [0xE2, 0xE1, 0xF5, 0xE0])]
        case .iso9660: [(32769, text("CD001"))]
        // At the end of a page, of whatever size.
        case .swap: (12...16).map { ((1 << $0) - 10, text("SWAPSPACE2")) }
        // In one of the first sectors.
        case .lvmVolume: (0..<4).map { ($0 * 512 + 24, text("LVM2 001")) }
        case .raidMember: [(0, [0xFC, 0x4E, 0x2B, 0xA9]), (4096, [0xFC, 0x4E, 0x2B, 0xA9])]
        case .encrypted: [(0, text("LUKS") + [0xBA, 0xBE])]
        }
    }

    /// Whether the kernel mounts it; else it is none, and told in clear words.
    var isFilesystem: Bool {
        switch self {
        case .ext4, .xfs, .btrfs, .f2fs, .exfat, .ntfs, .vfat, .squashfs, .erofs, .iso9660: true
        case .swap, .lvmVolume, .raidMember, .encrypted: false
        }
    }
}

internal import DeviceMapper
internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System

/// How the filesystem in a file is to be mounted beside another copy of itself.
struct MountPlan {
    let kind: FilesystemKind
    /// The part of the file that it is in; nil is all.
    let part: Range<Int>?
    /// What is tried, one after the other.
    let attempts: [Attempt]

    /// Options, with what people are to know when it is these that succeed.
    struct Attempt {
        var options: String
        var note: Advice?
    }

    /// What is to be mounted, as messages call it, and as remedies need it.
    struct Subject {
        var name: String
        var snapshot: SnapshotID
        var isClone: Bool
        /// The clone whose state is kept there; nil of the snapshot itself, and of what is written to.
        var kept: String?

        /// What writes it to a file; of a clone, whose content is another than its snapshot's, how to say that.
        var export: Remedy {
            isClone || kept != nil ? .help(["export"]) : .export(snapshot)
        }
    }

    /// Looks at what the file holds: some of its first bytes, and those of a partition.
    ///
    /// - Throws: `refused` for what is no filesystem or cannot be beside another copy, with the next command.
    init(_ path: String, partition: Int?, _ subject: Subject) throws {
        let device = try FileDevice(path: path, access: .readOnly)
        let whole = try FileBytes(device)
        let bytes = try FileAccess.part(of: whole, partition, subject.name)
        part = (bytes as? BytesPart).map { $0.start..<$0.start + $0.byteCount }
        let head = try FilesystemKind.head(of: bytes)
        guard let kind = FilesystemKind.detect(head) else {
            throw try Self.unknown(bytes, subject)
        }
        if let problem = kind.problem(subject) { throw problem }
        if kind == .btrfs { try Self.requireOneDevice(head, subject) }
        if kind == .btrfs, let uuid = Self.btrfsUUID(head), try MountTable.hasBtrfs(uuid) {
            throw Self.twin(uuid, subject)
        }
        self.kind = kind
        attempts = Self.attempts(kind, head, subject)
    }

    /// Mounts a device by the first attempt that succeeds. What a snapshot holds is data: none of it shall give
    /// anybody powers on this machine.
    ///
    /// - Returns: what has succeeded, with what people are to know of it.
    /// - Throws: `missing` for what this kernel does not know, `refused` for a device that is in use.
    func mount(
        _ device: String, isReadOnly: Bool, _ subject: Subject, on point: MountPoint
    ) throws(Problem) -> Attempt {
        let flags = UInt(MS_NOSUID | MS_NODEV | (isReadOnly ? MS_RDONLY : 0))
        let (attempt, code) = firstSuccess { options in
            let result = Glibc.mount(device, point.target, kind.rawValue, flags, options)
            return result == 0 ? 0 : errno
        }
        if let attempt { return attempt }
        throw problem(IOFailure("mount", path: subject.name, code: code), device, subject)
    }

    /// What other options may mend: a log that cannot be replayed.
    private static let mendable = [EROFS, EIO, EINVAL]

    /// Tries one after the other.
    ///
    /// - Parameter mount: gets options; its result is an errno, or 0.
    /// - Returns: what has succeeded, or nil and the first errno, which tells most.
    func firstSuccess(_ mount: (String) -> Int32) -> (attempt: Attempt?, code: Int32) {
        var first: Int32?
        for attempt in attempts {
            let code = mount(attempt.options)
            if code == 0 { return (attempt, 0) }
            first = first ?? code
            guard Self.mendable.contains(code) else { break }
        }
        return (nil, first ?? EINVAL)
    }

    private func problem(
        _ failure: IOFailure, _ device: String, _ subject: Subject
    ) -> Problem {
        switch failure.code {
        case ENODEV:
            return Problem(
                .missing, "this kernel does not know \(kind.rawValue), which \(subject.name) holds",
                hint:
                    "run `modprobe \(kind.rawValue)`, or write it to a file: \(subject.export)"
            )
        case EBUSY:
            return Problem(
                .refused, "\(failure): it is mounted or open already",
                hint: "see `findmnt`, or `fuser -v \(device)`")
        case let code where Self.tellsOfContent(code, device):
            return Problem(
                .failed, "\(failure) (\(kind.rawValue))",
                hint: "see `dmesg`; \(subject.export) writes it to a file")
        default:
            return Problem(
                .inputOutput, "\(failure) (\(kind.rawValue))",
                hint:
                    "it is not the filesystem that is at fault: see `dmesg`; then run the command "
                    + "again")
        }
    }

    /// Whether an error of a mount is a matter of the filesystem, and not of the machine.
    private static func tellsOfContent(_ code: Int32, _ device: String) -> Bool {
        content.contains(code) && (code != EIO || MountSource.isReadable(device))
    }

    /// What kernels say of a filesystem that they do not take: what is wrong with it, or unknown in it.
    private static let content: Set<Int32> = [
        EINVAL, EIO, EUCLEAN, EBADMSG, EROFS, EOPNOTSUPP, ENOENT, ENOTDIR, ENODATA, EFBIG,
        EOVERFLOW, ESTALE, ERANGE, EILSEQ, ENOPKG, EEXIST,
    ]

    var isAlwaysReadOnly: Bool { [.squashfs, .erofs, .iso9660].contains(kind) }

    /// What an ext4's superblock says of errors, such as to panic, is nothing for this machine.
    private static func attempts(
        _ kind: FilesystemKind, _ head: [UInt8], _ subject: Subject
    ) -> [Attempt] {
        let journal: Advice =
            "the \(kind.rawValue) in \(subject.name) was in use, and what is in its journal alone is not "
            + "shown: for that, mount a clone, which replays it: "
            + "\(subject.kept.map { .cloneOfClone($0) } ?? .cloneCreate(subject.snapshot))"
        switch (kind, subject.isClone) {
        case (.ext4, false):
            return [
                Attempt(
                    options: "noload,errors=continue",
                    note: FilesystemKind.needsRecovery(head) ? journal : nil)
            ]
        case (.ext4, true): return [Attempt(options: "errors=remount-ro")]
        // A log that is clean needs no word.
        case (.xfs, false):
            return [
                Attempt(options: "nouuid"), Attempt(options: "nouuid,norecovery", note: journal),
            ]
        case (.xfs, true): return [Attempt(options: "nouuid")]
        case (.btrfs, false):
            return [Attempt(options: ""), Attempt(options: "rescue=nologreplay", note: journal)]
        case (.f2fs, false): return [Attempt(options: "norecovery")]
        default: return [Attempt(options: "")]
        }
    }

    // MARK: What it holds

    private static func unknown(_ bytes: any VolumeBytes, _ subject: Subject) throws -> Problem {
        if let table = try PartitionTable(bytes) {
            return Problem(
                .refused,
                "\(subject.name) holds no filesystem, but a disk with partitions (\(table.kind))",
                hint: FileAccess.partitionHint(table))
        }
        return Problem(
            .refused, "what \(subject.name) holds is not a filesystem that is known",
            hint: "write it to a file: \(subject.export)")
    }

    /// Of the superblock at 64 KiB: the filesystem's id, 32 bytes after its beginning.
    private static func btrfsUUID(_ head: [UInt8]) -> String? {
        guard head.count >= 0x10030 else { return nil }
        let digits = head[0x10020..<0x10030].map { UInt64($0).padded(to: 2, radix: 16) }
        return [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10...]]
            .map { $0.joined() }.joined(separator: "-")
    }

    /// Of the same superblock: how many devices it is of. The kernel would look for the others by UUID, and could
    /// take those of the volume itself.
    private static func requireOneDevice(_ head: [UInt8], _ subject: Subject) throws {
        let place = 0x10088..<0x10090
        let count = head.count >= place.upperBound ? head[place] : []
        guard Array(count) != [1, 0, 0, 0, 0, 0, 0, 0] else { return }
        throw Problem(
            .refused, "the Btrfs in \(subject.name) is one of several devices",
            hint: "write it to a file: \(subject.export)")
    }

    private static func twin(_ uuid: String, _ subject: Subject) -> Problem {
        let clone: Remedy =
            subject.kept.map { .cloneOfClone($0) } ?? .cloneCreate(subject.snapshot)
        return Problem(
            .refused,
            "a Btrfs with the UUID of that in \(subject.name), \(uuid), is mounted: Btrfs takes two devices "
                + "with the same UUID for one, and may mix them up",
            hint:
                "unmount the other one; or make a clone (\(clone)), give it "
                + "another UUID with `btrfstune -u`, and mount the clone")
    }
}

extension FilesystemKind {
    /// Why it is not mounted, and what to do instead; nil for what can be.
    fileprivate func problem(_ subject: MountPlan.Subject) -> Problem? {
        let way: Advice
        switch self {
        case .ext4, .xfs, .btrfs, .f2fs, .exfat, .ntfs, .vfat, .squashfs, .erofs, .iso9660:
            return nil
        case .lvmVolume:
            way = "with `losetup`, `vgimportclone` and `lvchange -ay` its volumes can be mounted"
        case .encrypted:
            way = "`cryptsetup open --readonly` opens it, and its filesystem can be mounted"
        case .raidMember: way = "`mdadm --assemble --readonly` puts it together with the others"
        case .swap: way = "there are no files in it"
        }
        return Problem(
            .refused, "\(subject.name) holds no filesystem, but \(rawValue)",
            hint: "write it to a file: \(subject.export); " + way)
    }

    /// - Parameter head: the first bytes of an ext4.
    static func needsRecovery(_ head: [UInt8]) -> Bool {
        // The lowest byte of s_feature_incompat; EXT4_FEATURE_INCOMPAT_RECOVER.
        head.count > 1024 + 0x60 && head[1024 + 0x60] & 0x4 != 0
    }
}

/// The bytes of a file or a device.
final class FileBytes: VolumeBytes {
    private let device: FileDevice
    let byteCount: Int

    /// - Throws: when its size cannot be told.
    init(_ device: FileDevice) throws(IOFailure) {
        self.device = device
        byteCount = try device.byteCount()
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        do throws(IOFailure) { try device.read(into: &buffer, at: offset) } catch {
            throw Problem(error)
        }
    }
}

/// What is known of a file or device that is to become an origin.
package struct OriginFacts: Hashable, Sendable {
    /// From the root.
    package var path: String
    package var kind: OriginKind
    package var byteCount: Int
    /// What lies at its beginning, in libblkid's words or as `partitions`; nil for nothing that is known.
    package var content: String?
    /// Whether that is a filesystem, which this machine may mount.
    package var holdsFilesystem: Bool
    /// Who has it open, each as the end of a sentence: `mounted on /srv`.
    package var users: [String]
    /// Where this machine has mounted it.
    package var mountPoint: String?
    /// The disks of virtual machines that are defined with it.
    package var guestDisks: [GuestDisk]

    package init(
        path: String, kind: OriginKind, byteCount: Int, content: String? = nil,
        holdsFilesystem: Bool = false, users: [String] = [], mountPoint: String? = nil,
        guestDisks: [GuestDisk] = []
    ) {
        self.path = path
        self.kind = kind
        self.byteCount = byteCount
        self.content = content
        self.holdsFilesystem = holdsFilesystem
        self.users = users
        self.mountPoint = mountPoint
        self.guestDisks = guestDisks
    }

    /// Whether the kernel should serve it: what this machine mounts stays a device. A virtual machine's disk,
    /// and what is not known, is served over NBD, which can do more.
    package var isForTheKernel: Bool {
        kind != .file && guestDisks.isEmpty && (mountPoint != nil || holdsFilesystem)
    }
}

/// What an origin is, as people call it.
package enum OriginKind: Hashable, Sendable {
    case file
    case logicalVolume(group: String, name: String)
    case partition
    case loop
    /// Another device of device-mapper's, by its name there.
    case mapping(String)
    case disk

    /// Of a block device, by what the kernel says of it.
    ///
    /// - Parameter mapperUUID: begins with `LVM-` for what LVM has made.
    package init(
        mapperName: String?, mapperUUID: String?, isPartition: Bool, isLoop: Bool
    ) {
        if let mapperName {
            let parts = Self.parts(ofVolume: mapperName)
            self =
                if mapperUUID?.hasPrefix("LVM-") == true, parts.count == 2 {
                    .logicalVolume(group: parts[0], name: parts[1])
                } else { .mapping(mapperName) }
        } else {
            self = isPartition ? .partition : isLoop ? .loop : .disk
        }
    }

    /// LVM puts a dash between the names of group and volume, and doubles those within them.
    private static func parts(ofVolume name: String) -> [String] {
        name.replacing("--", with: "\0").split(separator: "-", omittingEmptySubsequences: false)
            .map { String($0.replacing("\0", with: "-")) }
    }

    /// The word for scripts.
    package var word: String {
        switch self {
        case .file: "image"
        case .logicalVolume: "logical_volume"
        case .partition: "partition"
        case .loop: "loop_device"
        case .mapping: "mapping"
        case .disk: "disk"
        }
    }
}

extension OriginKind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file: "a raw image"
        case .logicalVolume(let group, let name): "the logical volume \(name) of group \(group)"
        case .partition: "a partition"
        case .loop: "a loop device"
        case .mapping(let name): "the device-mapper device \(name)"
        case .disk: "a disk"
        }
    }
}

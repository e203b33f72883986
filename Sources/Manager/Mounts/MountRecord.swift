internal import SnapshotModel
internal import System

/// A mount of an image's snapshot or clone, with all that it is made of: a file in the state folder, so that
/// the next command finds what a crash has left. Nothing of it outlives a restart of the machine.
struct MountRecord: Hashable, Sendable, Codable {
    var version = MountRecord.newestVersion
    /// Of the mounts of this state; free again when it has ended.
    var number: Int
    /// The volume's name.
    var volume: String
    /// The snapshot; of a clone, the one that it is of.
    var snapshot: SnapshotID
    /// The clone's name; nil for a snapshot itself.
    var clone: String?
    /// Nil is the whole.
    var partition: Int?
    /// Where it is mounted: absolute, without links.
    var folder: String
    /// The kernel's word for it; nil until it is mounted.
    var filesystem: String?
    var isReadOnly: Bool
    var mountedAt: Timestamp
    /// The volume's store, whose lock tells whether the server is there.
    var storePath: String
    /// Who serves the volume, and where.
    var server: ProcessIdentity
    var socket: String
    /// Whether the server was started for mounts, and ends with the last one.
    var ownsServer: Bool
    /// The programs that make a file of the export, and a filesystem of that where the kernel does not.
    var helpers: [ProcessIdentity] = []
    /// Whether the kernel mounts it, from a loop device; else a program does.
    var hasLoop: Bool
    /// What tells its loop device from all others.
    var label: String

    static let newestVersion = 1

    enum CodingKeys: String, CodingKey {
        case version, number, volume
        case snapshot = "snapshot_id"
        case clone, partition
        case folder = "directory"
        case filesystem
        case isReadOnly = "read_only"
        case mountedAt = "mounted_at"
        case storePath = "store"
        case server, socket
        case ownsServer = "owns_server"
        case helpers
        case hasLoop = "has_loop"
        case label
    }
}

extension MountRecord: StoredMount {
    static let filePrefix = ""

    /// As messages call what is mounted.
    var what: String { target.what }

    var target: MountTarget {
        MountTarget(volume: volume, snapshot: snapshot, clone: clone, isReadOnly: isReadOnly)
    }

    /// What makes it no record of a mount; nil when it is one.
    ///
    /// - Parameter name: the number that its file has.
    func flaw(name: Int) -> String? {
        guard number == name else { return "it is that of mount \(number)" }
        guard [folder, socket, storePath].allSatisfy({ $0.hasPrefix("/") }) else {
            return "its paths are not absolute"
        }
        guard helpers.count <= 2, label.utf8.count <= 63 else { return "it is too long" }
        return nil
    }
}

internal import SnapshotModel
internal import System

/// A mount of all snapshots of a volume: a file in the state folder, so that the next command finds what a
/// crash has left. Nothing of it outlives a restart of the machine.
struct TreeRecord: Hashable, Sendable, Codable {
    var version = TreeRecord.newestVersion
    /// Of the mounts of this kind and state; free again when it has ended.
    var number: Int
    /// The volume's name.
    var volume: String
    /// Nil is the whole.
    var partition: Int?
    /// Where it is mounted: absolute, without links.
    var folder: String
    var names: FolderNames
    var mountedAt: Timestamp
    /// The volume's store, whose lock tells whether a server is there.
    var storePath: String
    /// The program that shows the snapshots; nil until it is started.
    var program: ProcessIdentity?

    static let newestVersion = 1

    enum CodingKeys: String, CodingKey {
        case version, number, volume, partition
        case folder = "directory"
        case names
        case mountedAt = "mounted_at"
        case storePath = "store"
        case program
    }
}

extension TreeRecord: StoredMount {
    static let filePrefix = "all-"

    func flaw(name: Int) -> String? {
        guard number == name else { return "it is that of mount \(number)" }
        guard [folder, storePath].allSatisfy({ $0.hasPrefix("/") }) else {
            return "its paths are not absolute"
        }
        return nil
    }
}

extension TreeRecord {
    /// As messages call what is mounted.
    static func what(_ volume: String) -> String { "every snapshot of volume \(volume)" }

    var what: String { Self.what(volume) }

    func report(_ state: MountReport.State, snapshotCount: Int? = nil) -> MountReport {
        MountReport(
            volume: volume, snapshot: nil, clone: nil, partition: partition, devicePath: nil,
            folder: folder, filesystem: state == .unmounted ? nil : Self.filesystem,
            isReadOnly: true, mountedAt: state == .planned ? nil : mountedAt, state: state,
            tree: .init(names: names, snapshotCount: snapshotCount))
    }

    /// What it shows, whatever shows it.
    private static let filesystem = "ext4"
}

internal import SnapshotModel
internal import System

/// A copy of a VM with all that it is made of: a file in the state folder, written before anything is made and
/// removed after all of it has gone, so that one command takes it back whatever has happened.
struct MachineCopyRecord: Hashable, Sendable, Codable {
    /// A disk of it.
    struct Disk: Hashable, Sendable, Codable {
        var volume: String
        /// What it began as.
        var snapshot: SnapshotID
        /// The clone's name.
        var clone: String
        /// The volume's store, whose lock tells whether a server is there.
        var storePath: String

        enum CodingKeys: String, CodingKey {
            case volume
            case snapshot = "snapshot_id"
            case clone
            case storePath = "store"
        }
    }

    var version = MachineCopyRecord.newestVersion
    /// Of the copies of this state; free again when it has ended.
    var number: Int
    var name: String
    /// The VM's name in the settings.
    var machine: String
    var setID: SetID?
    var disks: [Disk]
    /// Where its monitor answers.
    var monitorPath: String
    var hasNetwork: Bool
    /// Whether it has the memory that was saved with its disks; else it was started afresh.
    var hasMemory: Bool
    var madeAt: Timestamp
    /// Whether it is all made: else a command is at work on it, or was ended.
    var isWhole = false
    /// Its QEMU; nil until that answers, or when it is not certain.
    var process: ProcessIdentity?

    static let newestVersion = 1
    private static let disksMaximum = TextBounds.setVolumeCount

    enum CodingKeys: String, CodingKey {
        case version, number, name
        case machine = "vm"
        case setID = "set_id"
        case disks
        case monitorPath = "qmp"
        case hasNetwork = "network"
        case hasMemory = "with_memory"
        case madeAt = "made_at"
        case isWhole = "whole"
        case process
    }
}

extension MachineCopyRecord: StoredMount {
    static let filePrefix = "vm-"

    func flaw(name: Int) -> String? {
        guard number == name else { return "it is that of copy \(number)" }
        guard VolumeRecord.isValidName(self.name), VolumeRecord.isValidName(machine),
            disks.allSatisfy({
                VolumeRecord.isValidName($0.volume) && VolumeRecord.isValidName($0.clone)
            })
        else { return "its names are none" }
        guard monitorPath.hasPrefix("/"), disks.allSatisfy({ $0.storePath.hasPrefix("/") }) else {
            return "its paths are not absolute"
        }
        guard disks.count <= Self.disksMaximum else { return "it has too many disks" }
        return nil
    }
}

extension StateFolder {
    /// Taken by the one command that is at work on a copy of a VM.
    func lockPath(copy: String) -> String { locksPath + "/.copy-" + copy }

    /// Whether somebody is at work on a copy.
    func isLocked(copy name: String) -> Bool {
        let halves = PathHalves(lockPath(copy: name))
        return (try? FileLock.isHeld(halves.name, in: FileFolder(path: halves.folder))) ?? false
    }
}

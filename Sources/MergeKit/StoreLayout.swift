package import SnapshotModel

/// The names in a volume's store.
///
///     volume.json                     identity, geometry, origin
///     origin.json                     size and time of change of the origin at the last clean close
///     lock, control.sock              of the process that has the volume open
///     snapshots/000042/manifest.json  a snapshot; a folder without it is an unfinished creation
///     snapshots/000042/area.cow       its exceptions
///     snapshots/000042/deleted        an empty file: the snapshot is deleted. It needs no space,
///                                     so that deleting works on a full disk
///     snapshots/000042/broken         an empty file: this snapshot and all older ones are lost
///     reverts/000007/revert.json      a running revert; a folder without it is left over
///     reverts/000007/journal          the chunks that its merge has done
///     reverts/000007/limits.json      the throttle and pause of its merge, if any were set
///     reverts/000007/metadata.cow     of a volume under device-mapper: the synthetic store's header
///                                     and metadata blocks
///     reverts/000007/overlay.cow      what is written into the synthetic store, as an area
///     reverts/000007/copy.cow         the whole synthetic store, when its windows would be too many
///     reverts/000007/begun            an empty file: the kernel may have begun the merge
///     reverts/000007/paused           an empty file: the kernel's merge shall rest
///     reverts/000007/merged           an empty file: the kernel has ended it
package enum StoreLayout {
    package static let volume = "volume.json"
    package static let originState = "origin.json"
    package static let lock = "lock"
    package static let controlSocket = "control.sock"
    package static let snapshots = "snapshots"
    package static let reverts = "reverts"

    /// The largest small file that is read, in bytes; manifests take less than a hundredth of it.
    package static let smallFileBytesMaximum = 1 << 20

    package static func snapshotFolder(_ ordinal: SnapshotOrdinal) -> String {
        "\(snapshots)/\(padded(ordinal.rawValue))"
    }

    package static func manifest(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/manifest.json"
    }

    package static func area(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/area.cow"
    }

    package static func deletedMark(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/deleted"
    }

    package static func brokenMark(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/broken"
    }

    package static func revertFolder(_ id: RevertID) -> String {
        "\(reverts)/\(padded(Int(id.rawValue)))"
    }

    package static func revert(_ id: RevertID) -> String { revertFolder(id) + "/revert.json" }
    package static func mergeLimits(_ id: RevertID) -> String {
        revertFolder(id) + "/limits.json"
    }

    package static func syntheticMetadata(_ id: RevertID) -> String {
        revertFolder(id) + "/metadata.cow"
    }

    package static func syntheticOverlay(_ id: RevertID) -> String {
        revertFolder(id) + "/overlay.cow"
    }

    package static func syntheticCopy(_ id: RevertID) -> String { revertFolder(id) + "/copy.cow" }
    package static func begunMark(_ id: RevertID) -> String { revertFolder(id) + "/begun" }
    package static func pausedMark(_ id: RevertID) -> String { revertFolder(id) + "/paused" }
    package static func mergedMark(_ id: RevertID) -> String { revertFolder(id) + "/merged" }
    package static func journal(_ id: RevertID) -> String { revertFolder(id) + "/journal" }

    /// Reads a folder's name back; nil when it is none of ours.
    package static func number(of folder: String) -> Int? {
        guard folder.count >= 6, folder.allSatisfy({ $0.isASCII && $0.isNumber }),
            let number = Int(folder), number > 0, padded(number) == folder
        else { return nil }
        return number
    }

    private static func padded(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}

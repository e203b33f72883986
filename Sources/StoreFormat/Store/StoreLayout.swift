internal import System
package import SnapshotModel

/// The names in a volume's store.
///
///     volume.json                     identity, geometry, origin
///     origin.json                     size and time of change of the origin at the last clean close
///     write-back.log                  first writes that are answered and not in the origin yet
///     aside-write-back-1.log          one that does not belong to the origin any more
///     suspended.json                  of a volume under device-mapper: the devices that snapmgr has
///                                     suspended
///     receive.json                    a stream that is being written into the volume
///     mirror.json                     whose copy the volume is, or since when it is the one that is written to
///     volume.json.removed             the first of a store whose removal has begun
///     lock, control.sock              of the process that has the volume open
///     snapshots/000042/manifest.json  a snapshot
///     snapshots/000042/manifest.json.new
///                                     without a manifest: its creation or removal is not finished
///     snapshots/000042/manifest.json.labels
///                                     the manifest with other labels, before it takes its place
///     snapshots/000042/area.cow       its exceptions
///     snapshots/000042/deleted        an empty file: the snapshot is deleted. It needs no space,
///                                     so that deleting works on a full disk
///     snapshots/000042/broken         an empty file: this snapshot and all older ones are lost
///     snapshots/000042/extended       an empty file: its area takes over what later ones hold, or did when
///                                     a crash came: nobody knows whether the last of that is durable
///     reverts/000007/revert.json      a running revert
///     reverts/000007/revert.json.new  without the former: its creation or removal is not finished
///     reverts/000007/journal          the chunks that its merge has done
///     reverts/000007/limits.json      the throttle and pause of its merge, if any were set
///     reverts/000007/metadata.cow     of a volume under device-mapper: the synthetic store's header
///                                     and metadata blocks
///     reverts/000007/overlay.cow      what is written into the synthetic store, as an area
///     reverts/000007/copy.cow         the whole synthetic store, when its windows would be too many
///     reverts/000007/begun            an empty file: the kernel may have begun the merge
///     reverts/000007/paused           an empty file: the kernel's merge shall rest
///     reverts/000007/merged           an empty file: the kernel has ended it
///     clones/000003/clone.json        a clone of a snapshot
///     clones/000003/clone.json.new    without the former: its creation or removal is not finished
///     clones/000003/area.cow          what was written to it, in the place of the snapshot's content
///     index/2-000005.map              derived: what the areas of a stretch of snapshots hold together
///     index/2-000005.map.new          the same, not finished
///     seals/000042.seal               the sums of what was in a snapshot's area when it froze
///     seals/000042.seal.new           the same, not finished
///     vmstate/000042.json             what was done with VMs when snapshot 42 was taken, and its siblings
///     vmstate/000042-web.state        the memory and devices of one of them
///     vmstate/000042-web.state.new    the same, not finished
package enum StoreLayout {
    /// The volume's record.
    package static let volume = "volume.json"
    /// What is known of the origin.
    package static let originState = "origin.json"
    /// Which devices snapmgr itself has suspended.
    package static let suspensionNote = "suspended.json"
    /// That a stream is being written into the volume.
    package static let receiveNote = "receive.json"
    /// What the volume is to its mirrors.
    package static let mirrorStanding = "mirror.json"
    /// Locked by whoever has the volume open; says who that is.
    package static let lock = "lock"
    /// Where its server takes commands.
    package static let controlSocket = "control.sock"
    /// The folder of the snapshots' folders.
    package static let snapshots = "snapshots"
    /// The folder of the reverts' folders.
    package static let reverts = "reverts"

    static let areaName = "area.cow"
    /// The name of the mark of a deleted snapshot.
    static let deleted = "deleted"
    /// The end of the name under which a record is written before it gets its own.
    package static let draftSuffix = FileFolder.temporarySuffix
    /// The beginning of the name under which `check --repair` puts a folder aside.
    package static let asidePrefix = "aside-"

    /// All names that there can be in a snapshot's folder.
    static let snapshotNames: Set<String> = [
        "manifest.json", "manifest.json.new", "manifest.json.labels", areaName, deleted, "broken",
        "extended",
    ]
    /// All names that there can be in a revert's folder.
    static let revertNames: Set<String> = [
        "revert.json", "revert.json.new", "journal", "limits.json", "limits.json.new",
        "metadata.cow", "overlay.cow", "copy.cow", "copy.cow.new", "begun", "paused", "merged",
    ]
    /// All files that there can be in the store's own folder.
    static let storeNames: Set<String> = [
        "volume.json", "volume.json.new", "volume.json.removed", "origin.json", "origin.json.new",
        "suspended.json", "lock", "control.sock", writeBackLog, "receive.json", "receive.json.new",
        "mirror.json", "mirror.json.new",
    ]

    /// The record of a store that is being removed.
    package static let removedVolume = "volume.json.removed"

    /// The largest small file that is read, in bytes; manifests take less than a hundredth of it.
    package static let smallFileBytesMaximum = 1 << 20

    /// Everything of one snapshot.
    package static func snapshotFolder(_ ordinal: SnapshotOrdinal) -> String {
        "\(snapshots)/\(ordinal.rawValue.padded(to: 6))"
    }

    /// Its record: the snapshot exists when this does.
    package static func manifest(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/manifest.json"
    }

    /// What says of a snapshot's folder that it has no snapshot yet, or none any more: the manifest
    /// gets its own name, and loses it, by one rename.
    package static func draftManifest(_ ordinal: SnapshotOrdinal) -> String {
        manifest(ordinal) + draftSuffix
    }

    /// The manifest with other labels, until it takes the manifest's place. Not the draft's name: a draft
    /// that a crash left beside a manifest would prove a snapshot unfinished once that manifest is lost.
    static func labelledManifest(_ ordinal: SnapshotOrdinal) -> String {
        manifest(ordinal) + ".labels"
    }

    /// Its exceptions.
    package static func area(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/" + areaName
    }

    /// It is deleted, and its area waits until nobody needs it.
    package static func deletedMark(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/" + deleted
    }

    /// It has lost exceptions, and all older ones with it.
    package static func brokenMark(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/broken"
    }

    /// Its area may have entries that are not durable, though it does not grow.
    package static func extendedMark(_ ordinal: SnapshotOrdinal) -> String {
        snapshotFolder(ordinal) + "/extended"
    }

    /// Everything of one revert.
    package static func revertFolder(_ id: RevertID) -> String {
        "\(reverts)/\(id.rawValue.padded(to: 6))"
    }

    /// Its record: the revert counts when this is there.
    package static func revert(_ id: RevertID) -> String { revertFolder(id) + "/revert.json" }
    /// The same of a revert's folder.
    package static func draftRevert(_ id: RevertID) -> String { revert(id) + draftSuffix }

    /// What its merge is held back by.
    package static func mergeLimits(_ id: RevertID) -> String {
        revertFolder(id) + "/limits.json"
    }

    /// The header and metadata blocks of the synthetic store, from which the kernel merges.
    package static func syntheticMetadata(_ id: RevertID) -> String {
        revertFolder(id) + "/metadata.cow"
    }

    /// What is written into the synthetic store meanwhile.
    package static func syntheticOverlay(_ id: RevertID) -> String {
        revertFolder(id) + "/overlay.cow"
    }

    /// The whole synthetic store, where its parts would be too many.
    package static func syntheticCopy(_ id: RevertID) -> String { revertFolder(id) + "/copy.cow" }
    /// The kernel may have merged some of it.
    package static func begunMark(_ id: RevertID) -> String { revertFolder(id) + "/begun" }
    /// The kernel shall merge no more of it.
    package static func pausedMark(_ id: RevertID) -> String { revertFolder(id) + "/paused" }
    /// The kernel has merged all of it.
    package static func mergedMark(_ id: RevertID) -> String { revertFolder(id) + "/merged" }
    /// Which chunks the engine has merged.
    package static func journal(_ id: RevertID) -> String { revertFolder(id) + "/journal" }

    /// Reads a folder's name back; nil when it is none of ours.
    package static func number(of folder: String) -> Int? {
        let digits = folder.utf8
        guard digits.count >= 6,
            digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains),
            digits.count == 6 || digits.first != UInt8(ascii: "0"),
            let number = Int(folder), (1...numberMaximum).contains(number)
        else { return nil }
        return number
    }

    /// Whether a folder of snapshots or reverts is one of ours, in its place or put aside.
    static func isFolder(_ name: String) -> Bool {
        let name = name.hasPrefix(asidePrefix) ? name.dropFirst(asidePrefix.count) : name[...]
        return number(of: String(name.prefix { $0 != "+" })) != nil
    }

    /// More than there can be folders, and far from where numbers end.
    package static let numberMaximum = 1 << 50
}

package import SnapshotModel

/// A snapshot or a clone that is mounted, or was unmounted.
package struct MountReport: Hashable, Sendable {
    package var volume: String
    /// Nil when it was the volume itself that was unmounted.
    package var snapshot: SnapshotID?
    /// The clone's name; nil when it is the snapshot itself.
    package var clone: String?
    package var partition: Int?
    /// Nil where none is told.
    package var devicePath: String?
    package var folder: String
    /// The kernel's word for the filesystem; nil when it was unmounted.
    package var filesystem: String?
    package var isReadOnly: Bool
    /// Nil where nobody has noted it.
    package var mountedAt: Timestamp?
    package var state: State
    /// Of a mount of all snapshots; nil of others.
    package var tree: Tree?

    /// What a mount of all snapshots has more.
    package struct Tree: Hashable, Sendable {
        /// How the snapshots' folders are named.
        package var names: FolderNames
        /// How many there are; nil where nobody has counted.
        package var snapshotCount: Int?
    }

    package enum State: String, Hashable, Sendable {
        case mounted
        /// Its server or another part of it has ended, so that it cannot be read.
        case broken
        case unmounted
        /// Nothing is done: it was only looked whether it could be.
        case planned
    }
}

extension MountReport {
    init(
        _ record: MountRecord, devicePath: String? = nil, state: State = .mounted
    ) {
        self.init(
            volume: record.volume, snapshot: record.snapshot, clone: record.clone,
            partition: record.partition, devicePath: devicePath, folder: record.folder,
            filesystem: state == .unmounted ? nil : record.filesystem,
            isReadOnly: record.isReadOnly, mountedAt: record.mountedAt, state: state)
    }

    /// As messages call it.
    package var what: String {
        guard tree == nil else { return TreeRecord.what(volume) }
        return clone.map { "clone \($0) of volume \(volume)" }
            ?? snapshot.map { "snapshot \($0) of volume \(volume)" } ?? "volume \(volume)"
    }
}

extension MountReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": JSONValue(volume), "snapshot_id": JSONValue(snapshot),
            "clone": JSONValue(clone), "partition": JSONValue(partition),
            "device": JSONValue(devicePath), "directory": JSONValue(folder),
            "filesystem": JSONValue(filesystem), "read_only": JSONValue(isReadOnly),
            "mounted_at": JSONValue(mountedAt),
            "state": JSONValue(state), "all": JSONValue(tree != nil),
            "names": JSONValue(tree?.names.rawValue),
            "snapshots": JSONValue(tree?.snapshotCount),
        ]
    }
}

package import FileSystems
package import SnapshotModel

/// A file in some snapshots of a volume, oldest first.
package struct FoundFile: Hashable, Sendable {
    package var path: NodePath
    package var versions: [FileVersion]
}

/// What a path was in a snapshot.
package struct FileVersion: Hashable, Sendable {
    package var snapshot: SnapshotID
    package var takenAt: Timestamp
    /// Nil when nothing had the path.
    package var node: FileNode?
    /// Whether it differs from the one in the snapshot before.
    package var isChange: Bool
}

/// Where a pattern's files differ from snapshot to snapshot.
package struct FindReport: Hashable, Sendable {
    package var volume: String
    package var snapshotCount: Int
    package var files: [FoundFile]
    package var unread: [UnreadSnapshot]

    /// A snapshot whose filesystem cannot be read.
    package struct UnreadSnapshot: Hashable, Sendable {
        package var snapshot: SnapshotID
        package var reason: String
    }
}

extension FindReport: JSONConvertible {
    package var json: JSONValue {
        [
            "volume": JSONValue(volume), "snapshots": JSONValue(snapshotCount),
            "files": JSONValue(files),
            "unread": .array(
                unread.map {
                    ["snapshot_id": JSONValue($0.snapshot), "reason": JSONValue($0.reason)]
                }),
        ]
    }
}

extension FoundFile: JSONConvertible {
    package var json: JSONValue {
        [
            "path": JSONValue(path.text), "path_base64": path.base64,
            "versions": JSONValue(versions),
        ]
    }
}

extension FileVersion: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshot_id": JSONValue(snapshot), "taken_at": JSONValue(takenAt),
            "state": JSONValue(node == nil ? "absent" : "present"), "changed": JSONValue(isChange),
            "kind": JSONValue(node?.kind.rawValue), "bytes": JSONValue(node?.byteCount),
            "modified_at": JSONValue(node?.modified.timestamp),
            "inode": JSONValue(node.map { Int($0.number) }),
        ]
    }
}

extension FileNode {
    /// Whether another state of the same path is the same, as far as the filesystem says. It notes the time of
    /// each change, which nobody can set.
    func isSame(as other: FileNode) -> Bool {
        (number, generation, mode, user) == (other.number, other.generation, other.mode, other.user)
            && (group, byteCount) == (other.group, other.byteCount)
            && (modified, changed) == (other.modified, other.changed)
    }
}

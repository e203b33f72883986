package import FileSystems
internal import SnapshotModel

/// How a file of one state of a volume differs from that of another.
package struct FileChange: Hashable, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case added
        case changed
        case deleted
        case moved
    }

    package var kind: Kind
    /// Where it is in the newer one; where it was, when it is deleted.
    package var path: NodePath
    /// Where a moved one was.
    package var from: NodePath?
    package var old: FileNode?
    package var new: FileNode?

    init(
        _ kind: Kind, _ path: NodePath, _ old: FileNode?, _ new: FileNode?, from: NodePath? = nil
    ) {
        (self.kind, self.path, self.from, self.old, self.new) = (kind, path, from, old, new)
    }
}

/// Which files differ between two states of a volume.
package struct FileDiffReport: Hashable, Sendable {
    package var from: String
    package var to: String
    package var changes: [FileChange]
    package var flaws: [FileFlaw]

    init(from: String, to: String, _ diff: FileDiff) {
        (self.from, self.to) = (from, to)
        (changes, flaws) = (diff.changes, diff.flaws)
    }
}

extension FileDiffReport: JSONConvertible {
    package var json: JSONValue {
        [
            "from": JSONValue(from), "to": JSONValue(to), "files": JSONValue(changes),
            "unread": JSONValue(flaws),
        ]
    }
}

extension FileChange: JSONConvertible {
    package var json: JSONValue {
        [
            "change": JSONValue(kind), "path": JSONValue(path.text), "path_base64": path.base64,
            "from": JSONValue(from?.text), "kind": JSONValue((new ?? old)?.kind.rawValue),
            "old_bytes": JSONValue(old?.byteCount), "bytes": JSONValue(new?.byteCount),
            "old_modified_at": JSONValue(old?.modified.timestamp),
            "modified_at": JSONValue(new?.modified.timestamp),
        ]
    }
}

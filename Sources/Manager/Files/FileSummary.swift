internal import FoundationEssentials
package import FileSystems
internal import SnapshotModel

/// A file, folder or anything else in a snapshot.
package struct FileSummary: Hashable, Sendable {
    package var path: NodePath
    package var node: FileNode
    /// Of a symbolic link.
    package var target: FileName?
}

/// What of a filesystem could not be read, or brought back, and why.
package struct FileFlaw: Hashable, Sendable {
    package var path: NodePath
    package var reason: String
}

extension FileSummary: JSONConvertible {
    package var json: JSONValue {
        let permissions = Int(node.permissions).padded(to: 4, radix: 8)
        return [
            "path": JSONValue(path.text), "path_base64": path.base64,
            "kind": JSONValue(node.kind), "mode": JSONValue(permissions),
            "uid": JSONValue(Int(node.user)), "gid": JSONValue(Int(node.group)),
            "bytes": JSONValue(node.byteCount),
            "allocated_bytes": JSONValue(node.allocatedBytes),
            "links": JSONValue(node.linkCount), "inode": JSONValue(Int(node.number)),
            "modified_at": JSONValue(node.modified.timestamp),
            "changed_at": JSONValue(node.changed.timestamp),
            "accessed_at": JSONValue(node.accessed.timestamp),
            "born_at": JSONValue(node.born?.timestamp), "target": JSONValue(target?.text),
        ]
    }
}

extension FileFlaw: JSONConvertible {
    package var json: JSONValue {
        [
            "path": JSONValue(path.text), "path_base64": path.base64, "reason": JSONValue(reason),
        ]
    }
}

extension NodePath {
    /// All bytes of a path that is no text; null for one that is.
    var base64: JSONValue {
        isText ? .null : .string(Data(bytes).base64EncodedString())
    }
}

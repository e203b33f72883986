package import FileSystems
package import SnapshotModel

/// What is to be put back, and where.
package struct FileRestoreRequest: Hashable, Sendable {
    /// A snapshot, or a clone.
    package var reference: String
    package var paths: [String]
    /// Where the volume's filesystem is mounted; nil finds out.
    package var root: String?
    package var isDryRun: Bool
    package var partition: Int?

    package init(
        reference: String, paths: [String], root: String? = nil, isDryRun: Bool = false,
        partition: Int? = nil
    ) {
        self.reference = reference
        self.paths = paths
        self.root = root
        self.isDryRun = isDryRun
        self.partition = partition
    }
}

/// What was put back, or would be.
package struct FileRestoreReport: Hashable, Sendable {
    /// One of the paths.
    package struct Item: Hashable, Sendable {
        package var path: NodePath
        /// The name, beside it, of what was there before; nil when nothing was.
        package var keptAs: NodePath?
    }

    /// The snapshot, or the one that a clone began as.
    package var snapshot: SnapshotID?
    /// The clone's name; nil when it is none.
    package var clone: String?
    package var volume: String
    /// Where the paths begin.
    package var root: String
    package var isDryRun: Bool
    package var items: [Item] = []
    package var counts = FileCounts()
    package var skipped: [FileFlaw] = []
    /// Why it ended before all was put back, where some of it was.
    package var failure: Problem?
}

extension FileRestoreReport: JSONConvertible {
    package var json: JSONValue {
        [
            "restore": [
                "snapshot_id": JSONValue(snapshot), "clone": JSONValue(clone),
                "volume": JSONValue(volume), "directory": JSONValue(root),
                "dry_run": JSONValue(isDryRun),
                "restored": .array(
                    items.map {
                        [
                            "path": JSONValue($0.path.text), "path_base64": $0.path.base64,
                            "kept_as": JSONValue($0.keptAs?.text),
                            "kept_as_base64": $0.keptAs?.base64 ?? .null,
                        ]
                    }),
                "files": JSONValue(counts.files), "folders": JSONValue(counts.folders),
                "links": JSONValue(counts.links), "hard_links": JSONValue(counts.hardLinks),
                "others": JSONValue(counts.others), "bytes": JSONValue(counts.bytes),
                "skipped": JSONValue(skipped), "error": JSONValue(failure?.message),
            ]
        ]
    }
}

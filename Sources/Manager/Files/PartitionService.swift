internal import Catalog
internal import FileSystems
package import SnapshotModel

/// The partitions of a disk that a snapshot is of, and what they hold.
package struct PartitionReport: Hashable, Sendable {
    /// The snapshot, or the one that a clone began as; nil is the volume as it is.
    package var snapshot: SnapshotID?
    /// The clone's name; nil when it is none.
    package var clone: String?
    package var volume: String
    /// `GPT` or `MBR`; nil where there are none.
    package var table: String?
    package var partitions: [Partition]

    package struct Partition: Hashable, Sendable {
        /// As `--partition` takes it.
        package var number: Int
        /// Where it begins, in bytes.
        package var offset: Int
        package var byteCount: Int
        /// The kernel's or libblkid's word for what is in it; nil for what is not known.
        package var content: String?
        /// Whether it is a filesystem, and can be mounted.
        package var isFilesystem: Bool
    }
}

extension PartitionReport: JSONConvertible {
    package var json: JSONValue {
        [
            "snapshot_id": JSONValue(snapshot), "clone": JSONValue(clone),
            "volume": JSONValue(volume), "table": JSONValue(table),
            "partitions": JSONValue(partitions),
        ]
    }
}

extension PartitionReport.Partition: JSONConvertible {
    package var json: JSONValue {
        [
            "number": JSONValue(number), "offset": JSONValue(offset),
            "bytes": JSONValue(byteCount), "content": JSONValue(content),
            "filesystem": JSONValue(isFilesystem),
        ]
    }
}

/// Tells the partitions of disks in snapshots.
package struct PartitionService {
    let context: ManagerContext

    /// - Parameter reference: a snapshot, a clone, or the live volume.
    package func list(_ reference: String) throws -> PartitionReport {
        let access = FileAccess(context: context)
        let point = try access.point(reference)
        try access.prepare(point)
        return try context.withSession(point.volume) { session in
            let bytes = WindowedBytes(point.bytes(session))
            let table = try PartitionTable.ofDisk(bytes)
            let partitions = (table?.partitions ?? [:]).sorted { $0.key < $1.key }
            return PartitionReport(
                snapshot: point.snapshotID, clone: point.clone?.name,
                volume: point.volume.record.name, table: table?.kind,
                partitions: try partitions.map { number, range in
                    let head = try FilesystemKind.head(of: BytesPart(bytes, range))
                    let kind = FilesystemKind.detect(head)
                    return .init(
                        number: number, offset: range.lowerBound, byteCount: range.count,
                        content: kind?.rawValue, isFilesystem: kind?.isFilesystem ?? false)
                })
        }
    }
}

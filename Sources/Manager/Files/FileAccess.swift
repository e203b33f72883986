internal import Catalog
internal import FileSystems
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// A state of a volume whose files are looked at.
struct FilePoint {
    /// Nil is the volume as it is.
    var snapshot: SnapshotRow?
    var volume: VolumeRow
    var byteCount: Int

    /// As messages call it.
    var name: String {
        snapshot.map { "snapshot \($0.id) of volume \(volume.record.name)" }
            ?? "volume \(volume.record.name)"
    }
}

/// Opens what is in snapshots as filesystems.
struct FileAccess {
    let context: ManagerContext

    /// - Throws: `usage` when a set of several is named.
    func point(_ reference: String) throws -> FilePoint {
        switch try ReferenceResolver(context).target(reference) {
        case .snapshot(let row):
            return FilePoint(
                snapshot: row, volume: try context.volume(row.volume), byteCount: row.volumeBytes)
        case .live(let name):
            let volume = try context.volume(name)
            return FilePoint(volume: volume, byteCount: volume.record.geometry.volumeBytes)
        case .set:
            let row = try ReferenceResolver(context).snapshot(reference)
            return FilePoint(
                snapshot: row, volume: try context.volume(row.volume), byteCount: row.volumeBytes)
        case .liveSet(let volumes):
            throw Problem(
                .usage, "`\(reference)` is a set",
                hint:
                    "name one of its volumes: \(volumes.map { "\($0)@live" }.joined(separator: ", "))"
            )
        }
    }

    /// Runs `body` with the filesystem in a snapshot, and has people know what the filesystem says of itself.
    ///
    /// - Parameter partition: its number on a disk that has partitions; nil is the whole.
    /// - Throws: `refused` for what is known and cannot be read so, with what to do instead.
    func withFileSystem<Result>(
        _ reference: String, partition: Int?,
        _ body: (any SnapshotFileSystem, FilePoint) throws -> Result
    ) throws -> Result {
        let point = try point(reference)
        try prepare(point)
        return try context.withSession(point.volume) { session in
            do {
                let fileSystem = try open(point, partition, session)
                for note in fileSystem.notes { context.note("\(point.name): \(note)") }
                return try body(fileSystem, point)
            } catch let problem as Problem where problem.code == .corrupt {
                throw problem.about(point.name)
            }
        }
    }

    func prepare(_ point: FilePoint) throws {
        try Reconciler(context).tidy([point.volume.record.name])
        if let row = point.snapshot { try context.requireWhole(row) }
    }

    func open(
        _ point: FilePoint, _ partition: Int?, _ session: any VolumeSession
    ) throws -> any SnapshotFileSystem {
        try openPlaced(point, partition, session).fileSystem
    }

    /// The same, and where on the volume it begins.
    func openPlaced(
        _ point: FilePoint, _ partition: Int?, _ session: any VolumeSession
    ) throws -> (fileSystem: any SnapshotFileSystem, start: Int) {
        let whole = SessionBytes(session, point.snapshot?.id, byteCount: point.byteCount)
        let part = try Self.part(of: whole, partition, point.name)
        return (
            try Self.open(WindowedBytes(part), point), (part as? BytesPart)?.start ?? 0
        )
    }

    /// A partition of a disk, or all of it.
    ///
    /// - Parameter name: what messages call it.
    static func part(
        of whole: any VolumeBytes, _ partition: Int?, _ name: String
    ) throws -> any VolumeBytes {
        guard let partition else { return whole }
        guard let table = try PartitionTable(whole) else {
            throw Problem(
                .notFound, "\(name) has no partitions", hint: "leave out --partition")
        }
        guard let range = table.partitions[partition] else {
            throw Problem(
                .notFound, "\(name) has no partition \(partition)",
                hint: "it has " + list(table))
        }
        return BytesPart(whole, range)
    }

    private static func list(_ table: PartitionTable) -> Advice {
        Advice(table.partitions.keys.sorted().map(String.init).joined(separator: ", "))
    }

    /// Recognises what bytes hold.
    static func open(
        _ bytes: WindowedBytes, _ point: FilePoint
    ) throws -> any SnapshotFileSystem {
        let kind = try kind(of: bytes)
        if kind == .ext4 { return try Ext4FileSystem.open(bytes) }
        if let kind { throw refusal(kind, point) }
        if let table = try PartitionTable(bytes) {
            throw Problem(
                .refused,
                "\(point.name) holds no filesystem, but a disk with partitions (\(table.kind))",
                hint: "name one with --partition: " + list(table))
        }
        throw Problem(
            .failed, "what \(point.name) holds is not a filesystem that is known",
            hint: exportHint(point))
    }

    private static func refusal(_ kind: FilesystemKind, _ point: FilePoint) -> Problem {
        let isMountable = kind.mountOptions != nil || kind == .btrfs
        return Problem(
            .refused,
            isMountable
                ? "\(point.name) holds \(kind.rawValue), whose files are read by mounting it alone"
                : "\(point.name) holds no filesystem, but \(kind.rawValue)",
            hint: isMountable ? mountHint(point) : exportHint(point))
    }

    private static func mountHint(_ point: FilePoint) -> Advice {
        guard let row = point.snapshot else { return exportHint(point) }
        return "mount it: \(.mount(row.id))"
    }

    private static func exportHint(_ point: FilePoint) -> Advice {
        guard let row = point.snapshot else { return "look at the volume itself" }
        return "write it to a file, and look at that: \(.export(row.id))"
    }

    /// All magic numbers lie within so many bytes.
    private static let headBytes = 128 << 10

    private static func kind(of bytes: WindowedBytes) throws(Problem) -> FilesystemKind? {
        var head = [UInt8](repeating: 0, count: min(headBytes, bytes.byteCount))
        guard !head.isEmpty else { return nil }
        var elements = head.mutableSpan
        var span = elements.mutableBytes
        try bytes.read(into: &span, at: 0)
        return FilesystemKind.detect(head)
    }
}

internal import Catalog
internal import FileSystems
internal import Glibc
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// Opens what is in snapshots as filesystems.
struct FileAccess {
    let context: ManagerContext

    /// A number is a snapshot's id, whatever clones are called.
    ///
    /// - Throws: `usage` when a set of several is named.
    func point(_ reference: String) throws -> FilePoint {
        if Int(reference) == nil,
            let row = try CloneService(context: context).find(reference)
        {
            return FilePoint(
                clone: row.record, volume: try context.volume(row.volume),
                byteCount: row.record.volumeBytes)
        }
        switch try ReferenceResolver(context).target(reference) {
        case .snapshot(let row): return try point(row)
        case .live(let name):
            let volume = try context.volume(name)
            try context.requireContent(volume, "looked into")
            return FilePoint(volume: volume, byteCount: volume.record.geometry.volumeBytes)
        case .set: return try point(ReferenceResolver(context).snapshot(reference))
        case .liveSet(let volumes):
            throw Problem(
                .usage, "`\(reference)` is a set",
                hint:
                    "name one of its volumes: \(volumes.map { "\($0)@live" }.joined(separator: ", "))"
            )
        }
    }

    func point(_ row: SnapshotRow) throws -> FilePoint {
        let volume = try context.volume(row.volume)
        try context.requireContent(volume, "looked into")
        return FilePoint(snapshot: row, volume: volume, byteCount: row.volumeBytes)
    }

    /// Runs `body` with the filesystem in a snapshot or a clone, and has people know what the filesystem says of
    /// itself. One that is not read without a mount is mounted for this alone, where that can be.
    ///
    /// - Parameters:
    ///   - partition: its number on a disk that has partitions; nil is the whole.
    ///   - mounts: whether it may be mounted.
    ///   - tells: whether people are to know of it; not when it is opened for the second time.
    /// - Throws: `refused` for what is known and cannot be read so, with what to do instead.
    func withFileSystem<Result>(
        _ reference: String, partition: Int?, mounts: Bool = true, tells: Bool = true,
        _ body: (any SnapshotFileSystem, FilePoint) throws -> Result
    ) throws -> Result {
        let point = try point(reference)
        try prepare(point)
        let result: Result? = try context.withSession(point.volume) { session in
            guard try !(mounts && mustMount(point, partition, session)) else { return nil }
            do {
                let fileSystem = try open(point, partition, session)
                for note in fileSystem.notes where tells { context.note("\(point.name): \(note)") }
                return try body(fileSystem, point)
            } catch let problem as Problem where problem.code == .corrupt {
                throw problem.about(point.name)
            }
        }
        if let result { return result }
        return try MountedFiles(context).withFileSystem(point, partition) { try body($0, point) }
    }

    /// Whether a filesystem is looked at by mounting it, which root alone can.
    func mustMount(
        _ point: FilePoint, _ partition: Int?, _ session: any VolumeSession
    ) throws -> Bool {
        guard geteuid() == 0, point.target != nil else { return false }
        let part = try Self.part(of: point.bytes(session), partition, point.name)
        let kind = FilesystemKind.detect(try FilesystemKind.head(of: part))
        return kind.map { $0 != .ext4 && $0.isFilesystem } ?? false
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
        let part = try Self.part(of: point.bytes(session), partition, point.name)
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

    /// What to do with a disk that has partitions.
    static func partitionHint(_ table: PartitionTable) -> Advice {
        "name one with --partition: " + list(table) + "; --partitions tells what they hold"
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
                hint: partitionHint(table))
        }
        throw Problem(
            .failed, "what \(point.name) holds is not a filesystem that is known",
            hint: exportHint(point))
    }

    private static func refusal(_ kind: FilesystemKind, _ point: FilePoint) -> Problem {
        guard kind.isFilesystem else {
            return Problem(
                .refused, "\(point.name) holds no filesystem, but \(kind.rawValue)",
                hint: exportHint(point))
        }
        guard let target = point.target else {
            return Problem(
                .refused,
                "\(point.name) holds \(kind.rawValue), whose files are read by mounting it alone",
                hint: "look at the volume where it is mounted, or at a snapshot of it, as root: "
                    + "\(.snapshot(point.volume.record.name))")
        }
        let way: Remedy = target.clone == nil ? .mount(target.snapshot) : .help(["mount"])
        return Problem(
            .refused,
            "\(point.name) holds \(kind.rawValue), whose files are read by mounting it alone",
            hint: (geteuid() == 0 ? "mount it: " : "run the command as root, or mount it so: ")
                + "\(way)")
    }

    private static func exportHint(_ point: FilePoint) -> Advice {
        guard let id = point.snapshotID else { return "look at the volume itself" }
        let way: Remedy = point.clone == nil ? .export(id) : .help(["export"])
        return "write it to a file, and look at that: \(way)"
    }

    private static func kind(of bytes: WindowedBytes) throws(Problem) -> FilesystemKind? {
        FilesystemKind.detect(try FilesystemKind.head(of: bytes))
    }
}

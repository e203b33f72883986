internal import Catalog
internal import FileSystems
internal import SnapshotModel
internal import System
internal import TreeMount

/// The snapshots of a volume that the catalog has, for a mount of all.
final class CatalogShelf: SnapshotShelf {
    private let context: ManagerContext
    private let volume: String
    private let partition: Int?
    private let reader: VolumeReader
    private var namer: FolderNamer

    /// Many are open at a time: twice as many windows of 32 KiB each at most.
    private static let windowsMaximum = 64

    init(_ context: ManagerContext, _ record: TreeRecord, environment: [String: String]) {
        self.context = context
        volume = record.volume
        partition = record.partition
        reader = VolumeReader(context, record.volume, environment: environment)
        namer = FolderNamer(record.names, zone: context.timeZone)
    }

    func folders() throws(Problem) -> [SnapshotFolder] {
        let rows: [SnapshotRow]
        do { rows = try context.catalog.readableSnapshots(of: volume) } catch {
            throw Problem(error)
        }
        let names = namer.update(
            rows.map { .init(id: $0.id, takenAt: $0.takenAt, name: $0.name) })
        return rows.compactMap { row in
            names[row.id].map {
                SnapshotFolder(
                    id: row.id, name: $0,
                    takenAt: .init(
                        seconds: row.takenAt.secondsSinceEpoch,
                        nanoseconds: UInt32(clamping: row.takenAt.fraction)))
            }
        }
    }

    func open(_ id: SnapshotID) throws(Problem) -> any SnapshotFileSystem {
        do {
            guard let row = try context.catalog.snapshot(id), row.phase == .present else {
                throw Problem.noSnapshot("\(id)")
            }
            let point = FilePoint(
                snapshot: row, volume: try context.volume(row.volume), byteCount: row.volumeBytes)
            let whole = ReaderBytes(reader, id, byteCount: row.volumeBytes)
            let part = try FileAccess.part(of: whole, partition, point.name)
            return try FileAccess.open(
                WindowedBytes(part, windowsMaximum: Self.windowsMaximum), point)
        } catch {
            throw Problem(error)
        }
    }

    func rest() { reader.close() }
}

extension CatalogStore {
    /// The snapshots of a volume whose content is there, the oldest first.
    func readableSnapshots(of volume: String) throws -> [SnapshotRow] {
        try snapshots(volume: volume).filter { $0.phase == .present && $0.state != .broken }
    }
}

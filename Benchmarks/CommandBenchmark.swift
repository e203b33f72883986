import System
import Catalog
import Glibc
import SnapshotModel

/// How long commands take: `--version`, and the first page of a list of 100,000 snapshots.
enum CommandBenchmark {
    private static let snapshots = 100_000

    static func run(_ workspace: Workspace) throws {
        let state = workspace.newPath("state")
        mkdir(state, 0o700)
        try fill(state + "/catalog.sqlite", store: state + "/store")
        let program = try workspace.tool("snapmgr")
        var table = Table("command", "median ms")
        for (name, arguments) in [
            ("snapmgr --version", ["--version"]),
            (
                "snapmgr list --limit 50, of 100,000 snapshots",
                ["--state", state, "list", "--limit", "50"]
            ),
            ("snapmgr show 50000", ["--state", state, "show", "50000"]),
        ] {
            let measurement = try Measurement(prepare: { _ in }) {
                try workspace.run([program] + arguments, quietly: true)
            }
            table.add(name, decimal(measurement.median * 1000, 1))
        }
        table.show()
    }

    private static func fill(_ path: String, store: String) throws {
        let catalog = try CatalogStore(path: path, now: { SystemClock().now() })
        let geometry = Geometry(volumeBytes: 1 << 40, chunkBytes: 16 << 10)
        let start = Timestamp(stored: 1_700_000_000_000_000_000)
        let record = VolumeRecord(
            name: "data", uuid: "data", driver: "image", originPath: store + ".img",
            geometry: geometry, storeFullPolicy: .breakWrites, createdAt: start)
        let manifests = (1...snapshots).map { number in
            SnapshotManifest(
                ordinal: SnapshotOrdinal(rawValue: number), id: SnapshotID(rawValue: Int64(number)),
                volumeBytes: geometry.volumeBytes,
                takenAt: start.advanced(bySeconds: Int64(number) * 900),
                description: SnapshotDescription(kind: .scheduled))
        }
        let row = VolumeRow(
            record: record, storePath: store, snapshotsSeen: SnapshotOrdinal(rawValue: snapshots))
        try catalog.replaceAll(
            with: RebuiltCatalog(volumes: [RebuiltCatalog.Volume(row: row, manifests: manifests)]))
    }
}

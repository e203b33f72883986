import Catalog
import FoundationEssentials
import SnapshotModel
import Synchronization
import Testing

/// A folder of its own with a catalog in it and a clock that stands still until it is moved.
final class Fixture: Sendable {
    let folder: String
    let path: String
    private let clock = Mutex(Timestamp(stored: 1_000_000_000_000))

    init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/catalog-\(UUID().uuidString)"
        path = folder + "/catalog.sqlite"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    var now: Timestamp { clock.withLock { $0 } }

    func advance(seconds: Int64) { clock.withLock { $0 = $0.advanced(bySeconds: seconds) } }

    func open(busyTimeoutSeconds: Double = 5) throws -> CatalogStore {
        try CatalogStore(
            path: path, now: { self.now }, busyTimeoutSeconds: busyTimeoutSeconds)
    }

    /// A catalog with these volumes in it.
    func open(volumes: String...) throws -> CatalogStore {
        let store = try open()
        for name in volumes { try store.insertVolume(.sample(name)) }
        return store
    }

    var bytes: [UInt8] {
        get throws { [UInt8](try Data(contentsOf: URL(filePath: path))) }
    }

    func write(_ bytes: some Sequence<UInt8>) throws {
        try Data(bytes).write(to: URL(filePath: path))
    }
}

extension VolumeRow {
    static func sample(_ name: String) -> VolumeRow {
        VolumeRow(
            record: VolumeRecord(
                name: name, uuid: "uuid-of-\(name)", driver: "image", originPath: "/images/\(name)",
                geometry: Geometry(volumeBytes: 1 << 30, chunkBytes: 65_536),
                storeFullPolicy: .breakSnapshots, createdAt: Timestamp(stored: 7),
                idFloor: IDFloor(snapshot: SnapshotID(rawValue: 3))),
            storePath: "/stores/\(name)")
    }
}

extension CatalogStore {
    /// Begins and commits a snapshot as a store would make it.
    @discardableResult
    func take(
        _ volume: String, ordinal: Int, _ description: SnapshotDescription = SnapshotDescription()
    ) throws -> SnapshotManifest {
        let id = try beginSnapshot(volume: volume, description: description)
        let manifest = SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: ordinal), id: id, volumeBytes: 1 << 30,
            takenAt: Timestamp(stored: Int64(ordinal) * 1000), description: description)
        try commitSnapshot(manifest, volume: volume)
        return manifest
    }
}

/// Checks that an error of that code comes, with a message and a hint.
func expectError(
    _ code: CatalogError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    let error = #expect(throws: CatalogError.self, sourceLocation: sourceLocation) { try body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
    #expect(error?.message.isEmpty == false, sourceLocation: sourceLocation)
    #expect(error?.hint.parts.isEmpty == false, sourceLocation: sourceLocation)
}

/// SplitMix64: the same numbers for the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension ChunkMap {
    /// A map of random runs: short and long, dense and sparse, some far away.
    static func random(_ generator: inout SeededGenerator, runs: Int) -> ChunkMap {
        var map = ChunkMap()
        var origin = Int.random(in: 0...100_000, using: &generator)
        var area = Int.random(in: 2...1_000_000, using: &generator)
        for _ in 0..<runs {
            let count = Int.random(
                in: 1...(1 << Int.random(in: 0...18, using: &generator)), using: &generator)
            map.append(ChunkRun(origin: ChunkIndex(origin), area: ChunkIndex(area), count: count))
            origin +=
                count
                + Int.random(
                    in: 0...(1 << Int.random(in: 0...20, using: &generator)), using: &generator)
            area =
                Bool.random(using: &generator)
                ? area + count + Int.random(in: 0...2, using: &generator)
                : Int.random(in: 2...(1 << 40), using: &generator)
        }
        return map
    }
}

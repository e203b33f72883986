package import System
package import SnapshotModel

/// The frozen areas of a store: their files and chunk maps, opened and read when they are first
/// needed. It keeps a bounded number of both, however many snapshots there are.
package final class AreaLibrary: Sendable {
    private let store: Store
    private let format: AreaFormat
    private let shelves = Monitored(Shelves(), .list)
    private let open: OpenAreas

    /// Runs of cached maps: 24 bytes each.
    private static let runsMaximum = 1_000_000

    private struct Shelves {
        var maps: [SnapshotOrdinal: ChunkMap] = [:]
        var runCount = 0
        /// Of all areas that were asked for: a few bytes for each.
        var digests: [SnapshotOrdinal: AreaDigest] = [:]
        /// Counts what was forgotten: what was read before that and comes late is not kept.
        var generation = 0
    }

    package convenience init(store: Store, format: AreaFormat) {
        self.init(store: store, format: format, open: .shared)
    }

    init(store: Store, format: AreaFormat, open: OpenAreas) {
        self.store = store
        self.format = format
        self.open = open
    }

    deinit { open.close(library: ObjectIdentifier(self)) }

    private func key(_ ordinal: SnapshotOrdinal) -> OpenAreas.Key {
        OpenAreas.Key(library: ObjectIdentifier(self), ordinal: ordinal)
    }

    /// The file of an area, for reading.
    package func device(_ ordinal: SnapshotOrdinal) throws(Problem) -> any BlockDevice {
        if let known = open.device(key(ordinal)) { return known }
        let generation = shelves.withLock { $0.generation }
        let device = try store.openArea(ordinal, writable: false)
        let (kept, closed) = shelves.withLock { shelves in
            shelves.generation == generation ? open.keep(device, key(ordinal)) : (device, nil)
        }
        // Files are closed when the locks are given back.
        withExtendedLifetime(closed) {}
        return kept
    }

    /// The chunk map of a frozen area.
    package func map(
        _ ordinal: SnapshotOrdinal, volumeBytes: Int
    ) throws(Problem) -> ChunkMap {
        let (known, generation) = shelves.withLock { ($0.maps[ordinal], $0.generation) }
        if let known { return known }
        let map = try Self.read(
            device(ordinal), format: format, ordinal: ordinal, volumeBytes: volumeBytes)
        put(map, for: ordinal, ifStill: generation)
        return map
    }

    /// The map of a frozen area for one use: nothing is kept open or in memory for it.
    package func read(_ manifest: SnapshotManifest) throws(Problem) -> ChunkMap {
        if let known = shelves.withLock({ $0.maps[manifest.ordinal] }) { return known }
        return try Self.read(
            store.openArea(manifest.ordinal, writable: false), format: format,
            ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes)
    }

    /// The same; nil of an area that has more exceptions than `limit`, of which no more are read.
    package func read(
        _ manifest: SnapshotManifest, atMost limit: Int
    ) throws(Problem) -> ChunkMap? {
        let map: ChunkMap
        if let known = shelves.withLock({ $0.maps[manifest.ordinal] }) {
            map = known
        } else {
            map = try Self.read(
                store.openArea(manifest.ordinal, writable: false), format: format,
                ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes, limit: limit + 1)
        }
        return map.count <= limit ? map : nil
    }

    /// The digest of a frozen area, which is read as a whole for it the first time.
    package func digest(_ manifest: SnapshotManifest) throws(Problem) -> AreaDigest {
        let ordinal = manifest.ordinal
        let (known, generation) = shelves.withLock { ($0.digests[ordinal], $0.generation) }
        if let known { return known }
        let digest = AreaDigest(try read(manifest))
        shelves.withLock { shelves in
            if shelves.generation == generation { shelves.digests[ordinal] = digest }
        }
        return digest
    }

    private func put(_ map: ChunkMap, for ordinal: SnapshotOrdinal, ifStill generation: Int) {
        shelves.withLock { shelves in
            guard shelves.generation == generation else { return }
            if shelves.runCount + map.runs.count > Self.runsMaximum {
                shelves.maps.removeAll()
                shelves.runCount = 0
            }
            if let old = shelves.maps.updateValue(map, forKey: ordinal) {
                shelves.runCount -= old.runs.count
            }
            shelves.runCount += map.runs.count
        }
    }

    /// Forgets an area that freezes, goes away or grows again.
    package func forget(_ ordinal: SnapshotOrdinal) {
        shelves.withLock { shelves in
            shelves.generation += 1
            shelves.digests[ordinal] = nil
            if let old = shelves.maps.removeValue(forKey: ordinal) {
                shelves.runCount -= old.runs.count
            }
        }
        open.close(key(ordinal))
    }

    /// Reads an area's committed entries as a map, the first `limit` of them.
    package static func read(
        _ device: any BlockDevice, format: AreaFormat, ordinal: SnapshotOrdinal, volumeBytes: Int,
        limit: Int = .max
    ) throws(Problem) -> ChunkMap {
        let geometry = Geometry(volumeBytes: volumeBytes, chunkBytes: format.chunkBytes)
        let reader = AreaReader(
            device: device, format: format, originChunkCount: geometry.chunkCount)
        do {
            _ = try reader.header()
            return try reader.chunkMap(limit: limit)
        } catch { throw Problem(error, area: device.path) }
    }
}

extension Problem {
    /// The problem that a damaged area is.
    package init(_ fault: AreaFault, area path: String) {
        if case .unreadable(let failure) = fault {
            self.init(failure)
            return
        }
        if case .unknownVersion(let version) = fault, version > AreaFormat.version {
            self.init(
                .newerVersion,
                "the area \(path) has version \(version); this snapmgr reads up to "
                    + "\(AreaFormat.version)",
                hint: "use the newer snapmgr that wrote it")
            return
        }
        self.init(
            .corrupt, "the area \(path) is damaged: \(fault)",
            hint: "run \(.check()) to see which snapshots depend on it")
    }
}

internal import System
package import SnapshotModel

/// The plan of a running revert, read from the store: the overlay of its areas as they were then.
///
/// An area that `check --repair` has given up (the mark `broken`) is read as far as it goes: what of
/// the plan lies before the damage still leads the volume to its content, although no snapshot can be
/// read there any more.
package struct RevertPlan {
    /// What is to be copied, and from where.
    package private(set) var chunks: SourceMap
    /// Areas of the plan that were given up and could not be read to their ends.
    package private(set) var damaged: [SnapshotOrdinal] = []

    /// - Parameters:
    ///   - manifests: the snapshots of the store, by ordinal.
    ///   - isGivenUp: whether an area's damage is known and accepted; any other is an error.
    package init(
        of record: RevertRecord, manifests: [SnapshotManifest], store: Store,
        geometry: Geometry, isGivenUp: (SnapshotOrdinal) throws(Problem) -> Bool
    ) throws(Problem) {
        let format = AreaFormat(chunkBytes: geometry.chunkBytes)
        var areas: [ChainArea] = []
        for manifest in manifests
        where manifest.ordinal >= record.target && manifest.ordinal <= record.safety {
            let isSafety = manifest.ordinal == record.safety
            // What the safety snapshot's area took since is none of the plan.
            let limit = isSafety ? record.safetyEntryCount : .max
            guard limit > 0 else { continue }
            let area = StoredArea(manifest, store: store, format: format)
            let map: ChunkMap
            do throws(Problem) { map = try area.wholeMap(limit) } catch {
                guard error.isDamage, try isGivenUp(manifest.ordinal) else { throw error }
                map = try area.readableMap(limit)
                damaged.append(manifest.ordinal)
            }
            areas.append(ChainArea(ordinal: manifest.ordinal, map: map))
        }
        chunks = MergePlanner.plan(over: areas, chunkCount: geometry.chunkCount)
    }

    /// The damaged areas' ordinals, for messages.
    package var damagedNames: String { damaged.map(\.description).joined(separator: ", ") }

    /// Refuses a plan that is not the one of the revert's time.
    package func check(against record: RevertRecord) throws(Problem) {
        guard chunks.count != record.planChunkCount else { return }
        let cause =
            damaged.isEmpty
            ? ""
            : ", because areas were damaged (ordinal \(damagedNames))"
        throw Problem(
            .corrupt,
            "the plan of revert \(record.id) has \(chunks.count) chunks instead of "
                + "\(record.planChunkCount)\(cause)",
            hint: damaged.isEmpty ? "run \(.check())" : "run \(.checkRepair)")
    }
}

/// An area in the store, to be read as a whole or as far as it goes.
private struct StoredArea {
    private let manifest: SnapshotManifest
    private let store: Store
    private let format: AreaFormat

    init(_ manifest: SnapshotManifest, store: Store, format: AreaFormat) {
        self.manifest = manifest
        self.store = store
        self.format = format
    }

    func wholeMap(_ limit: Int) throws(Problem) -> ChunkMap {
        try AreaLibrary.read(
            store.openArea(manifest.ordinal, writable: false), format: format,
            ordinal: manifest.ordinal, volumeBytes: manifest.volumeBytes, limit: limit)
    }

    /// The entries up to the damage; none when the file has gone.
    func readableMap(_ limit: Int) throws(Problem) -> ChunkMap {
        guard try store.exists(StoreLayout.area(manifest.ordinal)) else { return ChunkMap() }
        let geometry = Geometry(volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        let device = try store.openArea(manifest.ordinal, writable: false)
        let reader = AreaReader(
            device: device, format: format, originChunkCount: geometry.chunkCount)
        do { return try reader.readableChunkMap(limit: limit) } catch {
            throw Problem(error, area: device.path)
        }
    }
}

extension Problem {
    /// Whether a file of the store is damaged or gone for certain. A disk that does not read is
    /// something else: it may read the next time.
    package var isDamage: Bool { code == .corrupt || code == .notFound }
}

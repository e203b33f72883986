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
    /// The exceptions that could be read of those areas of the clone's that are damaged.
    package private(set) var readableCloneEntries: [CloneOrdinal: Int] = [:]

    /// - Parameters:
    ///   - manifests: the snapshots of the store, by ordinal.
    ///   - isGivenUp: whether an area's damage is known and accepted; any other is an error.
    ///   - acceptsDamagedClone: whether that of the clone's area is none; ``RevertClone/entryCount`` says what
    ///     is left of one whose damage is known.
    package init(
        of record: RevertRecord, manifests: [SnapshotManifest], store: Store,
        geometry: Geometry, acceptsDamagedClone: Bool = false,
        isGivenUp: (SnapshotOrdinal) throws(Problem) -> Bool
    ) throws(Problem) {
        let format = AreaFormat(chunkBytes: geometry.chunkBytes)
        var areas: [ChainArea] = []
        // Before all areas of the chain: what was written to the clone covers what its snapshot has.
        for layer in record.clone?.areas ?? [] where layer.entryCount > 0 {
            let area = StoredArea(
                layer, volumeBytes: geometry.volumeBytes, store: store, format: format)
            let map: ChunkMap
            do throws(Problem) { map = try area.wholeMap(layer.entryCount) } catch {
                // A disk that does not read may do so the next time: that is no damage.
                guard error.isDamage else { throw error }
                map = try area.readableMap(layer.entryCount)
            }
            if map.count < layer.entryCount {
                guard acceptsDamagedClone else {
                    throw area.damage(map.count, layer, record.clone?.name ?? "")
                }
                readableCloneEntries[layer.ordinal] = map.count
            }
            areas.append(ChainArea(ordinal: layer.ordinal.inPlans, map: map))
        }
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
    package var damagedNames: String {
        var names = damaged.map { "ordinal \($0)" }
        if !readableCloneEntries.isEmpty { names.append("the clone's") }
        return names.joined(separator: ", ")
    }

    /// Whether it was made of all that areas had.
    package var isWhole: Bool { damaged.isEmpty && readableCloneEntries.isEmpty }

    /// Refuses a plan that is not the one of the revert's time.
    package func check(against record: RevertRecord) throws(Problem) {
        guard chunks.count != record.planChunkCount else { return }
        let cause =
            isWhole
            ? ""
            : ", because areas were damaged (\(damagedNames))"
        throw Problem(
            .corrupt,
            "the plan of revert \(record.id) has \(chunks.count) chunks instead of "
                + "\(record.planChunkCount)\(cause)",
            hint: isWhole ? "run \(.check())" : "run \(.checkRepair)")
    }
}

/// An area in the store, to be read as a whole or as far as it goes.
private struct StoredArea {
    private let ordinal: SnapshotOrdinal
    private let volumeBytes: Int
    private let name: String
    private let store: Store
    private let format: AreaFormat

    init(_ manifest: SnapshotManifest, store: Store, format: AreaFormat) {
        ordinal = manifest.ordinal
        volumeBytes = manifest.volumeBytes
        name = StoreLayout.area(manifest.ordinal)
        self.store = store
        self.format = format
    }

    init(_ layer: RevertLayer, volumeBytes: Int, store: Store, format: AreaFormat) {
        ordinal = layer.ordinal.inPlans
        self.volumeBytes = volumeBytes
        name = StoreLayout.cloneArea(layer.ordinal)
        self.store = store
        self.format = format
    }

    private func device() throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in try store.folder.openFile(name, writable: false) }
    }

    func wholeMap(_ limit: Int) throws(Problem) -> ChunkMap {
        try AreaLibrary.read(
            device(), format: format, ordinal: ordinal, volumeBytes: volumeBytes, limit: limit)
    }

    /// What is wrong when fewer of a clone's entries are left than it had.
    func damage(_ count: Int, _ layer: RevertLayer, _ clone: String) -> Problem {
        Problem(
            .corrupt,
            "the area \(store.folder.path)/\(name) is damaged: of the \(layer.entryCount) exceptions that "
                + "clone \(clone) had there at the revert, \(count) can be read",
            hint: "restore it from a copy of the store, or run \(.checkRepair)")
    }

    /// The entries up to the damage; none when the file has gone.
    func readableMap(_ limit: Int) throws(Problem) -> ChunkMap {
        guard try store.exists(name) else { return ChunkMap() }
        let geometry = Geometry(volumeBytes: volumeBytes, chunkBytes: format.chunkBytes)
        let device = try device()
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

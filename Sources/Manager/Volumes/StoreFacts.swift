internal import Catalog
internal import StoreFormat
internal import SnapshotModel

/// What the reconciler reads from one store, each at most once and only when it is asked for.
final class StoreFacts {
    let volume: VolumeRow
    let reader: StoreReader
    private var cachedManifests: [SnapshotID: SnapshotManifest]?
    private var cachedRunning: RevertRecord??

    init(_ volume: VolumeRow, _ reader: StoreReader) {
        self.volume = volume
        self.reader = reader
    }

    func manifest(_ id: SnapshotID) throws -> SnapshotManifest? { try manifests()[id] }

    /// The safety snapshot that a revert took; the last one, when a crash came between an earlier one
    /// and the revert itself.
    func safety(of revert: RevertID) throws -> SnapshotManifest? {
        try manifests().values.filter { $0.revertID == revert && $0.kind == .safety }
            .max { $0.ordinal < $1.ordinal }
    }

    func hasMember(of set: SetID) throws -> Bool {
        try manifests().values.contains { $0.setID == set && !$0.isDeleted }
    }

    func running() throws -> RevertRecord? {
        if let cachedRunning { return cachedRunning }
        let running = try reader.runningRevert()
        cachedRunning = .some(running)
        return running
    }

    private func manifests() throws -> [SnapshotID: SnapshotManifest] {
        if let cachedManifests { return cachedManifests }
        let manifests = try reader.manifests().reduce(into: [:]) { $0[$1.id] = $1 }
        cachedManifests = manifests
        return manifests
    }
}

internal import SnapshotModel
internal import System
internal import StoreFormat

/// Takes and removes snapshots of an image.
struct SnapshotChange {
    private let volume: RBDVolume

    init(_ volume: RBDVolume) { self.volume = volume }

    private var image: Image { volume.image }
    private var store: Store { volume.store }

    // MARK: Taking

    /// Makes ready what a snapshot needs in the store.
    ///
    /// - Throws: `exists` when the id is taken.
    func stage(_ request: SnapshotRequest) throws(Problem) -> SnapshotOrdinal {
        guard !volume.state.manifests.contains(where: { $0.id == request.id }) else {
            throw Problem(
                .exists, "volume \(volume.name) has a snapshot \(request.id) already",
                hint: "run \(.catalogRebuild)")
        }
        let known = try image.snapshots().compactMap {
            ImageRecords.ordinal(ofSnapshot: $0.name, of: volume.record.uuid)
        }
        // Also of those that were never taken, or are another manager's who takes them now.
        let noted = try image.textKeys(ImageRecords.manifestPrefix).compactMap {
            ImageRecords.ordinal(ofKey: $0)
        }
        let newest = [noted.max(), volume.state.newest?.ordinal, known.max()].compactMap(\.self)
            .max()
        let ordinal = try store.freeOrdinal(from: newest?.next ?? SnapshotOrdinal(rawValue: 1))
        try RBDVolume.createFolder(ordinal, in: store, volume.record)
        return ordinal
    }

    /// The record first, then the snapshot, with which it counts in the image; then in the store.
    func commit(
        _ request: SnapshotRequest, _ ordinal: SnapshotOrdinal
    ) throws(Problem) -> SnapshotManifest {
        let manifest = SnapshotManifest(
            ordinal: ordinal, id: request.id,
            volumeBytes: volume.record.geometry.volumeBytes, takenAt: volume.clock.now(),
            description: request.description)
        guard try image.manifest(ordinal) == nil else { throw taken(ordinal) }
        do throws(Problem) {
            try image.setManifest(manifest)
            try image.createSnapshot(volume.snapshotName(ordinal))
            try store.writeManifest(manifest)
            return manifest
        } catch {
            // What was there already is not this call's to remove.
            guard error.code != .exists else { throw taken(ordinal) }
            try? remove(ordinal)
            throw error
        }
    }

    private func taken(_ ordinal: SnapshotOrdinal) -> Problem {
        _ = try? store.removeSnapshot(ordinal)
        return Problem(
            .exists,
            "image \(image.name.path) has got \(volume.snapshotName(ordinal)) from somebody else meanwhile",
            hint:
                "run it again; if it is so again, another state manages the volume, too: \(.check())"
        )
    }

    /// Removes a snapshot, wherever it is. Its record goes first: what lies there without one is on its way out.
    func remove(_ ordinal: SnapshotOrdinal) throws(Problem) {
        try image.removeText(ImageRecords.manifestKey(ordinal))
        try image.removeSnapshot(volume.snapshotName(ordinal))
        _ = try store.removeSnapshot(ordinal)
    }

    // MARK: Deleting

    /// - Throws: `refused` when one is needed by a revert, by a clone or by whoever has protected it.
    func deletable(_ ids: [SnapshotID]) throws(Problem) -> [SnapshotManifest] {
        let manifests = try volume.state.deletable(ids)
        for manifest in manifests { try requireRemovable(manifest) }
        return manifests
    }

    func requireRemovable(_ manifest: SnapshotManifest) throws(Problem) {
        let name = volume.snapshotName(manifest.ordinal)
        let subject = "snapshot \(manifest.id) of volume \(volume.name)"
        let options = image.name.toolOptions
        guard try !image.isProtected(name) else {
            throw Problem(
                .refused, "\(subject) is protected in the cluster: it stays",
                hint:
                    "when nobody needs it: `rbd snap unprotect \(image.name.path)@\(name)\(options)`"
            )
        }
        guard try hasChildren(manifest) else { return }
        throw Problem(
            .refused, "\(subject) has clones in the cluster: it stays",
            hint: "flatten or remove them: `rbd children \(image.name.path)@\(name)\(options)`")
    }

    private func hasChildren(_ manifest: SnapshotManifest) throws(Problem) -> Bool {
        guard try image.mayHaveChildren() else { return false }
        do throws(Problem) { return try volume.view(manifest).childCount() > 0 } catch {
            // One that is gone can be forgotten.
            guard error.code == .broken else { throw error }
            return false
        }
    }

    /// Those that the cluster keeps.
    func kept() throws(Problem) -> [SnapshotID] {
        var ids: [SnapshotID] = []
        for manifest in volume.state.manifests where !manifest.isDeleted {
            let isKept = try image.isProtected(volume.snapshotName(manifest.ordinal))
            if isKept {
                ids.append(manifest.id)
            } else if try hasChildren(manifest) {
                ids.append(manifest.id)
            }
        }
        return ids
    }

    /// What deleting these would free: what no other snapshot has, nor the image.
    func report(deleting manifests: [SnapshotManifest]) throws(Problem) -> DeleteReport {
        let gone = Set(manifests.map(\.ordinal))
        let live = volume.state.manifests.filter { !$0.isDeleted }.map(\.ordinal)
        guard let first = gone.min(), let last = gone.max() else {
            return DeleteReport(deleted: [], freedBytes: 0)
        }
        let start = live.last { $0 < first } ?? first
        let concerned = live.filter { start <= $0 && $0 <= last }
        var areas: [GarbagePlanner.Area] = []
        for ordinal in concerned {
            do throws(Problem) {
                let map = try SnapshotChanges(volume).map(since: ordinal)
                areas.append(GarbagePlanner.Area(ordinal: ordinal, chunks: map.chunks))
            } catch {
                guard error.code == .broken else { throw error }
            }
        }
        let chunks = GarbagePlanner.freedChunks(in: areas, live: Set(concerned), deleted: gone)
        let bytes = chunks.multipliedClamped(by: volume.record.geometry.chunkBytes)
        return DeleteReport(deleted: manifests.map(\.id), freedBytes: bytes)
    }

    /// Removes what is marked as deleted. What cannot go now is told, and stays marked.
    func collect() throws(Problem) -> CollectReport {
        var report = CollectReport()
        for manifest in volume.state.manifests where manifest.isDeleted {
            do throws(Problem) {
                try requireRemovable(manifest)
            } catch {
                guard error.code == .refused else { throw error }
                volume.warn(error.sentence)
                continue
            }
            volume.closeViews()
            try remove(manifest.ordinal)
            report.removedAreas.append(manifest.ordinal)
        }
        report.removedAreas += extended(report.removedAreas)
        return report
    }

    /// Those before the removed ones: what was known of what had changed since them counts no more.
    private func extended(_ removed: [SnapshotOrdinal]) -> [SnapshotOrdinal] {
        let live = volume.state.manifests.filter { !$0.isDeleted }.map(\.ordinal)
        return Set(removed.compactMap { gone in live.last { $0 < gone } }).sorted()
    }
}

/// What has changed between snapshots of an image.
struct SnapshotChanges {
    private let image: Image
    private let store: Store
    private let record: VolumeRecord

    init(_ volume: RBDVolume) {
        (image, store, record) = (volume.image, volume.store, volume.record)
    }

    /// - Parameter image: as it is.
    init(_ image: Image, _ store: Store, _ record: VolumeRecord) {
        (self.image, self.store, self.record) = (image, store, record)
    }

    /// The chunks that were written since a snapshot, up to the next one that there is, or until now.
    ///
    /// - Throws: `not_found` when there is no such snapshot; `broken` when somebody has removed it from the image.
    func map(since ordinal: SnapshotOrdinal) throws(Problem) -> ChunkMap {
        let manifest = try store.manifest(ordinal)
        let present = Set(
            try image.snapshots().compactMap {
                ImageRecords.ordinal(ofSnapshot: $0.name, of: record.uuid)
            })
        guard present.contains(ordinal) else { throw gone(manifest) }
        return try map(since: manifest, upTo: end(after: ordinal, present.sorted()))
    }

    /// The next snapshot that counts; else the image as it is.
    private func end(
        after ordinal: SnapshotOrdinal, _ present: [SnapshotOrdinal]
    ) throws(Problem) -> Image {
        for next in present where next > ordinal {
            guard try store.hasManifest(next) else { continue }
            return try Image(
                image.connection, snapshot: ImageRecords.snapshotName(next, of: record.uuid))
        }
        return image
    }

    /// Where one of them has no bytes, all that the other one has differs.
    private func map(
        since manifest: SnapshotManifest, upTo end: Image
    ) throws(Problem) -> ChunkMap {
        let bytes = try end.byteCount()
        var ranges = try end.changes(
            since: ImageRecords.snapshotName(manifest.ordinal, of: record.uuid), in: 0..<bytes)
        let (low, high) = (min(bytes, manifest.volumeBytes), max(bytes, manifest.volumeBytes))
        if low < high { ranges.append(low..<high) }
        let geometry = Geometry(
            volumeBytes: high, chunkBytes: record.geometry.chunkBytes)
        return ByteRanges(unordered: ranges).chunkMap(geometry)
    }

    private func gone(_ manifest: SnapshotManifest) -> Problem {
        Problem(
            .broken,
            "snapshot \(manifest.id) of volume \(record.name) is gone from image \(image.name.path)",
            hint: "somebody has removed it there: delete it here, too; see \(.list(record.name))")
    }
}

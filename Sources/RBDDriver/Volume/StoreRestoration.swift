internal import System
internal import SnapshotModel
internal import StoreFormat

/// Makes the store of a volume anew from its image.
struct StoreRestoration {
    private let image: Image
    private let record: VolumeRecord

    init(_ image: Image, _ record: VolumeRecord) { (self.image, self.record) = (image, record) }

    /// The volume's record comes last: without it there is no store.
    func run(in folder: FileFolder) throws(Problem) {
        let store = Store(folder: folder)
        let revert = try RBDVolume.revert(image.connection, record)
        var ids: Set<SnapshotID> = []
        try store.createFolders()
        for ordinal in try ordinals() {
            guard let manifest = try image.manifest(ordinal) else { continue }
            guard ids.insert(manifest.id).inserted else { throw twice(manifest.id) }
            // One that was cut has left some.
            if try store.exists(StoreLayout.snapshotFolder(ordinal)) {
                _ = try store.removeSnapshot(ordinal)
            }
            try RBDVolume.createFolder(ordinal, in: store, record)
            try store.writeManifest(manifest)
        }
        if let running = revert?.record {
            _ = try store.removeRevert(running.id)
            _ = try store.createRevertFolder(
                running.id, chunkBytes: record.geometry.chunkBytes)
            try store.writeRevert(running)
        }
        try store.writeVolume(record)
    }

    private func twice(_ id: SnapshotID) -> Problem {
        Problem(
            .corrupt, "image \(image.name.path) has two snapshots with the id \(id)",
            hint:
                "see their records: `rbd image-meta ls \(image.name.path)\(image.name.toolOptions)`"
        )
    }

    private func ordinals() throws(Problem) -> [SnapshotOrdinal] {
        try image.snapshots().compactMap {
            ImageRecords.ordinal(ofSnapshot: $0.name, of: record.uuid)
        }.sorted()
    }
}

/// Removes what a volume has put into its image: the image is given up.
struct ImageClearing {
    private let volume: RBDVolume

    init(_ volume: RBDVolume) { self.volume = volume }

    /// All are looked at before one goes; the volume's record goes last, so that it can be run again.
    func run() throws(Problem) {
        let change = SnapshotChange(volume)
        for manifest in volume.state.manifests { try change.requireRemovable(manifest) }
        volume.closeViews()
        for manifest in volume.state.manifests.reversed() { try change.remove(manifest.ordinal) }
        for snapshot in try volume.image.snapshots()
        where ImageRecords.ordinal(ofSnapshot: snapshot.name, of: volume.record.uuid) != nil {
            try volume.image.removeSnapshot(snapshot.name)
        }
        try RevertMarker.removeAll(volume)
        try volume.removeRevert()
        for key in try volume.image.textKeys(ImageRecords.manifestPrefix) {
            try volume.image.removeText(key)
        }
        try volume.image.removeText(ImageRecords.volumeKey)
    }
}

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
        try store.create(record)
        for ordinal in try ordinals() {
            guard let manifest = try image.manifest(ordinal) else { continue }
            try RBDVolume.createFolder(ordinal, in: store, record)
            try store.writeManifest(manifest)
        }
        guard let running = revert?.record else { return }
        _ = try store.createRevertFolder(running.id, chunkBytes: record.geometry.chunkBytes)
        try store.writeRevert(running)
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
        for key in try volume.image.textKeys(ImageRecords.manifestPrefix) {
            try volume.image.removeText(key)
        }
        try volume.image.removeText(ImageRecords.volumeKey)
    }
}

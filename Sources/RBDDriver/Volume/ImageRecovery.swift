internal import SnapshotModel
internal import StoreFormat

/// Finishes what a killed command has left, when a volume is opened: repeatable, wherever it is killed itself. The
/// copying of a revert is not done here, since it may take long.
struct ImageRecovery {
    private let volume: RBDVolume

    init(_ volume: RBDVolume) { self.volume = volume }

    func run() throws(Problem) {
        let present = Set(
            try volume.image.snapshots().compactMap {
                ImageRecords.ordinal(ofSnapshot: $0.name, of: volume.record.uuid)
            })
        for ordinal in volume.state.unfinished {
            try settle(ordinal, isThere: present.contains(ordinal))
        }
        let known = Set(try volume.store.snapshotFolders())
        for ordinal in present.subtracting(known).sorted() { try settleUnknown(ordinal) }
        try settleRevert()
    }

    /// A folder without a manifest: the snapshot was taken if the image has it with its record.
    private func settle(_ ordinal: SnapshotOrdinal, isThere: Bool) throws(Problem) {
        let manifest = try volume.image.manifest(ordinal)
        if isThere, let manifest {
            try volume.store.writeManifest(manifest)
            return
        }
        if manifest != nil { try volume.image.removeText(ImageRecords.manifestKey(ordinal)) }
        if isThere { try remove(ordinal) }
        _ = try volume.store.removeSnapshot(ordinal)
    }

    /// A snapshot that the store does not know: half removed, or of another time than the store.
    private func settleUnknown(_ ordinal: SnapshotOrdinal) throws(Problem) {
        guard try volume.image.manifest(ordinal) != nil else { return try remove(ordinal) }
        volume.warn(
            "image \(volume.image.name.path) has \(volume.snapshotName(ordinal)), which its store does not "
                + "know; it stays, and \(.help(["catalog", "rebuild"])) tells how the store is made anew"
        )
    }

    private func remove(_ ordinal: SnapshotOrdinal) throws(Problem) {
        let name = volume.snapshotName(ordinal)
        guard try !volume.image.isProtected(name) else { return }
        try volume.image.removeSnapshot(name)
    }

    // MARK: Reverts

    /// The journal and the store's record are written one after the other, and say the same again here.
    private func settleRevert() throws(Problem) {
        let stored = volume.state.revert?.record
        if let stored, volume.record.endedReverts.contains(stored.id) { return try end(stored) }
        let journal = try readJournal(stored)
        switch (journal, stored) {
        case (nil, nil): return
        case (let journal?, let stored?) where journal.record.id == stored.id: return
        case (nil, let stored?): try writeJournal(stored)
        case (let journal?, nil):
            let hasEnded = volume.record.endedReverts.contains(journal.record.id)
            if hasEnded || !journal.hasBegun {
                try volume.removeRevert()
            } else {
                try adopt(journal.record)
            }
        case (let journal?, let stored?):
            if journal.hasBegun { try adopt(journal.record) } else { try writeJournal(stored) }
        }
    }

    /// All was copied, and noted as ended.
    private func end(_ record: RevertRecord) throws(Problem) {
        _ = try volume.store.removeRevert(record.id)
        if try readJournal(record)?.record.id == record.id { try volume.removeRevert() }
        try RevertMarker.removeAll(volume)
    }

    /// One that is damaged says nothing: the store's record stands for it.
    private func readJournal(_ stored: RevertRecord?) throws(Problem) -> ImageRevert? {
        do throws(Problem) { return try volume.loadRevert() } catch {
            guard error.code == .corrupt, stored == nil else {
                guard error.code == .corrupt else { throw error }
                return nil
            }
            let name = volume.image.name
            throw Problem(
                .corrupt, error.message,
                hint: "no revert is known to be half done: `rados -p \(name.pool)"
                    + "\(name.space.isEmpty ? "" : " -N " + name.space) rm "
                    + "\(ImageRevert.objectName(volume.record.uuid))\(name.toolOptions)`")
        }
    }

    /// All is copied again: how far it was is not known any more.
    private func writeJournal(_ record: RevertRecord) throws(Problem) {
        var revert = ImageRevert(
            volume: volume.record.uuid, image: try volume.image.identity(), record: record,
            imageBytes: try volume.image.byteCount(),
            planBytes: record.planBytes(chunkBytes: volume.record.geometry.chunkBytes),
            client: 0, address: "", boot: "")
        revert.hasBegun = true
        try volume.setRevert(revert)
    }

    private func adopt(_ record: RevertRecord) throws(Problem) {
        if try !volume.store.exists(StoreLayout.revertFolder(record.id)) {
            _ = try volume.store.createRevertFolder(
                record.id, chunkBytes: volume.record.geometry.chunkBytes)
        }
        try volume.store.writeRevert(record)
    }
}

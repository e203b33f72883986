internal import BlockIO
internal import Catalog
internal import MergeKit
internal import SnapshotModel

/// Learns which snapshots a full store has broken: the one who served the volume has marked them in
/// the store, and cannot write to the catalog.
struct BrokenMarks {
    let context: ManagerContext

    /// Marks are looked for only where snapshots can break.
    func takeOver(_ volumes: [VolumeRow]) throws {
        for volume in volumes where volume.record.canBreak {
            try takeOver(volume)
        }
    }

    private func takeOver(_ volume: VolumeRow) throws {
        // The mark of the newest snapshot is in its area's header: a full disk takes no new file.
        // A store that cannot be read is the verb's own error, in its own words.
        let reader = try? StoreReader(folder: FileFolder(path: volume.storePath))
        guard let reader, let newest = try? reader.brokenThrough() else { return }
        let name = volume.record.name
        guard let row = try context.catalog.snapshot(volume: name, ordinal: newest),
            row.state != .broken, row.phase == .present
        else { return }
        try context.catalog.markBroken(volume: name, upTo: newest)
        let cause =
            volume.record.driver == .dm ? "the store was full, or failed" : "the store was full"
        let text = "\(cause): the snapshots up to \(row.id) are broken"
        context.note("volume \(name): \(text)")
        try context.log(.error, .snapshotsBroken, text, volume: name, snapshot: row.id)
    }
}

extension VolumeRecord {
    /// Whether snapshots can lose exceptions: by policy, or because the kernel, which writes the
    /// areas of a volume under device-mapper, gives a snapshot up rather than a write.
    var canBreak: Bool { storeFullPolicy == .breakSnapshots || driver == .dm }
}

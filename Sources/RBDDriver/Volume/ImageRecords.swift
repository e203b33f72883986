internal import StoreFormat
internal import SnapshotModel

/// What a volume writes into its image, beside the content: texts that go with it wherever it goes, from which a
/// lost store is made anew. Each is a record with a checksum, as in a store.
///
/// A snapshot counts when it is there with its record. One without a record is being removed; a record without a
/// snapshot was written for one that was never taken.
enum ImageRecords {
    static let volumeKey = "snapmgr.volume"
    static let manifestPrefix = "snapmgr.snapshot."

    static func manifestKey(_ ordinal: SnapshotOrdinal) -> String { manifestPrefix + "\(ordinal)" }

    /// The name of a snapshot of ours in the image: by the volume's UUID, so that nobody else's is taken for it.
    static func snapshotName(_ ordinal: SnapshotOrdinal, of uuid: String) -> String {
        snapshotPrefix(of: uuid) + "\(ordinal)"
    }

    static func snapshotPrefix(of uuid: String) -> String { "snapmgr-\(uuid)-" }

    /// Of a snapshot of the volume's; nil of any other.
    static func ordinal(ofSnapshot name: String, of uuid: String) -> SnapshotOrdinal? {
        ordinal(name, after: snapshotPrefix(of: uuid))
    }

    /// Of the text that has a snapshot's record; nil of any other.
    static func ordinal(ofKey key: String) -> SnapshotOrdinal? {
        ordinal(key, after: manifestPrefix)
    }

    /// As it is written, and not one that only reads alike; there is one after it, too.
    private static func ordinal(_ text: String, after prefix: String) -> SnapshotOrdinal? {
        guard text.hasPrefix(prefix), let number = Int(text.dropFirst(prefix.count)),
            SnapshotOrdinal.bounds.contains(number), number > 0,
            number < SnapshotOrdinal.bounds.upperBound, "\(number)" == text.dropFirst(prefix.count)
        else { return nil }
        return SnapshotOrdinal(rawValue: number)
    }
}

extension Image {
    /// The volume whose image this is; nil when it is none's.
    ///
    /// - Throws: `corrupt`, `newer_version`.
    func volumeRecord() throws(Problem) -> VolumeRecord? {
        guard
            let record = try record(VolumeRecord.self, ImageRecords.volumeKey, as: .volume)
        else { return nil }
        if let flaw = record.flaw { throw impossible(ImageRecords.volumeKey, flaw) }
        return record
    }

    func setVolumeRecord(_ record: VolumeRecord) throws(Problem) {
        try setText(ImageRecords.volumeKey, RecordCodec.encode(record, as: .volume))
    }

    /// Nil when there is none.
    func manifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> SnapshotManifest? {
        let key = ImageRecords.manifestKey(ordinal)
        guard let manifest = try record(SnapshotManifest.self, key, as: .manifest) else {
            return nil
        }
        let flaw = manifest.ordinal == ordinal ? manifest.flaw : "it is another snapshot's"
        if let flaw { throw impossible(key, flaw) }
        return manifest
    }

    func setManifest(_ manifest: SnapshotManifest) throws(Problem) {
        try setText(
            ImageRecords.manifestKey(manifest.ordinal), RecordCodec.encode(manifest, as: .manifest))
    }

    private func record<Record: Codable>(
        _ type: Record.Type, _ key: String, as format: RecordCodec.Format
    ) throws(Problem) -> Record? {
        guard let bytes = try text(key) else { return nil }
        return try RecordCodec.decode(type, from: bytes, as: format, path: "\(name.path): \(key)")
    }

    private func impossible(_ key: String, _ flaw: String) -> Problem {
        Problem(
            .corrupt,
            "the text \(key) of image \(name.path) is not what snapmgr has written: \(flaw)",
            hint: "see it: `rbd image-meta get \(name.path) \(key)\(name.toolOptions)`")
    }
}

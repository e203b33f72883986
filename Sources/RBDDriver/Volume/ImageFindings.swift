internal import SnapshotModel
internal import StoreFormat

/// Compares an image with its volume's store.
struct ImageFindings {
    private let image: Image
    private let store: Store
    private let record: VolumeRecord

    init(_ image: Image, _ store: Store) throws(Problem) {
        (self.image, self.store) = (image, store)
        record = try store.volume()
    }

    func all() throws(Problem) -> [Finding] {
        let snapshots = try image.snapshots()
        return try size() + ours(snapshots) + foreign(snapshots) + features()
    }

    private var subject: String { "image \(image.name.path)" }

    private func size() throws(Problem) -> [Finding] {
        let bytes = try image.byteCount()
        guard bytes != record.geometry.volumeBytes else { return [] }
        return [
            Finding(
                .warning, object: subject,
                message: "it has \(bytes) bytes, the volume \(record.geometry.volumeBytes)",
                remedy: "have the volume follow: \(.volumeResize(record.name, bytes: bytes))")
        ]
    }

    /// What the store has and the image has not, and the other way round.
    private func ours(_ snapshots: [ImageSnapshot]) throws(Problem) -> [Finding] {
        let present = Set(
            snapshots.compactMap { ImageRecords.ordinal(ofSnapshot: $0.name, of: record.uuid) })
        let manifests = try store.manifests()
        let lost = manifests.filter { !$0.isDeleted && !present.contains($0.ordinal) }
        let unknown = present.subtracting(manifests.map(\.ordinal)).sorted()
        return lost.map(gone) + unknown.map(unknownSnapshot)
    }

    private func gone(_ manifest: SnapshotManifest) -> Finding {
        var finding = Finding(
            .damage, object: "snapshot \(manifest.id)",
            message: "it is gone: somebody has removed it from \(subject)",
            remedy: "delete it here, too, with \(.delete)")
        finding.snapshots = [manifest.id]
        return finding
    }

    private func unknownSnapshot(_ ordinal: SnapshotOrdinal) -> Finding {
        Finding(
            .warning, object: subject,
            message:
                "it has the snapshot \(ImageRecords.snapshotName(ordinal, of: record.uuid)), which the "
                + "store does not know",
            remedy: "a command that is at work knows it; else make the store anew from the image: "
                + "\(.help(["catalog", "rebuild"]))")
    }

    private func foreign(_ snapshots: [ImageSnapshot]) -> [Finding] {
        let marker = RevertMarker.prefix(of: record.uuid)
        let names = snapshots.map(\.name).filter { name in
            ImageRecords.ordinal(ofSnapshot: name, of: record.uuid) == nil
                && !name.hasPrefix(marker)
        }
        guard let first = names.first else { return [] }
        let others = names.count > 1 ? " and \(names.count - 1) more" : ""
        return [
            Finding(
                .note, object: subject,
                message: "it has snapshots that are none of snapmgr's: \(first)\(others)",
                remedy: "they are never touched")
        ]
    }

    private func features() throws(Problem) -> [Finding] {
        let features = try image.features()
        let options = image.name.toolOptions
        var findings: [Finding] = []
        if !features.contains(.fastDiff) {
            findings.append(
                Finding(
                    .note, object: subject,
                    message:
                        "it has no valid map of objects: each one is asked what has changed in it",
                    remedy:
                        "`rbd feature enable \(image.name.path) object-map fast-diff\(options)`, then "
                        + "`rbd object-map rebuild \(image.name.path)\(options)`"))
        }
        if !features.contains(.exclusiveLock) {
            findings.append(
                Finding(
                    .note, object: subject,
                    message: "it has no exclusive lock: it can neither be reverted nor be in a set",
                    remedy: "`rbd feature enable \(image.name.path) exclusive-lock\(options)`"))
        }
        return findings
    }
}

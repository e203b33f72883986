internal import BlockIO
package import SnapshotModel

/// What the folders of a store are, as far as it can be proven. Whatever cannot be found out is an
/// error: an open that fails loses nothing.
package struct StoreSurvey: Sendable {
    /// All finished snapshots by ordinal, deleted ones included.
    package private(set) var manifests: [SnapshotManifest] = []
    /// Folders of creations and removals that have not ended: they may go.
    package private(set) var unfinished: [SnapshotOrdinal] = []
    /// Folders that hold exceptions and whose manifests were lost: they stay, and are not served.
    package private(set) var doubtful: [SnapshotOrdinal] = []

    package private(set) var runningRevert: RevertRecord?
    /// Folders of reverts that have not begun, have ended, or were replaced by the running one.
    package private(set) var finishedReverts: [RevertID] = []
    /// Folders of reverts whose records were lost.
    package private(set) var doubtfulReverts: [RevertID] = []

    package init(_ store: Store) throws(Problem) {
        for ordinal in try store.snapshotFolders() {
            if try store.hasManifest(ordinal) {
                manifests.append(try store.manifest(ordinal))
            } else if try store.isUnfinished(ordinal) {
                unfinished.append(ordinal)
            } else {
                doubtful.append(ordinal)
            }
        }
        for id in try store.revertFolders().reversed() {
            let record = try store.revert(id)
            if runningRevert == nil, let record {
                runningRevert = record
                continue
            }
            let isUnfinished = try store.isUnfinished(revert: id)
            if record != nil || isUnfinished {
                finishedReverts.append(id)
            } else {
                doubtfulReverts.append(id)
            }
        }
    }

    /// The live snapshots up to this one need exceptions that lie in a doubtful folder; nil when
    /// none does.
    package var unreachableThrough: SnapshotOrdinal? {
        guard let last = doubtful.last, manifests.contains(where: { needs(last, $0) }) else {
            return nil
        }
        return manifests.last { $0.ordinal < last }?.ordinal
    }

    private func needs(_ ordinal: SnapshotOrdinal, _ manifest: SnapshotManifest) -> Bool {
        manifest.ordinal < ordinal && !manifest.isDeleted
    }

    /// Refuses a volume that nobody may write to before its store is whole again: exceptions would
    /// go into the wrong area, or the origin is half merged and nobody knows how far.
    package func requireWritable(_ store: Store, _ record: VolumeRecord) throws(Problem) {
        if let last = doubtful.last, manifests.last.map({ $0.ordinal < last }) ?? false,
            manifests.contains(where: { needs(last, $0) })
        {
            throw Problem(
                .corrupt,
                "the manifest of the newest snapshot of volume \(record.name) is gone: "
                    + "\(store.folder.path)/\(StoreLayout.snapshotFolder(last)) holds exceptions",
                hint: Self.hint(record))
        }
        // One that is noted as ended has nothing left to do.
        for id in doubtfulReverts
        where runningRevert == nil && !record.endedReverts.contains(id) {
            guard try store.hasMerged(id, record.geometry) else { continue }
            throw Problem(
                .corrupt,
                "the record of a merge that ran on volume \(record.name) is gone: "
                    + "\(store.folder.path)/\(StoreLayout.revertFolder(id)); the origin is half "
                    + "merged",
                hint: Self.hint(record))
        }
        guard runningRevert == nil || !manifests.isEmpty else {
            throw Problem(
                .corrupt,
                "a merge runs on volume \(record.name), and \(store.folder.path)/"
                    + "\(StoreLayout.snapshots) has no snapshot: the origin is half merged",
                hint: Self.hint(record))
        }
    }

    private static func hint(_ record: VolumeRecord) -> String {
        "restore it from a copy of the store (look in lost+found after a repair of its filesystem); "
            + "`snapmgr check \(record.name)` tells what can be done without it"
    }

    /// What somebody must know of what was left alone.
    package func warnings(_ record: VolumeRecord) -> [String] {
        doubtful.map {
            "\(StoreLayout.snapshotFolder($0)) of volume \(record.name) holds exceptions and has no "
                + "manifest: it is left alone; see `snapmgr check \(record.name)`"
        }
            + doubtfulReverts.map {
                "\(StoreLayout.revertFolder($0)) of volume \(record.name) has no record: it is left "
                    + "alone; see `snapmgr check \(record.name)`"
            }
            + (unreachableThrough.map {
                [
                    "the snapshots up to ordinal \($0) of volume \(record.name) cannot be read "
                        + "while a later manifest is missing"
                ]
            } ?? [])
    }
}

extension Store {
    /// Whether the merge of a revert may have changed the origin.
    package func hasMerged(_ id: RevertID, _ geometry: Geometry) throws(Problem) -> Bool {
        if try exists(StoreLayout.begunMark(id)) { return true }
        guard try exists(StoreLayout.journal(id)) else { return false }
        do throws(Problem) {
            let device = try doing { () throws(IOFailure) in
                try folder.openFile(StoreLayout.journal(id), writable: false)
            }
            return try !MergeJournal.open(
                on: device, isWritable: false, revert: id, chunkBytes: geometry.chunkBytes,
                chunkCount: geometry.chunkCount
            ).merged.isEmpty
        } catch {
            guard error.isDamage else { throw error }
            return true
        }
    }
}

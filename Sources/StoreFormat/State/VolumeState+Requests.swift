package import SnapshotModel

// What is asked of a volume and follows from its state alone.
extension VolumeState {
    /// The snapshot with an id.
    ///
    /// - Throws: `notFound` when there is none, or it is deleted.
    package func requireLive(_ id: SnapshotID) throws(Problem) -> SnapshotManifest {
        guard let manifest = live(id) else { throw Problem.noSnapshot(id, of: name) }
        return manifest
    }

    /// The snapshots with these ids, each of them once.
    ///
    /// - Throws: `notFound`; `refused` when the running merge copies from one, or a clone needs it.
    package func deletable(_ ids: [SnapshotID]) throws(Problem) -> [SnapshotManifest] {
        let wanted = Set(ids)
        var found: [SnapshotID: SnapshotManifest] = [:]
        // As with one, the newest of an id.
        for manifest in manifests where !manifest.isDeleted && wanted.contains(manifest.id) {
            found[manifest.id] = manifest
        }
        try requireKnownClones()
        let cloned = clones.reduce(into: [:]) { $0[$1.snapshot] = $1 }
        var result: [SnapshotManifest] = []
        var seen: Set<SnapshotID> = []
        for id in ids {
            guard let manifest = found[id] else { throw Problem.noSnapshot(id, of: name) }
            if let revert, revert.record.target == manifest.ordinal {
                throw Problem(
                    .refused, "snapshot \(id) is being merged into volume “\(name)”",
                    hint: "wait until \(.mergeStatus(name)) says done")
            }
            if let clone = cloned[manifest.ordinal] { throw clone.pin(of: name) }
            if seen.insert(id).inserted { result.append(manifest) }
        }
        return result
    }

    /// - Throws: `refused` while it is not known which snapshots some clone needs.
    private func requireKnownClones() throws(Problem) {
        guard let clone = doubtfulClones.first else { return }
        throw Problem(
            .refused,
            "the record of a clone of volume “\(name)” cannot be read: which snapshot it needs is not "
                + "known (\(StoreLayout.cloneFolder(clone)))",
            hint: "run \(.check(name)) to see what can be done")
    }

    /// Why a revert to a snapshot cannot be done now; nil when it can.
    package func refusal(
        ofRevertTo target: SnapshotManifest, takingSafety: Bool
    ) -> Problem? {
        let volume = "volume “\(name)”"
        if isBroken(target.ordinal) {
            return Problem(
                .broken, "snapshot \(target.id) of \(volume) is broken: exceptions were lost",
                hint: "choose a newer snapshot; see \(.list(name))")
        }
        if target.volumeBytes != geometry.volumeBytes {
            return Problem(
                .refused,
                "\(volume) has \(geometry.volumeBytes) bytes, snapshot \(target.id) "
                    + "\(target.volumeBytes)",
                hint: "run \(.volumeResize(name, bytes: target.volumeBytes)) first")
        }
        guard let revert else { return nil }
        if newest?.ordinal != revert.record.safety {
            return Problem(
                .refused, "a merge runs on \(volume) and a snapshot was taken since it began",
                hint: "wait for it with \(.mergeStatus(name))")
        }
        guard takingSafety else { return nil }
        return Problem(
            .refused, "a merge runs on \(volume)",
            hint:
                "wait for it, undo it with \(.mergeCancel(name)), or drop what was "
                + "written since it began with \(.revertWithoutSafety)")
    }

    /// The request that cancels the running merge: back to its safety snapshot.
    ///
    /// - Parameter id: of the revert that does it.
    /// - Throws: `notFound` when no merge runs; `refused` when it has no safety snapshot.
    package func cancelRequest(_ id: RevertID) throws(Problem) -> RevertRequest {
        guard let record = revert?.record else {
            throw Problem(
                .notFound, "no merge runs on volume “\(name)”",
                hint: "see \(.mergeStatus()); an ended revert is undone by reverting to its "
                    + "safety snapshot")
        }
        guard record.tookSafetySnapshot, live(record.safetyID) != nil else {
            throw Problem(
                .refused,
                "the merge on volume “\(name)” cannot be cancelled: it has no safety snapshot",
                hint: "revert to another snapshot with \(.revertWithoutSafety)")
        }
        return RevertRequest(id: id, target: record.safetyID, safety: nil)
    }
}

extension CloneRecord {
    /// Why the clone's snapshot is not deleted.
    package func pin(of volume: String) -> Problem {
        Problem(
            .refused, "snapshot \(snapshotID) of volume “\(volume)” has the clone \(name)",
            hint: "delete that first, if nobody needs it: \(.cloneDelete(name))")
    }
}

extension Problem {
    /// `notFound`: a volume, by its name, has no snapshot with this id.
    package static func noSnapshot(_ id: SnapshotID, of volume: String) -> Problem {
        Problem(
            .notFound, "volume “\(volume)” has no snapshot \(id)", hint: "see \(.list(volume))")
    }
}

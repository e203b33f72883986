internal import System
internal import SnapshotModel
internal import StoreFormat

// Reverts that take what was written to a clone. From before such a revert is committed until its merge has ended
// or was replaced, the clone's area is a source as those of frozen snapshots are: nobody writes to it.
extension LiveEngine {
    /// The clone that a revert to a snapshot may take.
    ///
    /// - Throws: `notFound`; `refused` when it is another snapshot's; `broken`.
    func mergeableClone(
        _ use: CloneUse, for target: SnapshotManifest
    ) throws(Problem) -> CloneRecord {
        let found = cloneTable.withLock { table in
            table.record(named: use.name).flatMap {
                table.going.contains($0.ordinal) ? nil : $0
            }
        }
        guard let found else { throw Problem.noClone(use.name, of: record.name) }
        guard found.snapshotID == target.id, found.snapshot == target.ordinal else {
            throw Problem(
                .refused,
                "\(title(of: found)) began as snapshot \(found.snapshotID), and not as \(target.id)",
                hint: "run \(.revertWithClone(found.snapshotID, found.name))")
        }
        guard found.volumeBytes == target.volumeBytes else {
            throw Problem(
                .refused,
                "\(title(of: found)) has \(found.volumeBytes) bytes, and its snapshot "
                    + "\(target.volumeBytes): a revert does not make the volume larger",
                hint: "make it a volume of its own: \(.clonePromote(found.name))")
        }
        return found
    }

    /// With the chain's lock taken: has nobody write to a clone from now on, and what was written durable. It
    /// goes on with ``thawClones()``.
    ///
    /// - Parameter overrulesClients: whether those who have it open for writing are no reason against it.
    func freeze(
        _ use: CloneUse, for target: SnapshotManifest, overrulesClients: Bool
    ) throws(Problem) -> FrozenClone {
        let found = try mergeableClone(use, for: target)
        try removeStray(of: found)
        let ordinal = found.ordinal
        let known = cloneTable.withLock { $0.open[ordinal] }
        if !overrulesClients, let problem = writersProblem(found) { throw problem }
        let clone: LiveClone
        if let known { clone = known.clone } else { clone = try open(found) }
        var layers: [(ordinal: CloneOrdinal, map: ChunkMap)] = []
        for layer in found.layers ?? [] {
            let map = try store.chunkMap(of: store.requireLayer(layer), format)
            layers.append((layer, map))
        }
        for area in [ordinal] + (found.layers ?? []) {
            let device = try store.openCloneArea(area, writable: false)
            // A file that it replaces is closed when the lock is given back.
            let former = cloneTable.withLock { $0.sources.updateValue(device, forKey: area) }
            withExtendedLifetime(former) {}
        }
        return FrozenClone(
            record: found, map: try clone.freeze(), layers: layers, ends: use.ends)
    }

    /// With the chain's lock taken: lets those clones be written to again that no merge copies from any more.
    func thawClones() {
        let needed = Set(chain.merge?.record.clone?.areas.map(\.ordinal) ?? [])
        let hasFrozen = cloneTable.withLock { table in
            table.sources.keys.contains { !needed.contains($0) }
        }
        guard hasFrozen else { return }
        // Who has begun to read in the merge's time may still be about to read there.
        gate.close()
        gate.open()
        let closed = cloneTable.withLock { table in
            let gone = table.sources.filter { !needed.contains($0.key) }
            for ordinal in gone.keys { table.sources[ordinal] = nil }
            for ordinal in gone.keys
            where !table.going.contains(ordinal) && !table.isFrozen(ordinal) {
                table.open[ordinal]?.clone.thaw()
            }
            return gone
        }
        // Files are closed when the lock is given back.
        withExtendedLifetime(closed) {}
    }

    /// Whether a merge copies from a clone, or is about to.
    func isSource(_ ordinal: CloneOrdinal) -> Bool {
        cloneTable.withLock { $0.sources[ordinal] != nil }
    }

    /// The same, or somebody copies it just now: nobody may write to it.
    func isFrozen(_ ordinal: CloneOrdinal) -> Bool {
        cloneTable.withLock { $0.isFrozen(ordinal) }
    }

    /// With the chain's lock taken: a clone is over that a merge has ended with. Its record goes before the
    /// revert's, so that it never comes back; its area after it, as until then the revert names it.
    ///
    /// - Returns: what ends it, to be called when the revert has gone.
    func endClone(of merge: RunningMerge) throws(Problem) -> (() -> Void)? {
        guard let used = merge.record.clone, used.ends else { return nil }
        // From here on it may have no record any more, whatever becomes of the rest.
        cloneTable.withLock { _ = $0.going.insert(used.ordinal) }
        do throws(Problem) {
            if let known = cloneTable.withLock({ $0.record(named: used.name) }) {
                try markLayers(of: known)
            }
            try store.endClone(used.ordinal)
        } catch {
            // As with the note of the end: a merge that never ends on a full store would be worse. Only with
            // its record it goes on: without, what is written to it would be swept.
            guard error.code == .noSpace, try store.exists(StoreLayout.clone(used.ordinal)) else {
                throw error
            }
            cloneTable.withLock { _ = $0.going.remove(used.ordinal) }
            warn("clone \(used.name) of volume “\(record.name)” goes on: \(error.message)")
            return nil
        }
        return { self.removeEnded(used) }
    }

    /// What fails here is swept at the next open: the clone does not count any more.
    private func removeEnded(_ used: RevertClone) {
        let gone = cloneTable.withLock { $0.remove(used.ordinal) }
        withExtendedLifetime(gone) {}
        guard (try? release(used.layers?.map(\.ordinal) ?? [], of: used.ordinal)) != nil else {
            return
        }
        try? removeFolder(used.ordinal)
    }

    // MARK: Words

    func frozenProblem(_ clone: CloneRecord) -> Problem {
        guard isSource(clone.ordinal) else {
            return Problem(
                .refused,
                "\(title(of: clone)) is being copied: until that has ended it can only be read",
                hint: "try again when the copy is done")
        }
        return Problem(
            .refused,
            "\(title(of: clone)) is being merged into the volume: until that has ended it can be read, and "
                + "neither written to nor deleted",
            hint: "wait until \(.mergeStatus(record.name)) says done")
    }

    /// Why nobody may take what a clone has; nil when nobody has it open for writing.
    func writersProblem(_ clone: CloneRecord) -> Problem? {
        let count = cloneTable.withLock { $0.open[clone.ordinal]?.writers ?? 0 }
        guard count > 0 else { return nil }
        return Problem(
            .refused,
            "\(title(of: clone)) is open for writing: \(count) \(count == 1 ? "client has" : "clients have") "
                + "it open over NBD",
            hint:
                "unmount it in the client or stop the VM, then try again; or use --force: its writes are "
                + "refused then until the merge has ended")
    }
}

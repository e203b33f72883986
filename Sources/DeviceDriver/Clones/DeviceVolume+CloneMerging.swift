internal import System
internal import DeviceMapper
internal import MergeKit
internal import StoreFormat
internal import SnapshotModel

// Reverts that take what was written to a clone. From before such a revert is committed until its merge has ended or
// was replaced, the clone has no device, so that nobody writes to its area: the kernel's merge reads there.
extension DeviceVolume {
    /// The clone that a revert to a snapshot may take.
    ///
    /// - Throws: `notFound`; `refused` when it is another snapshot's or larger, or while somebody has it open.
    func mergeableClone(
        _ use: CloneUse, for target: SnapshotManifest
    ) throws(Problem) -> CloneRecord {
        let found = try clone(named: use.name)
        guard found.snapshotID == target.id, found.snapshot == target.ordinal else {
            throw Problem(
                .refused,
                "clone \(found.name) began as snapshot \(found.snapshotID), and not as \(target.id)",
                hint: "run \(.revertWithClone(found.snapshotID, found.name))")
        }
        guard found.volumeBytes == target.volumeBytes else {
            throw Problem(
                .refused,
                "clone \(found.name) has \(found.volumeBytes) bytes, and its snapshot "
                    + "\(target.volumeBytes): a revert does not make the volume larger",
                hint: "make it a volume of its own: \(.clonePromote(found.name))")
        }
        try requireClosed(found)
        return found
    }

    /// Has nobody write to a clone from now on, and what was written durable. It goes on with ``attachClones()``.
    func freeze(_ use: CloneUse, for target: SnapshotManifest) throws(Problem) -> FrozenClone {
        let found = try mergeableClone(use, for: target)
        try removeDevices(ofClone: found.ordinal)
        do throws(Problem) {
            try sync(found.ordinal)
            var layers: [(ordinal: CloneOrdinal, map: ChunkMap)] = []
            for layer in found.layers ?? [] {
                let map = try store.chunkMap(of: store.requireLayer(layer), state.format)
                layers.append((layer, map))
            }
            return FrozenClone(
                record: found, map: try store.chunkMap(of: found, state.format), layers: layers,
                ends: use.ends)
        } catch {
            attachClones()
            throw error
        }
    }

    /// What a revert would do that takes a clone's content, too.
    func previewRevert(
        to id: SnapshotID, with use: CloneUse
    ) throws(Problem) -> RevertPreview {
        try reload()
        let target = try state.requireLive(id)
        let clone = try self.clone(named: use.name)
        var preview = try StoredVolume(store, state).previewRevert(
            to: id, over: store.sourceMap(of: clone, state.format))
        do throws(Problem) { _ = try mergeableClone(use, for: target) } catch {
            guard error.code == .refused, try stack.info(.clone(clone.ordinal))?.openCount ?? 0 > 0
            else { throw error }
            preview.cloneProblem = error
        }
        return preview
    }

    /// A clone is over that a merge has ended with. Its record goes before the revert's, so that it never comes
    /// back; its area after it, as until then the revert names it.
    ///
    /// - Returns: whether it is over.
    func endClone(of revert: RevertRecord) throws(Problem) -> Bool {
        guard let used = revert.clone, used.ends else { return false }
        do throws(Problem) {
            if let known = state.clones.first(where: { $0.ordinal == used.ordinal }) {
                try markLayers(of: known)
            }
            try store.endClone(used.ordinal)
        } catch {
            // A merge that never ends on a full store would be worse. Only with its record it goes on: without,
            // what is written to it would be swept.
            guard error.code == .noSpace, try store.exists(StoreLayout.clone(used.ordinal)) else {
                throw error
            }
            warn("clone \(used.name) of volume \(record.name) goes on: \(error.message)")
            return false
        }
        return true
    }

    /// What fails here is swept by the next command: the clone does not count any more.
    func removeEnded(_ used: RevertClone) {
        release(used.layers?.map(\.ordinal) ?? [], of: used.ordinal)
        try? reload()
    }
}

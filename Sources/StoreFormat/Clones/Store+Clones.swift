package import System
package import SnapshotModel

/// The folders of clones, which come and go as those of snapshots do.
extension Store {
    /// The ordinals of all folders of clones, ascending, whatever is in them.
    package func cloneFolders() throws(Problem) -> [CloneOrdinal] {
        guard try exists(StoreLayout.clones) else { return [] }
        return try doing { () throws(IOFailure) in try folder.list(StoreLayout.clones) }
            .compactMap(StoreLayout.number).sorted().map(CloneOrdinal.init)
    }

    /// The record of a clone; nil when its folder has none, or it was removed just now.
    ///
    /// - Throws: `corrupt` also when it belongs to another folder.
    package func clone(_ ordinal: CloneOrdinal) throws(Problem) -> CloneRecord? {
        let name = StoreLayout.clone(ordinal)
        let record: CloneRecord
        do throws(Problem) { record = try read(CloneRecord.self, name, as: .clone) } catch {
            guard error.code == .notFound, try !exists(name) else { throw error }
            return nil
        }
        if let flaw = record.flaw { throw impossible(name, flaw) }
        guard record.ordinal == ordinal else {
            throw impossible(name, "it belongs to another clone")
        }
        return record
    }

    /// What a clone was whose removal has begun: its record is the draft then. Nil where there is none, as in the
    /// folder of a creation that was cut.
    func withdrawnClone(_ ordinal: CloneOrdinal) throws(Problem) -> CloneRecord? {
        do throws(Problem) {
            let record = try read(CloneRecord.self, StoreLayout.draftClone(ordinal), as: .clone)
            return record.flaw == nil && record.ordinal == ordinal ? record : nil
        } catch {
            guard error.code == .notFound || error.isDamage || error.code == .newerVersion else {
                throw error
            }
            return nil
        }
    }

    /// Writes a clone's record, durably: from then on the clone exists.
    package func writeClone(_ record: CloneRecord) throws(Problem) {
        if let flaw = record.flaw {
            throw Problem(.refused, "clone \(record.name) cannot be made: \(flaw)")
        }
        try replace(StoreLayout.clone(record.ordinal), record, as: .clone)
    }

    /// The file of a clone's area.
    package func openCloneArea(
        _ ordinal: CloneOrdinal, writable: Bool
    ) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in
            try folder.openFile(StoreLayout.cloneArea(ordinal), writable: writable)
        }
    }

    /// What of a clone is not as in its snapshot, as far as it is committed: its own area's chunks, and the
    /// layers' where that has none.
    package func sourceMap(
        of clone: CloneRecord, _ format: AreaFormat
    ) throws(Problem) -> SourceMap {
        var maps = [SourceMap(try chunkMap(of: clone, format), ordinal: clone.ordinal.inPlans)]
        for layer in clone.layers ?? [] {
            let map = try chunkMap(of: requireLayer(layer), format)
            maps.append(SourceMap(map, ordinal: layer.inPlans))
        }
        return SourceMap(overlaying: maps)
    }

    /// The record of a layer that a clone reads.
    ///
    /// - Throws: `corrupt` when it is not there.
    package func requireLayer(_ ordinal: CloneOrdinal) throws(Problem) -> CloneRecord {
        if let layer = try clone(ordinal) { return layer }
        // Of one that loses its record before its last clone does, the draft is left.
        if let layer = try withdrawnClone(ordinal) { return layer }
        throw Problem(
            .corrupt,
            "\(folder.path)/\(StoreLayout.cloneFolder(ordinal)), which a clone reads, is not there any more",
            hint: "restore it from a copy of the store")
    }

    /// What a clone's own area has, or a layer's, as far as it is committed.
    package func chunkMap(
        of clone: CloneRecord, _ format: AreaFormat
    ) throws(Problem) -> ChunkMap {
        try AreaLibrary.read(
            openCloneArea(clone.ordinal, writable: false), format: format,
            ordinal: clone.snapshot, volumeBytes: clone.volumeBytes)
    }

    /// Has the record of a layer say that it is one, before its last clone goes: else what this has left behind
    /// would be a clone again. Where there is no room for that, the layer loses its record, which needs none.
    package func settleLayer(_ layer: CloneRecord) throws(Problem) {
        do throws(Problem) { try writeClone(layer.asLayer) } catch {
            guard error.code == .noSpace else { throw error }
            try endClone(layer.ordinal)
        }
    }

    /// Takes a clone its record, durably: it does not count any more. Its area stays, for the merge that copies
    /// from it, until ``removeClone(_:)``, or the next open after the revert has gone.
    package func endClone(_ ordinal: CloneOrdinal) throws(Problem) {
        try doing { () throws(IOFailure) in
            let record = StoreLayout.clone(ordinal)
            if try folder.exists(record) {
                try folder.rename(record, to: StoreLayout.draftClone(ordinal))
            }
            // Also after a sync that failed.
            if try folder.exists(StoreLayout.cloneFolder(ordinal)) {
                try folder.syncFolder(StoreLayout.cloneFolder(ordinal))
            }
        }
    }

    /// Makes a clone's folder and an empty area file in it. Durable but for the record, without which it
    /// does not count.
    ///
    /// - Parameter areaBytes: the size of the file, none of which is allocated.
    package func createCloneFolder(
        _ ordinal: CloneOrdinal, areaBytes: Int
    ) throws(Problem) -> any BlockDevice {
        do throws(IOFailure) {
            if try !folder.exists(StoreLayout.clones) {
                try folder.makeFolder(StoreLayout.clones)
                try folder.syncFolder("")
            }
            try folder.makeFolder(StoreLayout.cloneFolder(ordinal))
            _ = try folder.createFile(StoreLayout.draftClone(ordinal), byteCount: 0)
            let device = try folder.createFile(
                StoreLayout.cloneArea(ordinal), byteCount: areaBytes)
            try folder.syncFolder(StoreLayout.cloneFolder(ordinal))
            try folder.syncFolder(StoreLayout.clones)
            return device
        } catch {
            // Best effort: what stays is unfinished, and swept at the next open.
            _ = try? removeClone(ordinal)
            throw Problem(error)
        }
    }

    /// The first ordinal from this one on whose folder is not there.
    package func freeCloneOrdinal(from first: CloneOrdinal) throws(Problem) -> CloneOrdinal {
        var ordinal = first
        while try exists(StoreLayout.cloneFolder(ordinal)) { ordinal = ordinal.next }
        return ordinal
    }

    /// Removes a clone's folder, its record first, durably; nothing when there is none.
    ///
    /// - Returns: the paths in it that are none of ours: they stay, and the folder with them.
    @discardableResult
    package func removeClone(_ ordinal: CloneOrdinal) throws(Problem) -> [String] {
        guard try exists(StoreLayout.cloneFolder(ordinal)) else {
            // An earlier try may have failed at this very sync.
            if try exists(StoreLayout.clones) {
                try doing { () throws(IOFailure) in try folder.syncFolder(StoreLayout.clones) }
            }
            return []
        }
        return try remove(
            StoreLayout.cloneFolder(ordinal), names: StoreLayout.cloneNames,
            record: StoreLayout.clone(ordinal), draft: StoreLayout.draftClone(ordinal))
    }

    /// Whether a folder without a record is provably that of a creation or a removal which has not ended:
    /// it has a draft, or nothing was written to it.
    func isUnfinished(clone ordinal: CloneOrdinal) throws(Problem) -> Bool {
        if try exists(StoreLayout.draftClone(ordinal)) { return true }
        guard try exists(StoreLayout.cloneArea(ordinal)) else { return true }
        return try !hasExceptions(openCloneArea(ordinal, writable: false))
    }
}

internal import System
internal import SnapshotModel
internal import StoreFormat

// Clones of clones. What was written to a clone until then becomes a layer, which does not change any more: the clone
// goes on in a new folder over it, and others can begin there. Its record in the new folder is the one moment that
// counts. All else follows from it: a folder that a clone reads is none of a clone's, whatever its own record says;
// so the crash that comes before this says so leaves nothing to mend but that.
extension LiveEngine {
    /// With the chain's lock taken: a clone that another one can begin as, with all that was written to it in
    /// layers.
    ///
    /// - Returns: its record as it is now.
    /// - Throws: `notFound`; `refused` when it is another snapshot's, while it is merged or copied, and when it has
    ///   as many layers as there may be.
    func parent(
        _ name: String, of manifest: SnapshotManifest, _ shape: CloneShape
    ) throws(Problem) -> CloneRecord {
        let found = try cloneable(name, of: manifest, shape)
        try removeStray(of: found)
        try markLayers(of: found)
        let entry = cloneTable.withLock { $0.open[found.ordinal] }
        let clone: LiveClone
        if let entry { clone = entry.clone } else { clone = try open(found) }
        if clone.exceptionCount == 0, (entry?.writers ?? 0) == 0 { return found }
        return try layer(found, clone)
    }

    /// The clone that another one is to begin as. - Throws: as ``parent(_:of:_:)``.
    func cloneable(
        _ name: String, of manifest: SnapshotManifest, _ shape: CloneShape
    ) throws(Problem) -> CloneRecord {
        let found = cloneTable.withLock { table in
            table.record(named: name).flatMap { table.going.contains($0.ordinal) ? nil : $0 }
        }
        guard let found else { throw Problem.noClone(name, of: record.name) }
        guard found.snapshotID == manifest.id, found.snapshot == manifest.ordinal else {
            throw Problem(
                .refused,
                "\(title(of: found)) began as snapshot \(found.snapshotID), and not as \(manifest.id)",
                hint: "see \(.cloneList)")
        }
        if let problem = shape.sizeProblem(ofBase: found.volumeBytes, title(of: found)) {
            throw problem
        }
        guard !isFrozen(found.ordinal) else { throw frozenProblem(found) }
        return found
    }

    /// - Throws: `refused` when a clone has as many layers as there may be.
    func requireRoomForLayer(_ clone: CloneRecord) throws(Problem) {
        guard (clone.layers?.count ?? 0) < CloneRecord.layersMaximum else {
            throw depthProblem(clone)
        }
    }

    /// Makes what was written to a clone a layer; nothing where there is nothing.
    private func layer(_ former: CloneRecord, _ clone: LiveClone) throws(Problem) -> CloneRecord {
        try requireRoomForLayer(former)
        let next = former.continued(as: try freeCloneOrdinal())
        let (area, device) = try makeArea(of: next)
        do throws(Problem) {
            let isLeft = try clone.goOn(next, in: area, on: device) { () throws(Problem) in
                try store.writeClone(next)
            }
            guard isLeft else {
                // What stays is unfinished, and swept at the next open.
                _ = try? store.removeClone(next.ordinal)
                return former
            }
        } catch {
            removeUncertain(next.ordinal, of: former)
            throw error
        }
        cloneTable.withLock { $0.move(former, to: next) }
        try markLayers(of: next)
        return next
    }

    /// Whether the folder counts is not known. If it does, it reads as the clone, as nothing was written there; but
    /// it must not come to life when the clone has gone.
    private func removeUncertain(_ ordinal: CloneOrdinal, of former: CloneRecord) {
        guard (try? store.removeClone(ordinal)) == nil else { return }
        cloneTable.withLock { table in
            table.strays[former.ordinal] = ordinal
            table.doubtful.append(ordinal)
        }
    }

    /// With the chain's lock taken: removes the folder in which a clone was to go on, where that failed.
    func removeStray(of record: CloneRecord) throws(Problem) {
        guard let stray = cloneTable.withLock({ $0.strays[record.ordinal] }) else { return }
        try store.removeClone(stray)
        cloneTable.withLock { table in
            table.strays[record.ordinal] = nil
            table.doubtful.removeAll { $0 == stray }
        }
    }

    /// With the chain's lock taken: has the records of those layers say that they are layers which a clone alone
    /// reads, before the clone goes: those as well that stay, for a merge, or for a clone whose record cannot be
    /// read. Else they would be clones again.
    func markLayers(of record: CloneRecord) throws(Problem) {
        let layers = cloneTable.withLock { table in
            let unread = table.unread(record.layers ?? [], without: record.ordinal)
            return table.layers.filter {
                table.unmarked.contains($0.ordinal) && unread.contains($0.ordinal)
            }
        }
        for layer in layers {
            try store.settleLayer(layer)
            cloneTable.withLock { _ = $0.unmarked.remove(layer.ordinal) }
        }
    }

    /// With the chain's lock taken: removes those of a clone's layers that nobody else reads. What of them stays
    /// when it fails is swept at the next open, as long as the clone's folder is there.
    func release(_ layers: [CloneOrdinal], of clone: CloneOrdinal) throws(Problem) {
        let merged = Set(chain.merge?.record.clone?.areas.map(\.ordinal) ?? [])
        let gone = cloneTable.withLock { table in
            table.spare(layers, without: clone).filter { !merged.contains($0) }
        }
        for ordinal in gone {
            try removeFolder(ordinal)
            cloneTable.withLock { table in table.layers.removeAll { $0.ordinal == ordinal } }
        }
    }

    /// Removes the folder of a clone or of a layer.
    func removeFolder(_ ordinal: CloneOrdinal) throws(Problem) {
        for path in try store.removeClone(ordinal) {
            warn("\(path) is not snapmgr's: it stays, and its folder with it")
        }
    }

    /// What a clone reads where its own area has nothing.
    func base(
        of record: CloneRecord, _ manifest: SnapshotManifest
    ) throws(Problem) -> CloneBase {
        var maps: [SourceMap] = []
        var devices: [SnapshotOrdinal: any BlockDevice] = [:]
        for ordinal in record.layers ?? [] {
            let layer = try store.requireLayer(ordinal)
            maps.append(SourceMap(try store.chunkMap(of: layer, format), ordinal: ordinal.inPlans))
            devices[ordinal.inPlans] = try store.openCloneArea(ordinal, writable: false)
        }
        return CloneBase(
            record, view: view(of: manifest), map: SourceMap(overlaying: maps), devices: devices,
            format: format)
    }

    private func depthProblem(_ clone: CloneRecord) -> Problem {
        Problem(
            .refused,
            "\(title(of: clone)) has \(CloneRecord.layersMaximum) layers below it, the most that there may be",
            hint: "make it a volume of its own, which has none: \(.clonePromote(clone.name))")
    }
}

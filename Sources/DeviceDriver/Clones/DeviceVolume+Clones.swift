internal import System
internal import DeviceMapper
internal import MergeKit
internal import StoreFormat
package import SnapshotModel

// Clones: the kernel's own `snapshot` over a device that reads as the clone began. What is written to one lies in an
// area of its own, in the form that the kernel's exceptions have anyway.
extension DeviceVolume {
    /// The clone with a name.
    func clone(named name: String) throws(Problem) -> CloneRecord {
        guard let clone = state.clones.first(where: { $0.name == name }) else {
            throw Problem.noClone(name, of: record.name)
        }
        return clone
    }

    /// The device of a clone.
    ///
    /// - Throws: `refused` when the volume is not active, or a merge copies from the clone; `broken`.
    package func openClone(_ name: String) throws(Problem) -> String {
        try requireActive()
        let clone = try clone(named: name)
        guard !isSource(clone.ordinal) else { throw sourceProblem(clone) }
        _ = try readable(clone.snapshotID)
        try attach(clone)
        return stack.name(.clone(clone.ordinal)).path
    }

    /// `.refused` when somebody has the clone open, naming who.
    func requireClosed(_ clone: CloneRecord) throws(Problem) {
        if let problem = try stack.openProblem(clone: clone.name, clone.ordinal) { throw problem }
    }

    func sourceProblem(_ clone: CloneRecord) -> Problem {
        Problem(
            .refused,
            "clone \(clone.name) is being merged into volume \(record.name): until that has ended it has no "
                + "device, and is not deleted",
            hint: "wait until \(.mergeStatus(record.name)) says done")
    }

    // MARK: Making

    /// What a clone is to begin as.
    struct CloneBeginning {
        var manifest: SnapshotManifest
        /// The clone of the same snapshot; nil for this itself.
        var parent: CloneRecord?
        /// Whether something was written to it, that has to become a layer.
        var isWritten = false
        var byteCount: Int
    }

    /// Whether a clone can be made.
    ///
    /// - Throws: `exists` when a clone has the name; `broken`, `notFound`; `refused` when the volume is not active,
    ///   when it cannot have the shape, and when somebody has the clone open that it is to begin as.
    func beginning(
        of request: CloneRequest, _ shape: CloneShape
    ) throws(Problem) -> CloneBeginning {
        if let flaw = request.flaw { throw flaw }
        try requireActive()
        try requireRunning()
        let manifest = try readable(request.snapshot)
        guard !state.clones.contains(where: { $0.name == request.name }) else {
            throw Problem(
                .exists, "volume \(record.name) has a clone \(request.name) already",
                hint: "choose another name; see \(.cloneList)")
        }
        let parent = try shape.parent.map { name throws(Problem) in
            try self.parent(name, of: manifest)
        }
        let bytes = parent?.volumeBytes ?? manifest.volumeBytes
        let base = parent.map { "clone \($0.name)" } ?? "snapshot \(manifest.id)"
        if let problem = shape.sizeProblem(ofBase: bytes, base) { throw problem }
        var found = CloneBeginning(
            manifest: manifest, parent: parent, byteCount: shape.byteCount ?? bytes)
        if let parent { found.isWritten = try isWritten(parent) }
        return found
    }

    private func parent(
        _ name: String, of manifest: SnapshotManifest
    ) throws(Problem) -> CloneRecord {
        let found = try clone(named: name)
        guard found.snapshotID == manifest.id, found.snapshot == manifest.ordinal else {
            throw Problem(
                .refused,
                "clone \(name) began as snapshot \(found.snapshotID), and not as \(manifest.id)",
                hint: "see \(.cloneList)")
        }
        guard !isSource(found.ordinal) else { throw sourceProblem(found) }
        // What was written to it becomes a layer, which nobody writes to any more.
        try requireClosed(found)
        return found
    }

    private func isWritten(_ parent: CloneRecord) throws(Problem) -> Bool {
        guard try !store.chunkMap(of: parent, state.format).runs.isEmpty else { return false }
        guard (parent.layers?.count ?? 0) < CloneRecord.layersMaximum else {
            throw Problem(
                .refused,
                "clone \(parent.name) has \(CloneRecord.layersMaximum) layers below it, the most that there "
                    + "may be",
                hint: "make it a volume of its own, which has none: \(.clonePromote(parent.name))")
        }
        return true
    }

    /// Makes a clone of a snapshot, or of another clone; durable, and its device is there, when it returns.
    ///
    /// - Throws: as ``beginning(of:_:)``.
    func createClone(
        _ request: CloneRequest, _ shape: CloneShape
    ) throws(Problem) -> CloneRecord {
        try reload()
        let base = try beginning(of: request, shape)
        var parent = base.parent
        if base.isWritten, let former = parent { parent = try layer(former) }
        let bytes = base.manifest.volumeBytes
        let clone = CloneRecord(
            ordinal: try freeCloneOrdinal(), name: request.name,
            snapshot: base.manifest.ordinal, snapshotID: base.manifest.id,
            volumeBytes: base.byteCount, createdAt: clock.now(),
            role: shape.isReadOnly ? .readOnly : nil, layers: parent?.layers,
            parent: parent?.name, snapshotBytes: base.byteCount > bytes ? bytes : nil)
        try makeArea(of: clone)
        do throws(Problem) {
            try store.writeClone(clone)
            try reload()
            try attach(clone)
            try requireRoomForSegments(clone)
        } catch {
            // Whoever asked for it was told that it is not there. While a device reads its area, this stays, and
            // is swept later.
            if (try? removeDevices(ofClone: clone.ordinal)) != nil {
                removeFolder(clone.ordinal)
            } else {
                try? store.endClone(clone.ordinal)
            }
            try? reload()
            throw error
        }
        return clone
    }

    /// - Throws: `refused` when what the clone began as lies in so many pieces that the kernel may soon not take
    ///   its table any more: each snapshot adds some.
    private func requireRoomForSegments(_ clone: CloneRecord) throws(Problem) {
        let count = try stack.info(.cloneBase(clone.ordinal))?.segmentCount ?? 0
        guard count <= DeviceTable.segmentsMaximum / 2 else {
            throw Problem(
                .refused,
                "what clone \(clone.name) would begin as lies in \(count) pieces, too many for a device",
                hint: "begin as a newer snapshot; see \(.list(record.name))")
        }
    }

    private func freeCloneOrdinal() throws(Problem) -> CloneOrdinal {
        let last = [
            state.clones.map(\.ordinal).max(), reading.cloneSurvey.layers.map(\.ordinal).max(),
            state.doubtfulClones.max(),
        ].compactMap(\.self).max()
        // A device that could not be removed may be there for longer than the folder.
        var taken: Set<CloneOrdinal> = []
        for part in try stack.existing() {
            switch part {
            case .clone(let ordinal), .cloneBase(let ordinal): taken.insert(ordinal)
            default: continue
            }
        }
        var free = try store.freeCloneOrdinal(from: last?.next ?? CloneOrdinal(rawValue: 1))
        while taken.contains(free) { free = try store.freeCloneOrdinal(from: free.next) }
        return free
    }

    /// A folder for a clone, with an empty area. Without its record it does not count.
    private func makeArea(of clone: CloneRecord) throws(Problem) {
        let chunkCount = Geometry(
            volumeBytes: clone.volumeBytes, chunkBytes: state.format.chunkBytes
        ).chunkCount
        let file = try store.createCloneFolder(
            clone.ordinal, areaBytes: state.format.fullCoverageBytes(chunkCount: chunkCount))
        do throws(IOFailure) {
            _ = try GrowingArea.create(
                on: file, ordinal: clone.snapshot, format: state.format,
                originChunkCount: chunkCount, kernel: kernel)
        } catch {
            removeFolder(clone.ordinal)
            throw Problem(error)
        }
    }

    /// Has a clone that nobody has open go on in a new folder; what was written to it becomes a layer. Its record
    /// in the new folder is the one moment that counts.
    private func layer(_ former: CloneRecord) throws(Problem) -> CloneRecord {
        let next = former.continued(as: try freeCloneOrdinal())
        try makeArea(of: next)
        do throws(Problem) {
            try removeDevices(ofClone: former.ordinal)
            try sync(former.ordinal)
            try store.writeClone(next)
        } catch {
            // It may count all the same: then it reads as the clone, since nobody has written to it.
            removeFolder(next.ordinal)
            try? reload()
            attachClones()
            throw error
        }
        // Where it fails, as on a full disk, it is done later.
        try? store.writeClone(former.asLayer)
        try reload()
        try attach(next)
        return next
    }

    /// Makes durable what was written to a clone, or a layer.
    func sync(_ ordinal: CloneOrdinal) throws(Problem) {
        let area = try store.openCloneArea(ordinal, writable: true)
        try doing { () throws(IOFailure) in try area.sync() }
    }

    /// Has the record of a clone that has gone on elsewhere say that it is a layer. What counts comes first: see
    /// the same in the engine.
    func mark(_ layer: CloneRecord) throws(Problem) {
        for reader in state.clones where reader.layers?.contains(layer.ordinal) == true {
            try store.writeClone(reader)
        }
        try sync(layer.ordinal)
        try store.writeClone(layer.asLayer)
    }

    // MARK: Deleting

    /// What deleting a clone would free, in bytes. - Throws: as ``deleteClone(_:)``.
    func previewDeleteClone(_ name: String) throws(Problem) -> Int {
        storeBytes(of: try deletable(name))
    }

    /// Removes a clone with what was written to it, durably. Its devices go first: should this be cut, it is
    /// there, and so are they again.
    ///
    /// - Returns: the bytes that its area occupied, and the layers that no other clone reads.
    /// - Throws: `notFound`; `refused` while somebody has it open, or a merge copies from it.
    func deleteClone(_ name: String) throws(Problem) -> Int {
        try requireRunning()
        try reload()
        let clone = try deletable(name)
        let bytes = storeBytes(of: clone)
        try markLayers(of: clone)
        try removeDevices(ofClone: clone.ordinal)
        do throws(Problem) { try store.endClone(clone.ordinal) } catch {
            try? reload()
            attachClones()
            throw error
        }
        // From here on it does not count: what of it stays is swept by the next command.
        release(clone.layers ?? [], of: clone.ordinal)
        try reload()
        return bytes
    }

    private func deletable(_ name: String) throws(Problem) -> CloneRecord {
        let clone = try clone(named: name)
        guard !isSource(clone.ordinal) else { throw sourceProblem(clone) }
        try requireClosed(clone)
        return clone
    }

    private func storeBytes(of clone: CloneRecord) -> Int {
        ([clone.ordinal] + spare(clone.layers ?? [], without: clone.ordinal))
            .reduce(0) { bytes, ordinal in
                let area = try? store.openCloneArea(ordinal, writable: false)
                return bytes + ((try? area?.allocatedBytes()) ?? 0)
            }
    }

    /// Those of a clone's layers that may go with it: nobody else reads them, and no merge copies from them.
    private func spare(_ layers: [CloneOrdinal], without clone: CloneOrdinal) -> [CloneOrdinal] {
        // One whose record cannot be read may read any of them.
        guard state.doubtfulClones.isEmpty else { return [] }
        return unread(layers, without: clone).filter { !isSource($0) }
    }

    /// Those of a clone's layers that no other clone reads whose record can be read.
    private func unread(_ layers: [CloneOrdinal], without clone: CloneOrdinal) -> [CloneOrdinal] {
        let read = Set(
            state.clones.lazy.filter { $0.ordinal != clone }.flatMap { $0.layers ?? [] })
        return layers.filter { !read.contains($0) }
    }

    /// Has the records of those layers say that they are layers which a clone alone reads, before the clone goes:
    /// those as well that stay, for a merge, or for a clone whose record cannot be read. Else they would be clones
    /// again.
    func markLayers(of clone: CloneRecord) throws(Problem) {
        let unread = unread(clone.layers ?? [], without: clone.ordinal)
        for layer in reading.cloneSurvey.layers
        where layer.role != .layer && unread.contains(layer.ordinal) {
            try store.settleLayer(layer)
        }
    }

    /// Removes the folder of a clone that has ended, and its layers that nobody else reads. The draft in it shows
    /// that these may go: it goes after them.
    func release(_ layers: [CloneOrdinal], of clone: CloneOrdinal) {
        for layer in spare(layers, without: clone) where !removeFolder(layer) { return }
        removeFolder(clone)
    }

    /// Removes the folder of a clone or of a layer. What stays is swept by the next command.
    ///
    /// - Returns: whether it has gone.
    @discardableResult
    func removeFolder(_ ordinal: CloneOrdinal) -> Bool {
        guard let strange = try? store.removeClone(ordinal) else { return false }
        for path in strange {
            warn("\(path) is not snapmgr's: it stays, and its folder with it")
        }
        return true
    }
}

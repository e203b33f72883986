internal import System
package import SnapshotModel
internal import StoreFormat

// Clones: writable layers over snapshots.
extension LiveEngine {
    /// The clones by ordinal, those included that cannot be read.
    package var clones: [CloneRecord] { cloneTable.withLock { $0.records } }

    /// The clones that can be opened.
    package var readableClones: [CloneRecord] {
        let chain = chain
        let (records, going) = cloneTable.withLock { ($0.records, $0.going) }
        return records.filter { record in
            let base = chain.entry(record.snapshot)?.manifest
            return base?.isDeleted == false && base?.id == record.snapshotID
                && !chain.isBroken(record.snapshot) && !going.contains(record.ordinal)
        }
    }

    /// The number of clients that have each clone open.
    package func cloneUsers(_ ordinal: CloneOrdinal) -> Int {
        cloneTable.withLock { $0.open[ordinal]?.users ?? 0 }
    }

    // MARK: Making

    /// Makes a clone of a snapshot, or of a clone; durable when it returns. Nothing is copied.
    ///
    /// - Throws: `exists` when a clone has the name; `broken`, `notFound`; `refused` when it cannot have the
    ///   shape.
    package func createClone(
        _ request: CloneRequest, _ shape: CloneShape = CloneShape()
    ) throws(Problem) -> CloneRecord {
        try chainLock.during { () throws(Problem) in
            try create(request, shape, of: requireCloneable(request))
        }
    }

    /// Whether a clone can be made. - Throws: as ``createClone(_:_:)``.
    package func previewCreateClone(
        _ request: CloneRequest, _ shape: CloneShape
    ) throws(Problem) {
        try chainLock.during { () throws(Problem) in
            let manifest = try requireCloneable(request)
            guard let name = shape.parent else {
                return try requireSize(shape, manifest.volumeBytes, manifest)
            }
            let parent = try cloneable(name, of: manifest, shape)
            var isWritten = false
            if let entry = cloneTable.withLock({ $0.open[parent.ordinal] }) {
                isWritten = entry.writers > 0 || entry.clone.exceptionCount > 0
            } else {
                isWritten = try !store.chunkMap(of: parent, format).runs.isEmpty
            }
            if isWritten { try requireRoomForLayer(parent) }
        }
    }

    /// With the chain's lock taken: the snapshot that is to get a clone.
    private func requireCloneable(
        _ request: CloneRequest
    ) throws(Problem) -> SnapshotManifest {
        if let flaw = request.flaw { throw flaw }
        try checkOpen()
        let chain = chain
        guard let manifest = chain.live(request.snapshot) else {
            throw notFound(request.snapshot)
        }
        guard !chain.isBroken(manifest.ordinal) else { throw brokenProblem(manifest) }
        guard cloneTable.withLock({ $0.record(named: request.name) }) == nil else {
            throw Problem(
                .exists, "volume “\(record.name)” has a clone \(request.name) already",
                hint: "choose another name; see \(.cloneList)")
        }
        return manifest
    }

    private func requireSize(
        _ shape: CloneShape, _ bytes: Int, _ manifest: SnapshotManifest
    ) throws(Problem) {
        let problem = shape.sizeProblem(ofBase: bytes, "snapshot \(manifest.id)")
        if let problem { throw problem }
    }

    private func create(
        _ request: CloneRequest, _ shape: CloneShape, of manifest: SnapshotManifest
    ) throws(Problem) -> CloneRecord {
        var parent: CloneRecord?
        if let name = shape.parent { parent = try self.parent(name, of: manifest, shape) }
        let bytes = parent?.volumeBytes ?? manifest.volumeBytes
        let base = parent.map { title(of: $0) } ?? "snapshot \(manifest.id)"
        if let problem = shape.sizeProblem(ofBase: bytes, base) { throw problem }
        let size = shape.byteCount ?? bytes
        return try create(
            CloneRecord(
                ordinal: try freeCloneOrdinal(), name: request.name,
                snapshot: manifest.ordinal, snapshotID: manifest.id, volumeBytes: size,
                createdAt: options.clock.now(), role: shape.isReadOnly ? .readOnly : nil,
                layers: parent?.layers, parent: parent?.name,
                snapshotBytes: size > manifest.volumeBytes ? manifest.volumeBytes : nil))
    }

    /// The ordinal of the next folder.
    func freeCloneOrdinal() throws(Problem) -> CloneOrdinal {
        let last = cloneTable.withLock { table in
            [
                table.records.map(\.ordinal).max(), table.layers.map(\.ordinal).max(),
                table.doubtful.max(),
            ].compactMap(\.self).max()
        }
        return try store.freeCloneOrdinal(from: last?.next ?? CloneOrdinal(rawValue: 1))
    }

    private func create(_ record: CloneRecord) throws(Problem) -> CloneRecord {
        _ = try makeArea(of: record)
        do throws(Problem) { try store.writeClone(record) } catch {
            // It may count when the volume is opened next: until then its snapshot stays.
            if (try? store.removeClone(record.ordinal)) == nil {
                cloneTable.withLock { $0.doubtful.append(record.ordinal) }
            }
            throw error
        }
        cloneTable.withLock { $0.records.append(record) }
        return record
    }

    /// A folder for a clone, with an empty area. Without its record it does not count.
    func makeArea(
        of record: CloneRecord
    ) throws(Problem) -> (area: GrowingArea, device: CloneDevice) {
        let chunkCount = Geometry(
            volumeBytes: record.volumeBytes, chunkBytes: format.chunkBytes
        ).chunkCount
        let file = try store.createCloneFolder(
            record.ordinal,
            areaBytes: format.beginningBytes(
                chunkCount: chunkCount, wanted: options.areaBeginningBytes))
        let device = device(of: record, file)
        do throws(IOFailure) {
            let area = try GrowingArea.create(
                on: device, ordinal: record.snapshot, format: format,
                originChunkCount: chunkCount, kernel: kernel)
            return (area, device)
        } catch {
            // What stays is unfinished, and swept at the next open.
            _ = try? store.removeClone(record.ordinal)
            throw Problem(error)
        }
    }

    private func device(of record: CloneRecord, _ file: any BlockDevice) -> CloneDevice {
        let title = title(of: record)
        return CloneDevice(file) { [weak self] failure in
            self?.warn(
                "\(title) takes no more writes until its volume is opened again: \(failure)")
        }
    }

    // MARK: Deleting

    /// Removes a clone with what was written to it, durably.
    ///
    /// - Returns: the bytes that its area occupied, and the layers that no other clone reads.
    /// - Throws: `notFound`; `refused` while a client has it open.
    package func deleteClone(_ name: String) throws(Problem) -> Int {
        try deleteClone(name, heldBy: nil)
    }

    /// - Parameter hold: the hold that is no reason against it, and who has it open with it.
    func deleteClone(_ name: String, heldBy hold: CloneHold?) throws(Problem) -> Int {
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            let record = try deletableClone(name, heldBy: hold)
            try removeStray(of: record)
            try markLayers(of: record)
            let bytes = storeBytes(of: record)
            // Nobody opens it any more, whatever becomes of the removal.
            cloneTable.withLock { _ = $0.going.insert(record.ordinal) }
            do throws(Problem) {
                // The draft that this leaves is what shows that its layers may go: it goes after them.
                try store.endClone(record.ordinal)
                try release(record.layers ?? [], of: record.ordinal)
                try removeFolder(record.ordinal)
            } catch {
                throw afterFailedRemoval(of: record, error)
            }
            let gone = cloneTable.withLock { $0.remove(record.ordinal) }
            withExtendedLifetime(gone) {}
            return bytes
        }
    }

    /// What deleting a clone would free, in bytes. - Throws: as ``deleteClone(_:)``.
    package func previewDeleteClone(_ name: String) throws(Problem) -> Int {
        storeBytes(of: try deletableClone(name, heldBy: nil))
    }

    /// What a clone's area occupies, in bytes, with the layers that it alone reads; 0 of what cannot be looked
    /// at.
    private func storeBytes(of record: CloneRecord) -> Int {
        let layers = cloneTable.withLock {
            $0.spare(record.layers ?? [], without: record.ordinal)
        }
        return ([record.ordinal] + layers).reduce(0) { bytes, ordinal in
            let area = try? store.openCloneArea(ordinal, writable: false)
            return bytes + ((try? area?.allocatedBytes()) ?? 0)
        }
    }

    private func deletableClone(
        _ name: String, heldBy hold: CloneHold?
    ) throws(Problem) -> CloneRecord {
        guard let record = cloneTable.withLock({ $0.record(named: name) }) else {
            throw Problem.noClone(name, of: self.record.name)
        }
        guard !isSource(record.ordinal) else { throw frozenProblem(record) }
        let users = cloneUsers(record.ordinal) - (hold == nil ? 0 : 1)
        guard users == 0 else {
            throw Problem(
                .refused,
                "\(title(of: record)) is open: \(users) \(users == 1 ? "client has" : "clients have") it "
                    + "open over NBD",
                hint: "unmount it in the client or stop the VM, then try again")
        }
        return record
    }

    /// While the record has its name, nothing is lost: the clone goes on.
    private func afterFailedRemoval(of record: CloneRecord, _ problem: Problem) -> Problem {
        let isWhole = (try? store.exists(StoreLayout.clone(record.ordinal))) ?? false
        if isWhole { cloneTable.withLock { _ = $0.going.remove(record.ordinal) } }
        return problem
    }

    // MARK: Opening

    /// Opens a clone for a client.
    ///
    /// - Parameter readOnly: whether he only reads; as all do while a merge copies from the clone.
    /// - Throws: `notFound`; `broken` when its snapshot lost exceptions, `corrupt` when its own area is
    ///   damaged.
    package func openClone(
        _ name: String, readOnly: Bool = false
    ) throws(Problem) -> OpenClone {
        // As with views: a deletion must not come between the look and the count.
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            guard
                let record = cloneTable.withLock({ table in
                    table.record(named: name).flatMap {
                        table.going.contains($0.ordinal) ? nil : $0
                    }
                })
            else { throw Problem.noClone(name, of: self.record.name) }
            let isWritable = !readOnly && !record.isReadOnly && !isFrozen(record.ordinal)
            let known = cloneTable.withLock { $0.open[record.ordinal]?.clone }
            let clone: LiveClone
            if let known { clone = known } else { clone = try open(record) }
            cloneTable.withLock { table in
                var entry = table.open[record.ordinal] ?? CloneTable.OpenEntry(clone: clone)
                entry.users += 1
                if isWritable { entry.writers += 1 }
                table.open[record.ordinal] = entry
            }
            return OpenClone(clone, engine: self, isWritable: isWritable)
        }
    }

    /// With the chain's lock taken: a clone, as it is in the store.
    func open(_ record: CloneRecord) throws(Problem) -> LiveClone {
        let chain = chain
        guard let manifest = chain.live(record.snapshotID), manifest.ordinal == record.snapshot
        else { throw brokenProblem(record) }
        guard !chain.isBroken(manifest.ordinal) else { throw brokenProblem(record) }
        let device = device(of: record, try store.openCloneArea(record.ordinal, writable: true))
        let geometry = Geometry(
            volumeBytes: record.volumeBytes, chunkBytes: format.chunkBytes)
        let area: GrowingArea
        do throws(AreaFault) {
            area = try GrowingArea.open(
                on: device, ordinal: record.snapshot, format: format,
                originChunkCount: geometry.chunkCount, kernel: kernel)
        } catch {
            throw damageProblem(record, Problem(error, area: device.path))
        }
        guard !area.isInvalid else { throw invalidProblem(record) }
        let base: CloneBase
        do throws(Problem) { base = try self.base(of: record, manifest) } catch {
            throw damageProblem(record, error)
        }
        let content = CloneContent(
            record, base: base, area: area, device: device, format: format)
        return LiveClone(content, engine: self, isFrozen: isFrozen(record.ordinal))
    }

    private func damageProblem(_ record: CloneRecord, _ problem: Problem) -> Problem {
        guard problem.isDamage else { return problem }
        return Problem(
            problem.code,
            "\(title(of: record)) cannot be read: \(problem.message)",
            hint: "restore its area from a copy of the store, or delete it: "
                + "\(.cloneDelete(record.name)); snapshot \(record.snapshotID) is whole")
    }

    /// What a client has closed stays open while others have it, and where it may not be opened as it is.
    func cloneClosed(_ clone: LiveClone, isWriter: Bool) {
        let isLast = cloneTable.withLock { table -> Bool in
            guard let ordinal = table.place(of: clone), let entry = table.open[ordinal] else {
                return false
            }
            table.open[ordinal]?.users -= 1
            if isWriter { table.open[ordinal]?.writers -= 1 }
            return entry.users == 1
        }
        guard isLast else { return }
        // Durable, although nobody has asked for it: it is not opened again for a while.
        try? clone.settle()
        let isInDoubt = clone.isInDoubt
        let gone = cloneTable.withLock { table -> LiveClone? in
            guard let ordinal = table.place(of: clone), let entry = table.open[ordinal],
                entry.users == 0, !isInDoubt
            else { return nil }
            table.open[ordinal] = nil
            return entry.clone
        }
        // Its files are closed when the lock is given back.
        withExtendedLifetime(gone) {}
    }

    // MARK: Ending

    private var liveClones: [LiveClone] { cloneTable.withLock { $0.open.values.map(\.clone) } }

    /// Makes durable what was written to the clones that are open.
    func settleClones() throws(Problem) {
        for clone in liveClones { try clone.settle() }
    }

    /// Returns when no clone is written to any more; all that comes is refused by now.
    func drainClones() {
        for clone in liveClones { clone.drain() }
    }

    // MARK: Words

    func title(of clone: CloneRecord) -> String {
        "clone \(clone.name) of volume “\(record.name)”"
    }

    func readOnlyProblem(_ clone: CloneRecord) -> Problem {
        Problem(
            .refused, "\(title(of: clone)) is read-only: it is a state that is kept",
            hint: "make a clone of it, and write to that: \(.cloneOfClone(clone.name))")
    }

    func brokenProblem(_ clone: CloneRecord) -> Problem {
        Problem(
            .broken,
            "\(title(of: clone)) cannot be read: its snapshot \(clone.snapshotID) is broken, exceptions "
                + "were lost",
            hint: "delete it with \(.cloneDelete(clone.name)), and clone a newer snapshot; see "
                + "\(.list(record.name))")
    }

    func invalidProblem(_ clone: CloneRecord) -> Problem {
        Problem(
            .broken, "\(title(of: clone)) cannot be read: its area was given up",
            hint: "delete it with \(.cloneDelete(clone.name))")
    }
}

extension Problem {
    /// `notFound`: a volume, by its name, has no clone with this name.
    package static func noClone(_ name: String, of volume: String) -> Problem {
        Problem(
            .notFound, "volume “\(volume)” has no clone \(name)", hint: "see \(.cloneList)")
    }
}

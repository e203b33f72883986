package import System
package import SnapshotModel

/// How the folders of snapshots and reverts come and go.
///
/// The first name in a new folder, and the last in one that goes, is the draft of its record: a
/// folder that has the draft and not the record is provably unfinished, whatever else is in it. The
/// rename that turns one into the other is the moment from which it counts, or counts no more. A
/// folder that has neither is another matter (``StoreSurvey``): its record was lost.
extension Store {
    // MARK: Snapshots

    /// Makes a snapshot's folder and an empty area file in it; an unfinished left-over of the same
    /// ordinal goes first. Durable but for the manifest, without which it does not count.
    ///
    /// - Throws: `corrupt` when there is something of that ordinal that is not provably unfinished.
    package func createSnapshotFolder(
        _ ordinal: SnapshotOrdinal, areaBytes: Int
    ) throws(Problem) -> any BlockDevice {
        try makeRoom(for: ordinal)
        do throws(IOFailure) {
            try folder.makeFolder(StoreLayout.snapshotFolder(ordinal))
            _ = try folder.createFile(StoreLayout.draftManifest(ordinal), byteCount: 0)
            let device = try folder.createFile(StoreLayout.area(ordinal), byteCount: areaBytes)
            try folder.syncFolder(StoreLayout.snapshotFolder(ordinal))
            try folder.syncFolder(StoreLayout.snapshots)
            return device
        } catch {
            // Best effort: what stays is unfinished, and swept at the next open.
            _ = try? removeSnapshot(ordinal)
            throw Problem(error)
        }
    }

    private func makeRoom(for ordinal: SnapshotOrdinal) throws(Problem) {
        guard try exists(StoreLayout.snapshotFolder(ordinal)) else { return }
        guard try isUnfinished(ordinal) else {
            throw Problem(
                .corrupt,
                "\(folder.path)/\(StoreLayout.snapshotFolder(ordinal)) is in the way of a new "
                    + "snapshot: it holds a manifest or exceptions",
                hint: "stop whoever serves the volume, then run \(.check())")
        }
        try removeSnapshot(ordinal)
    }

    /// The first ordinal from this one on that nothing has which must stay.
    package func freeOrdinal(
        from first: SnapshotOrdinal
    ) throws(Problem) -> SnapshotOrdinal {
        var ordinal = first
        while try exists(StoreLayout.snapshotFolder(ordinal)) {
            // One that counts and that nobody knew of was written by somebody else.
            if try hasManifest(ordinal) { return ordinal }
            if try isUnfinished(ordinal), try unknownNames(ordinal).isEmpty { return ordinal }
            ordinal = ordinal.next
        }
        return ordinal
    }

    /// Whether a snapshot's folder is provably that of a creation or a removal which has not ended:
    /// it has a draft and no manifest; or nothing in it could be needed. That the snapshot was
    /// deleted proves nothing: older ones may need its exceptions.
    package func isUnfinished(_ ordinal: SnapshotOrdinal) throws(Problem) -> Bool {
        guard try !hasManifest(ordinal) else { return false }
        if try exists(StoreLayout.draftManifest(ordinal)) { return true }
        guard try exists(StoreLayout.area(ordinal)) else { return true }
        return try !hasExceptions(openArea(ordinal, writable: false))
    }

    /// Whether an area may hold exceptions: it has one, or has been written to and is not a sound area.
    func hasExceptions(_ device: any BlockDevice) throws(Problem) -> Bool {
        let format = AreaFormat(chunkBytes: try volume().geometry.chunkBytes)
        let size = try doing { () throws(IOFailure) in try device.byteCount() }
        // Too short for the first of them.
        guard size > 2 * format.chunkBytes else { return false }
        let reader = AreaReader(device: device, format: format, originChunkCount: .max)
        do throws(AreaFault) {
            guard try reader.entries(limit: 1).isEmpty else { return true }
            if try isBlank(device) { return false }
            _ = try reader.header()
            return false
        } catch {
            if case .unreadable(let failure) = error { throw Problem(failure) }
            return true
        }
    }

    /// Whether nothing was ever written where an area has its header.
    private func isBlank(_ device: any BlockDevice) throws(AreaFault) -> Bool {
        var buffer = AlignedBuffer(count: Geometry.sectorBytes)
        do {
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: 0)
        } catch { throw .unreadable(error) }
        return buffer.bytes.array.allSatisfy { $0 == 0 }
    }

    private func unknownNames(_ ordinal: SnapshotOrdinal) throws(Problem) -> [String] {
        try doing { () throws(IOFailure) in
            try folder.list(StoreLayout.snapshotFolder(ordinal))
                .filter { !StoreLayout.snapshotNames.contains($0) }
        }
    }

    /// Removes a snapshot's folder, its manifest first, durably.
    ///
    /// - Returns: the paths in it that are none of ours: they stay, and the folder with them.
    @discardableResult
    package func removeSnapshot(_ ordinal: SnapshotOrdinal) throws(Problem) -> [String] {
        try remove(
            StoreLayout.snapshotFolder(ordinal), names: StoreLayout.snapshotNames,
            record: StoreLayout.manifest(ordinal), draft: StoreLayout.draftManifest(ordinal))
    }

    /// As ``removeSnapshot(_:)``, of many that no live snapshot needs: each step is done for all before the
    /// next one, so that a filesystem with a journal writes that once for all of them. What is cut goes on
    /// as with one, and one that cannot be removed keeps none of the others; it can be tried again.
    ///
    /// - Parameter onRemoved: gets each that is gone, or was.
    package func removeSnapshots(
        _ ordinals: [SnapshotOrdinal], onRemoved: (SnapshotOrdinal) -> Void = { _ in }
    ) throws(Problem) {
        try doing { () throws(IOFailure) in
            var failure: IOFailure?
            let found = those(of: ordinals, &failure) { ordinal throws(IOFailure) in
                let isThere = try folder.exists(StoreLayout.snapshotFolder(ordinal))
                if !isThere { onRemoved(ordinal) }
                return isThere
            }
            let withdrawn = those(of: found, &failure) { ordinal throws(IOFailure) in
                guard try folder.exists(StoreLayout.manifest(ordinal)) else { return true }
                try withdraw(
                    StoreLayout.manifest(ordinal), to: StoreLayout.draftManifest(ordinal),
                    in: StoreLayout.snapshotFolder(ordinal))
                return true
            }
            // Also of one without a manifest: it may have lost it in a removal whose sync failed. Were
            // its area to go first, a power cut could bring the manifest back, and nothing with it.
            let synced = those(of: withdrawn, &failure) { ordinal throws(IOFailure) in
                try folder.syncFolder(StoreLayout.snapshotFolder(ordinal))
                return true
            }
            _ = those(of: synced, &failure) { ordinal throws(IOFailure) in
                _ = try clear(
                    StoreLayout.snapshotFolder(ordinal), names: StoreLayout.snapshotNames,
                    draft: StoreLayout.draftManifest(ordinal))
                onRemoved(ordinal)
                return true
            }
            try folder.syncFolder(StoreLayout.snapshots)
            if let failure { throw failure }
        }
    }

    /// Those for which a step says yes. Where it fails, the others go on, and the first failure is kept.
    private func those(
        of ordinals: [SnapshotOrdinal], _ failure: inout IOFailure?,
        _ step: (SnapshotOrdinal) throws(IOFailure) -> Bool
    ) -> [SnapshotOrdinal] {
        ordinals.filter { ordinal in
            do throws(IOFailure) { return try step(ordinal) } catch {
                failure = failure ?? error
                return false
            }
        }
    }

    // MARK: Reverts

    /// Makes a revert's folder and an empty journal in it. Durable but for the record, without
    /// which it does not count.
    package func createRevertFolder(
        _ id: RevertID, chunkBytes: Int
    ) throws(Problem) -> MergeJournal {
        try doing { () throws(IOFailure) in
            try folder.makeFolder(StoreLayout.revertFolder(id))
            _ = try folder.createFile(StoreLayout.draftRevert(id), byteCount: 0)
            let device = try folder.createFile(StoreLayout.journal(id), byteCount: 0)
            let journal = try MergeJournal.create(on: device, revert: id, chunkBytes: chunkBytes)
            try folder.syncFolder(StoreLayout.revertFolder(id))
            try folder.syncFolder(StoreLayout.reverts)
            return journal
        }
    }

    /// As ``isUnfinished(_:)``, of a revert's folder.
    package func isUnfinished(revert id: RevertID) throws(Problem) -> Bool {
        guard try !exists(StoreLayout.revert(id)) else { return false }
        if try exists(StoreLayout.draftRevert(id)) { return true }
        return try doing { () throws(IOFailure) in
            try folder.list(StoreLayout.revertFolder(id))
                .allSatisfy { !StoreLayout.revertNames.contains($0) }
        }
    }

    /// The folders of reverts that a later one has replaced, ascending: they may go. What has lost its
    /// record is none of them.
    package func finishedReverts(before last: RevertID) throws(Problem) -> [RevertID] {
        var result: [RevertID] = []
        for id in try revertFolders() where id < last {
            let hasRecord = try exists(StoreLayout.revert(id))
            let isUnfinished = try isUnfinished(revert: id)
            if hasRecord || isUnfinished { result.append(id) }
        }
        return result
    }

    /// Removes a revert's folder, its record first, durably; what is none of ours stays.
    @discardableResult
    package func removeRevert(_ id: RevertID) throws(Problem) -> [String] {
        guard try exists(StoreLayout.revertFolder(id)) else { return [] }
        return try remove(
            StoreLayout.revertFolder(id), names: StoreLayout.revertNames,
            record: StoreLayout.revert(id), draft: StoreLayout.draftRevert(id))
    }

    // MARK: Putting aside

    /// Puts a folder of snapshots or reverts where nobody looks for it; all of it stays.
    package func putAside(_ name: String) throws(Problem) {
        try doing { () throws(IOFailure) in
            let parent = PathHalves(name).parent ?? ""
            let leaf = name.dropFirst(parent.count + 1)
            var aside = "\(parent)/\(StoreLayout.asidePrefix)\(leaf)"
            while try folder.exists(aside) { aside += "+" }
            try folder.rename(name, to: aside)
            try folder.syncFolder(parent)
        }
    }

    // MARK: The one way to remove

    /// Removes the files of a folder that have names of the layout, the draft last, then the folder
    /// unless others are in it.
    func remove(
        _ name: String, names: Set<String>, record: String, draft: String, isDurable: Bool = true
    ) throws(Problem) -> [String] {
        try doing { () throws(IOFailure) in
            if isDurable {
                if try folder.exists(record) { try withdraw(record, to: draft, in: name) }
                // Also where it has none: it may have lost it in a removal whose sync failed.
                try folder.syncFolder(name)
            }
            let left = try clear(name, names: names, draft: draft)
            if isDurable { try folder.syncFolder(PathHalves(name).parent ?? "") }
            return left
        }
    }

    /// What ``remove(_:names:record:draft:isDurable:)`` does once the record is away; returns what stays.
    private func clear(
        _ name: String, names: Set<String>, draft: String
    ) throws(IOFailure) -> [String] {
        let found = try folder.list(name)
        // The draft, which proves that a removal was cut, comes last.
        let proofs = found.filter { name + "/" + $0 == draft }
        let known = found.filter { names.contains($0) && !proofs.contains($0) } + proofs
        for entry in known { try folder.removeFile(name + "/" + entry) }
        let unknown = found.filter { !names.contains($0) }
        if unknown.isEmpty { try folder.removeFolder(name) }
        return unknown.sorted().map { name + "/" + $0 }
    }

    /// Takes a record its name. Where the disk is too full for even that, what it stands for goes
    /// first: a deleted snapshot whose area is empty is as provably on its way out. Should a crash meet
    /// the removal of a revert there, `check` tells what to do.
    private func withdraw(
        _ record: String, to draft: String, in name: String
    ) throws(IOFailure) {
        do throws(IOFailure) { try folder.rename(record, to: draft) } catch {
            guard error.isNoSpace else { throw error }
            let area = name + "/" + StoreLayout.areaName
            if try folder.exists(name + "/" + StoreLayout.deleted), try folder.exists(area) {
                let device = try folder.openFile(area, writable: true)
                try device.resize(to: 0)
                try device.sync()
            }
            try folder.removeFile(record)
        }
    }
}

package import System
package import SnapshotModel

/// A volume's store: the truth about its data. Reads and writes its records, and nothing else.
package struct Store: Sendable {
    /// Where everything of it lies.
    package let folder: any Folder

    package init(folder: any Folder) { self.folder = folder }

    /// The same store, to look at all of its snapshots once.
    var forOneLook: Store { Store(folder: folder.forOneLook()) }

    // MARK: The volume

    /// Makes a store in an empty folder. `volume.json` is written last: without it there is none.
    package func create(_ record: VolumeRecord) throws(Problem) {
        try createFolders()
        try writeVolume(record)
    }

    /// All that a store has but its record, as far as it is not there.
    package func createFolders() throws(Problem) {
        try doing { () throws(IOFailure) in
            for name in [StoreLayout.snapshots, StoreLayout.reverts] where try !folder.exists(name)
            {
                try folder.makeFolder(name)
            }
            try folder.syncFolder("")
        }
    }

    /// - Throws: `missing` when there is no store, `corrupt`, `newerVersion`, or what the disk
    /// answers.
    package func volume() throws(Problem) -> VolumeRecord {
        guard try exists(StoreLayout.volume) else {
            throw Problem(
                .notFound, "\(folder.path) is not a store: it has no \(StoreLayout.volume)",
                hint: "check the path, and that the filesystem of the store is mounted")
        }
        let record = try read(VolumeRecord.self, StoreLayout.volume, as: .volume)
        if let flaw = record.flaw { throw impossible(StoreLayout.volume, flaw) }
        return record
    }

    /// Replaces the volume's record, durably: the old one or the new one is there at any moment.
    package func writeVolume(_ record: VolumeRecord) throws(Problem) {
        try replace(StoreLayout.volume, record, as: .volume)
    }

    // MARK: The origin

    /// The origin as it was at the last clean close; nil when there was none, or the record is
    /// damaged: it is a help, not a truth.
    package func originState() throws(Problem) -> OriginState? {
        guard try exists(StoreLayout.originState) else { return nil }
        do throws(Problem) {
            return try read(OriginState.self, StoreLayout.originState, as: .originState)
        } catch {
            guard error.isDamage else { throw error }
            return nil
        }
    }

    /// Replaces what is known of the origin, durably.
    package func writeOriginState(_ state: OriginState) throws(Problem) {
        try replace(StoreLayout.originState, state, as: .originState)
    }

    /// Names another origin, durably. A crash after its first step leaves a store that names another
    /// one than the catalog, which is refused until this is done again.
    ///
    /// - Parameters:
    ///   - device: the origin, open.
    ///   - identify: notes in the volume's record what else the origin is known by.
    package func nameOrigin(
        _ path: String, _ device: any BlockDevice, _ identify: (inout VolumeRecord) -> Void
    ) throws(Problem) {
        var record = try volume()
        record.originPath = path
        identify(&record)
        let stamp = try doing { () throws(IOFailure) in try device.stamp() }
        try writeVolume(record)
        // A block device has no time of change.
        try writeOriginState(OriginState(isClosed: stamp != nil, stamp: stamp))
    }

    /// Forgets how the origin was, durably; takes no space.
    package func removeOriginState() throws(Problem) {
        guard try exists(StoreLayout.originState) else { return }
        try doing { () throws(IOFailure) in
            try folder.removeFile(StoreLayout.originState)
            try folder.syncFolder("")
        }
    }

    // MARK: Snapshots

    /// The ordinals of all snapshot folders, ascending, finished or not.
    package func snapshotFolders() throws(Problem) -> [SnapshotOrdinal] {
        try doing { () throws(IOFailure) in try folder.list(StoreLayout.snapshots) }
            .compactMap(StoreLayout.number).sorted().map(SnapshotOrdinal.init)
    }

    /// Whether a snapshot is finished.
    package func hasManifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> Bool {
        try exists(StoreLayout.manifest(ordinal))
    }

    /// - Throws: `corrupt` also when it belongs to another folder.
    package func manifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> SnapshotManifest {
        let name = StoreLayout.manifest(ordinal)
        let bytes = try readRecord(name)
        var manifest =
            if let manifest = CanonicalManifest.decode(bytes) { manifest } else {
                try RecordCodec.decode(
                    SnapshotManifest.self, from: bytes, as: .manifest,
                    path: "\(folder.path)/\(name)")
            }
        guard manifest.ordinal == ordinal else {
            throw impossible(name, "it belongs to another snapshot")
        }
        if let flaw = manifest.flaw { throw impossible(name, flaw) }
        manifest.isDeleted = try exists(StoreLayout.deletedMark(ordinal))
        return manifest
    }

    /// As ``manifest(_:)``; nil when the snapshot is not finished, or was removed just now. There are many
    /// snapshots, and nearly all of them are finished: whether one is, is asked when it was not to be read.
    func finishedManifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> SnapshotManifest? {
        do throws(Problem) { return try manifest(ordinal) } catch {
            guard try !hasManifest(ordinal) else { throw error }
            return nil
        }
    }

    /// All finished snapshots by ordinal, deleted ones included.
    package func manifests() throws(Problem) -> [SnapshotManifest] {
        let store = forOneLook
        var result: [SnapshotManifest] = []
        var sets = SharedSetVolumes()
        let ordinals = try store.snapshotFolders()
        let ahead = store.lookAhead(at: ordinals) { (store, ordinal) throws(Problem) in
            try store.manifest(ordinal)
        }
        for (ordinal, known) in zip(ordinals, ahead) {
            let found = if let known { known } else { try store.finishedManifest(ordinal) }
            guard var manifest = found else { continue }
            sets.share(&manifest)
            result.append(manifest)
        }
        return result
    }

    /// Whether a file was not found because its snapshot was removed just now, which those who read
    /// without a lock meet.
    func isGone(_ ordinal: SnapshotOrdinal, _ problem: Problem) throws(Problem) -> Bool {
        guard problem.code == .notFound else { return false }
        return try !hasManifest(ordinal)
    }

    /// Writes a manifest: from then on the snapshot exists.
    ///
    /// - Throws: `refused` when it would not be read again: it comes from whoever may ask for snapshots.
    package func writeManifest(_ manifest: SnapshotManifest) throws(Problem) {
        try requireReadable(manifest)
        try replace(StoreLayout.manifest(manifest.ordinal), manifest, as: .manifest)
    }

    /// Puts a manifest with other labels in the place of a snapshot's: durable when it returns, and never
    /// is there a moment, nor anything left of it, at which the snapshot looks unfinished.
    ///
    /// - Throws: as ``writeManifest(_:)``.
    package func relabel(_ manifest: SnapshotManifest) throws(Problem) {
        try requireReadable(manifest)
        let name = StoreLayout.manifest(manifest.ordinal)
        let bytes = try content(of: name, manifest, as: .manifest)
        let labelled = StoreLayout.labelledManifest(manifest.ordinal)
        try doing { () throws(IOFailure) in
            try folder.writeFile(labelled, bytes)
            try folder.rename(labelled, to: name)
            try folder.syncFolder(StoreLayout.snapshotFolder(manifest.ordinal))
        }
    }

    private func requireReadable(_ manifest: SnapshotManifest) throws(Problem) {
        guard let flaw = manifest.flaw else { return }
        throw Problem(
            .refused, "what is to be written on snapshot \(manifest.id) cannot be: \(flaw)")
    }

    /// The file of a snapshot's area.
    package func openArea(
        _ ordinal: SnapshotOrdinal, writable: Bool
    ) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in
            try folder.openFile(StoreLayout.area(ordinal), writable: writable)
        }
    }

    /// Marks a snapshot as deleted, its chain as broken, or how far a revert is; durable when it
    /// returns.
    package func writeMark(_ name: String) throws(Problem) { try writeMarks([name]) { _ in } }

    /// As ``writeMark(_:)``, of many: all, or those before the first failure. They are made before the first
    /// sync: a filesystem with a journal then writes that once for all of them.
    ///
    /// - Parameter onDurable: gets the place of each, in their order, once it is durable.
    package func writeMarks(
        _ names: [String], onDurable: (Int) -> Void
    ) throws(Problem) {
        var (made, durableCount): ([(name: String, isNew: Bool)], Int) = ([], 0)
        var failure: IOFailure?
        do throws(IOFailure) {
            for name in names { made.append((name, try makeMark(name))) }
        } catch { failure = error }
        do throws(IOFailure) {
            for (name, isNew) in made {
                if isNew { try folder.syncFolder(PathHalves(name).parent ?? "") }
                onDurable(durableCount)
                durableCount += 1
            }
        } catch {
            // What was not acknowledged shall not come into force at the next open.
            for mark in made.dropFirst(durableCount) where mark.isNew {
                try? folder.removeFile(mark.name)
            }
            throw Problem(failure ?? error)
        }
        if let failure { throw Problem(failure) }
    }

    /// Makes a mark that is not durable yet; false when it is there.
    private func makeMark(_ name: String) throws(IOFailure) -> Bool {
        guard try !folder.exists(name) else { return false }
        do throws(IOFailure) { _ = try folder.createFile(name, byteCount: 0) } catch {
            try? folder.removeFile(name)
            throw error
        }
        return true
    }

    /// Takes a mark away; durable when it returns.
    package func removeMark(_ name: String) throws(Problem) {
        guard try exists(name) else { return }
        try doing { () throws(IOFailure) in
            try folder.removeFile(name)
            try folder.syncFolder(PathHalves(name).parent ?? "")
        }
    }

    /// Makes durable what is found at open, before anything builds on it: a process that was killed
    /// between a change and its sync leaves it in the page cache, where it looks like the disk's.
    ///
    /// - Parameter state: the store's, just read: what it has no marks of is not asked for them again.
    package func settle(_ state: VolumeState) throws(Problem) {
        let snapshots = try snapshotFolders()
        let unmarked = state.manifests.lazy.filter { manifest in
            !manifest.isDeleted && !state.isLost(manifest.ordinal)
        }
        let settled = Set(unmarked.map(\.ordinal))
        var changed: [SnapshotOrdinal] = []
        for ordinal in snapshots where !settled.contains(ordinal) || ordinal == snapshots.last {
            let isDeleted = try exists(StoreLayout.deletedMark(ordinal))
            let isBroken = try isBroken(ordinal)
            if isDeleted || isBroken || ordinal == snapshots.last { changed.append(ordinal) }
        }
        let reverts = try revertFolders()
        let clones = try cloneFolders()
        try doing { () throws(IOFailure) in
            for ordinal in changed {
                try folder.syncFolder(StoreLayout.snapshotFolder(ordinal))
            }
            for id in reverts { try folder.syncFolder(StoreLayout.revertFolder(id)) }
            for ordinal in clones { try folder.syncFolder(StoreLayout.cloneFolder(ordinal)) }
            if !clones.isEmpty { try folder.syncFolder(StoreLayout.clones) }
            for name in [StoreLayout.snapshots, StoreLayout.reverts, ""] {
                try folder.syncFolder(name)
            }
        }
    }

    /// Whether a snapshot is marked as broken, with all older ones.
    package func isBroken(_ ordinal: SnapshotOrdinal) throws(Problem) -> Bool {
        try exists(StoreLayout.brokenMark(ordinal))
    }

    /// Whether an area's header says that it was given up for ever, which is as good as the mark: it is all
    /// that the kernel writes, and all that a full disk takes.
    func isInvalid(
        _ ordinal: SnapshotOrdinal, _ format: AreaFormat
    ) throws(Problem) -> Bool {
        let device = try openArea(ordinal, writable: false)
        let reader = AreaReader(device: device, format: format, originChunkCount: 0)
        do { return try !reader.header().isValid } catch { throw Problem(error, area: device.path) }
    }

    // MARK: Reverts

    /// The ids of all folders of reverts, ascending, whatever is in them.
    package func revertFolders() throws(Problem) -> [RevertID] {
        try doing { () throws(IOFailure) in try folder.list(StoreLayout.reverts) }
            .compactMap(StoreLayout.number).sorted().map { RevertID(rawValue: Int64($0)) }
    }

    /// The record of a revert; nil when its folder has none, or its merge has ended just now.
    package func revert(_ id: RevertID) throws(Problem) -> RevertRecord? {
        guard try exists(StoreLayout.revert(id)) else { return nil }
        let record: RevertRecord
        do throws(Problem) {
            record = try read(RevertRecord.self, StoreLayout.revert(id), as: .revert)
        } catch {
            guard error.code == .notFound, try !exists(StoreLayout.revert(id)) else { throw error }
            return nil
        }
        if let flaw = record.flaw { throw impossible(StoreLayout.revert(id), flaw) }
        return record
    }

    /// Replaces a revert's record, durably: from the first time on, the revert counts.
    package func writeRevert(_ record: RevertRecord) throws(Problem) {
        try replace(StoreLayout.revert(record.id), record, as: .revert)
    }

    /// The limits of a revert's merge; nil where none were ever set.
    package func mergeLimits(_ id: RevertID) throws(Problem) -> MergeLimits? {
        let name = StoreLayout.mergeLimits(id)
        guard try exists(name) else { return nil }
        let limits = try read(MergeLimits.self, name, as: .mergeLimits)
        guard limits.bytesPerSecond ?? 1 > 0 else {
            throw Problem(
                .corrupt, "\(folder.path)/\(name) has an impossible limit",
                hint: "set it again with \(.mergeThrottle())")
        }
        return limits
    }

    /// Replaces the limits of a revert's merge, durably.
    package func writeMergeLimits(_ limits: MergeLimits, of id: RevertID) throws(Problem) {
        try replace(StoreLayout.mergeLimits(id), limits, as: .mergeLimits)
    }

    // MARK: Files

    /// Whether there is anything with a name: see ``Folder/exists(_:)``.
    package func exists(_ name: String) throws(Problem) -> Bool {
        try doing { () throws(IOFailure) in try folder.exists(name) }
    }

    func read<Content: Codable>(
        _ type: Content.Type, _ name: String, as format: RecordCodec.Format
    ) throws(Problem) -> Content {
        try RecordCodec.decode(
            type, from: readRecord(name), as: format, path: "\(folder.path)/\(name)")
    }

    private func readRecord(_ name: String) throws(Problem) -> [UInt8] {
        try doing { () throws(IOFailure) in
            try folder.readFile(name, limitBytes: StoreLayout.smallFileBytesMaximum)
        }
    }

    func replace(
        _ name: String, _ content: some Codable, as format: RecordCodec.Format
    ) throws(Problem) {
        let bytes = try self.content(of: name, content, as: format)
        try doing { () throws(IOFailure) in try folder.replaceFile(name, bytes) }
    }

    /// The bytes of a record. One that nobody would read is refused: a volume with it cannot be opened.
    private func content(
        of name: String, _ content: some Codable, as format: RecordCodec.Format
    ) throws(Problem) -> [UInt8] {
        let bytes = try RecordCodec.encode(content, as: format)
        guard bytes.count <= StoreLayout.smallFileBytesMaximum else {
            throw Problem(
                .refused,
                "\(folder.path)/\(name) would take \(bytes.count) bytes, more than the "
                    + "\(StoreLayout.smallFileBytesMaximum) that are read of it",
                hint: "write less on the snapshot: fewer or shorter tags")
        }
        return bytes
    }

    /// A record is whole, but says what cannot be.
    func impossible(_ name: String, _ flaw: String) -> Problem {
        Problem(
            .corrupt, "\(folder.path)/\(name) cannot be right: \(flaw)",
            hint: "run \(.check())")
    }
}

package import System
package import SnapshotModel

/// Reads a store without a lock, also while another process serves the volume: records are replaced
/// whole, and areas only grow by entries that are durable.
package struct StoreReader: Sendable {
    let store: Store
    private let format: AreaFormat
    /// The volume's, as it was when the reader was made.
    package let record: VolumeRecord

    /// - Throws: `refused` when this process is root's and others can change the store.
    package init(folder: any Folder) throws(Problem) {
        try OwnerTrust.require("the store", at: folder.path)
        store = Store(folder: folder)
        record = try store.volume()
        format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
    }

    private init(_ other: StoreReader, looksOnce: Void) {
        store = other.store.forOneLook
        (record, format) = (other.record, other.format)
    }

    /// The same reader, to look at all of the store's snapshots once.
    package var forOneLook: StoreReader { StoreReader(self, looksOnce: ()) }

    /// All finished snapshots by ordinal, deleted ones whose areas are still there included.
    package func manifests() throws(Problem) -> [SnapshotManifest] { try store.manifests() }

    /// The highest ordinal of a finished snapshot; nil when there is none. Reads one folder.
    package func newestOrdinal() throws(Problem) -> SnapshotOrdinal? {
        for ordinal in try store.snapshotFolders().reversed() where try store.hasManifest(ordinal) {
            return ordinal
        }
        return nil
    }

    /// The ordinals of all snapshots' folders, ascending, also of those that are not finished.
    package func snapshotFolders() throws(Problem) -> [SnapshotOrdinal] {
        try store.snapshotFolders()
    }

    /// A finished snapshot's; nil when there is none with this ordinal.
    package func manifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> SnapshotManifest? {
        try store.finishedManifest(ordinal)
    }

    /// Every fact of the volume. Reads the record and the area's header of each snapshot.
    package func state() throws(Problem) -> VolumeState { try StoreReading(store, record).state }

    /// As ``state()``, but an area whose header cannot be read is an error.
    package func strictState() throws(Problem) -> VolumeState {
        let state = try state()
        for ordinal in state.losses.unread { _ = try store.isInvalid(ordinal, format) }
        return state
    }

    /// Looks whether snapshots after `known` lost exceptions for ever: at their marks and headers alone, from
    /// the newest one down to the first that did.
    ///
    /// - Parameter newest: the newest that is known; later ones are looked for. When that is not there, the
    ///   store is of another time, and all are looked at. When it lies far from `known`, folders are listed.
    package func losses(
        after known: SnapshotOrdinal, upTo newest: SnapshotOrdinal
    ) throws(Problem) -> LossReading {
        let store = store.forOneLook
        var unread: SnapshotOrdinal?
        for ordinal in try folders(store, after: known, upTo: newest).reversed() {
            var isLost = try store.isBroken(ordinal)
            if !isLost { isLost = isInvalid(ordinal, store, &unread) }
            if isLost, try store.hasManifest(ordinal) {
                return LossReading(lost: ordinal, firstUnread: unread)
            }
        }
        return LossReading(lost: nil, firstUnread: unread)
    }

    /// A header that cannot be read proves nothing, and one that is not there is nobody's.
    private func isInvalid(
        _ ordinal: SnapshotOrdinal, _ store: Store, _ unread: inout SnapshotOrdinal?
    ) -> Bool {
        do throws(Problem) { return try store.isInvalid(ordinal, format) } catch {
            if error.code != .notFound { unread = ordinal }
            return false
        }
    }

    private func folders(
        _ store: Store, after known: SnapshotOrdinal, upTo newest: SnapshotOrdinal
    ) throws(Problem) -> [SnapshotOrdinal] {
        guard try store.exists(StoreLayout.snapshotFolder(newest)) else {
            return try store.snapshotFolders()
        }
        guard newest.rawValue <= known.rawValue.addingClamped(Self.lookUpMaximum) else {
            return try store.snapshotFolders().filter { $0 > known }
        }
        var found: [SnapshotOrdinal] = []
        var next = known.next
        while true {
            let isThere = try store.exists(StoreLayout.snapshotFolder(next))
            guard isThere || next <= newest else { return found }
            if isThere { found.append(next) }
            next = next.next
        }
    }

    private static let lookUpMaximum = 64

    /// Marks a snapshot that somebody knows to have lost exceptions, and all older ones with it, where
    /// the store does not say so itself: it may not have taken the mark at the time.
    ///
    /// - Returns: whether that was to be done.
    package func markBroken(_ ordinal: SnapshotOrdinal) throws(Problem) -> Bool {
        guard try !store.isBroken(ordinal) else { return false }
        let state = try state()
        // Its area may have gone since, and what older ones lost with it has not.
        guard let newest = state.manifests.last(where: { $0.ordinal <= ordinal })?.ordinal,
            !state.isLost(newest)
        else { return false }
        try store.writeMark(StoreLayout.brokenMark(newest))
        return true
    }

    /// A snapshot's record. - Throws: `notFound` when there is none.
    package func manifest(_ ordinal: SnapshotOrdinal) throws(Problem) -> SnapshotManifest {
        try store.manifest(ordinal)
    }

    /// The chunk map of an area, as far as it is committed.
    package func chunkMap(of ordinal: SnapshotOrdinal) throws(Problem) -> ChunkMap {
        try chunkMap(of: store.manifest(ordinal))
    }

    /// The same of a snapshot whose record was read.
    package func chunkMap(of manifest: SnapshotManifest) throws(Problem) -> ChunkMap {
        let ordinal = manifest.ordinal
        return try AreaLibrary.read(
            store.openArea(ordinal, writable: false), format: format, ordinal: ordinal,
            volumeBytes: manifest.volumeBytes)
    }

    /// The clones by ordinal; those whose records cannot be read are none of them.
    package func clones() throws(Problem) -> [CloneRecord] {
        try CloneSurvey(store, revert: nil).clones
    }

    /// The chunks of a clone that are not as in its snapshot, as far as that is committed.
    package func changedChunks(of clone: CloneRecord) throws(Problem) -> ChunkSet {
        try store.sourceMap(of: clone, format).chunks
    }

    /// The chunks in which two clones of one snapshot differ, as far as what was written is committed. A layer that
    /// both read is the same in both.
    package func differingChunks(
        of first: CloneRecord, and second: CloneRecord
    ) throws(Problem) -> ChunkSet {
        let (one, other) = (
            try store.sourceMap(of: first, format), try store.sourceMap(of: second, format)
        )
        var shared = ChunkSet()
        for layer in Set(one.runs.map(\.ordinal)) {
            let (mine, others) = (
                one.split { $0 == layer }.first.chunks, other.split { $0 == layer }.first.chunks
            )
            shared = shared.union(mine.subtracting(mine.subtracting(others)))
        }
        return one.chunks.union(other.chunks).subtracting(shared)
    }

    /// The bytes that a clone's area occupies.
    package func storeBytes(of clone: CloneOrdinal) throws(Problem) -> Int {
        let device = try store.openCloneArea(clone, writable: false)
        return try doing { () throws(IOFailure) in try device.allocatedBytes() }
    }

    /// What a frozen area holds, from a place in one of its chunks on.
    ///
    /// - Parameters:
    ///   - chunk: of the area, as its map names it.
    ///   - skipped: bytes before those that are wanted.
    package func areaContent(
        _ ordinal: SnapshotOrdinal, from chunk: ChunkIndex, skipping skipped: Int, count: Int
    ) throws(Problem) -> [UInt8] {
        let area = try store.openArea(ordinal, writable: false)
        var bytes = [UInt8](repeating: 0, count: count)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        do throws(IOFailure) {
            try area.read(into: &span, at: format.offset(of: chunk).addingClamped(skipped))
        } catch { throw Problem(error) }
        return bytes
    }

    /// The running revert's record; nil when no merge runs. Reads no snapshot's record.
    package func runningRevert() throws(Problem) -> RevertRecord? { try store.runningRevert() }

    /// The same, and how far it is.
    package func revert() throws(Problem) -> RunningRevert? {
        while let revert = try runningRevert() {
            let running = try store.progress(of: revert, record.geometry)
            if running.mergedChunks != nil { return running }
            // Its journal is damaged, unless it has ended since its record was read, or was replaced.
            if try isRunning(revert) { return running }
        }
        return nil
    }

    /// Whether a revert is the running one still. Ids only grow, so that who asks until it is comes to an end.
    package func isRunning(_ revert: RevertRecord) throws(Problem) -> Bool {
        try runningRevert()?.id == revert.id
    }

    /// The chunks of the running revert that are not merged; empty when no merge runs. Reads the areas
    /// that its plan is made of.
    package func unmergedChunks() throws(Problem) -> ChunkSet {
        while let revert = try runningRevert() {
            do throws(Problem) {
                let plan = try plan(of: revert, isGivenUp: store.isBroken)
                return plan.chunks.chunks.subtracting(try mergedChunks(of: revert))
            } catch { if try isRunning(revert) { throw error } }
        }
        return ChunkSet()
    }

    func plan(
        of revert: RevertRecord, acceptsDamagedClone: Bool = false,
        isGivenUp: (SnapshotOrdinal) throws(Problem) -> Bool
    ) throws(Problem) -> RevertPlan {
        try RevertPlan(
            of: revert, manifests: manifests(), store: store, geometry: record.geometry,
            acceptsDamagedClone: acceptsDamagedClone, isGivenUp: isGivenUp)
    }

    /// The chunks that the journal of a revert names. - Throws: `corrupt` when it is damaged.
    package func mergedChunks(of revert: RevertRecord) throws(Problem) -> ChunkSet {
        try store.mergedChunks(of: revert.id, record.geometry)
    }
}

/// What a look at the marks and headers of some snapshots has found.
package struct LossReading: Hashable, Sendable {
    /// The newest of them that lost exceptions for ever, and all older ones with it; nil when none did.
    package let lost: SnapshotOrdinal?
    /// The oldest newer one whose header could not be read: whether it lost something is not known.
    package let firstUnread: SnapshotOrdinal?
}

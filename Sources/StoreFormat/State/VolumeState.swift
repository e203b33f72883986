package import SnapshotModel

/// Every fact of a volume that follows from its store, derived in this one place, whether from what was
/// read just now (``StoreReading``) or from what the engine that has the volume open knows of it. Both
/// give the same value whenever nothing is under way.
///
/// Read without the store's lock, it may be over by the time it is looked at.
package struct VolumeState: Equatable, Sendable {
    /// The volume's.
    package let name: String
    /// The volume's, which its store goes by.
    package let uuid: String
    /// In bytes.
    package let geometry: Geometry
    /// All finished snapshots by ordinal, ascending; deleted ones, whose areas wait for their turn to
    /// go, included.
    package let manifests: [SnapshotManifest]
    /// What is gone of the chain, as far as it concerns a snapshot that is there.
    package let losses: ChainLosses
    /// This snapshot and all older ones need exceptions that are not to be found at present: in a
    /// folder without a manifest, or in an area that is gone. They are whole again when that is back.
    package let unreachableThrough: SnapshotOrdinal?
    /// This snapshot and all older ones cannot be read, for whatever reason; nil when all can.
    package let brokenThrough: SnapshotOrdinal?
    /// Folders of creations and removals that have not ended, ascending: they may go.
    package let unfinished: [SnapshotOrdinal]
    /// The revert whose merge is not done yet.
    package let revert: RunningRevert?
    /// The clones, by ordinal, ascending.
    package let clones: [CloneRecord]
    /// Clones whose records are lost or cannot be read, ascending: which snapshots they need is not known.
    package let doubtfulClones: [CloneOrdinal]

    /// - Parameters:
    ///   - manifests: by ordinal, ascending.
    ///   - clones: by ordinal, ascending.
    package init(
        _ record: VolumeRecord, manifests: [SnapshotManifest],
        unfinished: [SnapshotOrdinal] = [], losses: ChainLosses, revert: RunningRevert?,
        clones: [CloneRecord] = [], doubtfulClones: [CloneOrdinal] = []
    ) {
        name = record.name
        uuid = record.uuid
        geometry = record.geometry
        self.manifests = manifests
        self.revert = revert
        self.clones = clones
        self.doubtfulClones = doubtfulClones
        let concerned = losses.concerning(manifests)
        self.losses = concerned
        unreachableThrough = concerned.unreachableThrough(in: manifests)
        brokenThrough = concerned.brokenThrough(in: manifests)
        // Nobody needs it any more.
        let needless = losses.withoutArea.filter { !concerned.withoutArea.contains($0) }
        self.unfinished = (unfinished + needless).sorted()
    }

    /// The format of the volume's areas.
    package var format: AreaFormat { AreaFormat(chunkBytes: geometry.chunkBytes) }

    /// This snapshot and all older ones lost exceptions for ever: its mark says so, or its area's header.
    package var lostThrough: SnapshotOrdinal? { losses.lost }
}

// MARK: - Snapshots

extension VolumeState {
    /// The snapshot with the highest ordinal, also when it is deleted; nil when there is none.
    package var newest: SnapshotManifest? { manifests.last }

    /// Whether any snapshot could need what a write overwrites.
    package var hasLive: Bool { manifests.contains { !$0.isDeleted } }

    /// The snapshots that can be read, ascending.
    package var readable: [SnapshotManifest] {
        manifests.filter { !$0.isDeleted && !isBroken($0.ordinal) }
    }

    /// The snapshot with an ordinal, also when it is deleted.
    package func manifest(_ ordinal: SnapshotOrdinal) -> SnapshotManifest? {
        manifests.last { $0.ordinal == ordinal }
    }

    /// The snapshot with an id, unless it is deleted.
    package func live(_ id: SnapshotID) -> SnapshotManifest? {
        // Ids and ordinals ascend together, but a rebuilt catalog promises it less than the store.
        manifests.last { $0.id == id && !$0.isDeleted }
    }

    /// Whether a snapshot cannot be read, for whatever reason.
    package func isBroken(_ ordinal: SnapshotOrdinal) -> Bool {
        brokenThrough.map { ordinal <= $0 } ?? false
    }

    /// Whether exceptions of a snapshot were lost for ever.
    package func isLost(_ ordinal: SnapshotOrdinal) -> Bool {
        lostThrough.map { ordinal <= $0 } ?? false
    }

    /// What is told of a snapshot.
    package func condition(of manifest: SnapshotManifest) -> SnapshotState {
        if manifest.isDeleted { return .deleting }
        if isBroken(manifest.ordinal) { return .broken }
        if revert?.record.target == manifest.ordinal { return .merging }
        return manifest.ordinal == newest?.ordinal ? .active : .frozen
    }
}

// MARK: - Areas that grow

extension VolumeState {
    /// The newest snapshot, when its area must take exceptions: while any live snapshot could need
    /// them.
    package var active: SnapshotManifest? {
        guard let newest, !isBroken(newest.ordinal), hasLive else { return nil }
        return newest
    }

    /// The safety snapshot of the running merge, when later snapshots exist: its area takes what the
    /// merge overwrites.
    package var second: SnapshotManifest? {
        guard let revert, revert.phase != .merged, let safety = manifest(revert.record.safety),
            safety.ordinal != newest?.ordinal, !isBroken(safety.ordinal)
        else { return nil }
        return safety
    }

    /// The snapshot that a view of `ordinal` falls through to: the first whose area grows.
    package func growing(from ordinal: SnapshotOrdinal) -> SnapshotManifest? {
        if let second, ordinal <= second.ordinal { return second }
        return active
    }

    /// The merge that runs, or has run without anybody having noted its end, or that is paused.
    package var merging: RunningRevert? {
        guard let revert, revert.phase == .begun || revert.phase == .paused else { return nil }
        return revert
    }
}

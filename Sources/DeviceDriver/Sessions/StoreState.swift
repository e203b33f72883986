internal import BlockIO
internal import StoreFormat
internal import SnapshotModel

/// What a store says about a volume under device-mapper, read afresh: what its devices must agree
/// with.
struct StoreState {
    let store: Store
    let record: VolumeRecord
    let survey: StoreSurvey
    /// All finished snapshots by ordinal, deleted ones included.
    let manifests: [SnapshotManifest]
    let revert: Revert?
    /// This snapshot and all older ones lost exceptions.
    let brokenThrough: SnapshotOrdinal?

    /// A revert that the store has, and how far it is.
    struct Revert {
        var record: RevertRecord
        var phase: Phase
    }

    enum Phase: Comparable {
        /// It counts, but its merge has never run: nothing of the origin has changed.
        case committed
        /// The kernel may have merged some of it.
        case begun
        /// The kernel may have merged some of it, and shall merge no more until it is resumed.
        case paused
        /// All of it is merged.
        case merged
    }

    init(_ folder: FileFolder) throws(Problem) {
        store = Store(folder: folder)
        record = try store.volume()
        survey = try StoreSurvey(store)
        manifests = survey.manifests
        revert = try survey.runningRevert.map { record throws(Problem) in
            Revert(record: record, phase: try Self.phase(of: record.id, folder))
        }
        let lost = try store.brokenThrough(
            manifests, AreaFormat(chunkBytes: record.geometry.chunkBytes))
        brokenThrough = [lost, survey.unreachableThrough].compactMap(\.self).max()
    }

    private static func phase(of revert: RevertID, _ folder: FileFolder) throws(Problem) -> Phase {
        try doing { () throws(IOFailure) in
            if try folder.exists(StoreLayout.mergedMark(revert)) { return .merged }
            guard try folder.exists(StoreLayout.begunMark(revert)) else { return .committed }
            return try folder.exists(StoreLayout.pausedMark(revert)) ? .paused : .begun
        }
    }

    var format: AreaFormat { AreaFormat(chunkBytes: record.geometry.chunkBytes) }
    var newest: SnapshotManifest? { manifests.last }

    func manifest(_ ordinal: SnapshotOrdinal) -> SnapshotManifest? {
        manifests.last { $0.ordinal == ordinal }
    }

    func live(_ id: SnapshotID) -> SnapshotManifest? {
        manifests.last { $0.id == id && !$0.isDeleted }
    }

    func isBroken(_ ordinal: SnapshotOrdinal) -> Bool {
        brokenThrough.map { ordinal <= $0 } ?? false
    }

    /// The merge that the kernel runs, or has run without anybody noting its end, or that is paused.
    var merging: Revert? {
        guard let revert, revert.phase == .begun || revert.phase == .paused else { return nil }
        return revert
    }

    /// The newest snapshot, when its area must take exceptions: while any live snapshot could need
    /// them.
    var active: SnapshotManifest? {
        guard let newest, !isBroken(newest.ordinal), manifests.contains(where: { !$0.isDeleted })
        else { return nil }
        return newest
    }

    /// The safety snapshot of the running merge, when later snapshots exist.
    var second: SnapshotManifest? {
        guard let merging, let safety = manifest(merging.record.safety),
            safety.ordinal != newest?.ordinal, !isBroken(safety.ordinal)
        else { return nil }
        return safety
    }

    /// The snapshot whose device a view of `ordinal` falls through to: the first whose area grows.
    func growing(from ordinal: SnapshotOrdinal) -> SnapshotManifest? {
        if let second, ordinal <= second.ordinal { return second }
        return active
    }
}

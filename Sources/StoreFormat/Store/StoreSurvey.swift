internal import System
package import SnapshotModel

/// What the folders of a store are, as far as it can be proven. Whatever cannot be found out is an
/// error: an open that fails loses nothing.
package struct StoreSurvey: Sendable {
    /// All finished snapshots by ordinal, deleted ones included.
    package private(set) var manifests: [SnapshotManifest] = []
    /// Folders of creations and removals that have not ended: they may go.
    package private(set) var unfinished: [SnapshotOrdinal] = []
    /// Folders that hold exceptions and whose manifests were lost, and deleted snapshots whose areas
    /// were lost while older snapshots may need them: they stay, and what needs them is not served.
    /// And what areas that are there have lost for ever.
    package private(set) var losses = ChainLosses()
    /// Snapshots of which could not be found out whether they are marked as broken.
    private var doubts: [(ordinal: SnapshotOrdinal, problem: Problem)] = []
    private var hasLive = false
    private var sets = SharedSetVolumes()

    /// The one with the highest id that has a record; nil when no merge runs.
    package private(set) var runningRevert: RevertRecord?
    /// Folders of reverts that have not begun, have ended, or were replaced by the running one.
    package private(set) var finishedReverts: [RevertID] = []
    /// Folders of reverts whose records were lost.
    package private(set) var doubtfulReverts: [RevertID] = []

    /// - Parameters:
    ///   - format: of the volume's areas.
    ///   - manyFolders: how many snapshots are looked at by several threads.
    package init(
        _ store: Store, _ format: AreaFormat, manyFolders: Int = Store.manyFolders
    ) throws(Problem) {
        let ordinals = try store.snapshotFolders()
        let ordinary = store.lookAhead(at: ordinals, from: manyFolders) {
            (store, ordinal) throws(Problem) in try store.ordinaryManifest(ordinal, format)
        }
        for (ordinal, manifest) in zip(ordinals, ordinary) {
            if let manifest {
                addOrdinary(manifest)
            } else {
                try look(at: ordinal, store, format)
            }
        }
        try settleLosses()
        runningRevert = try store.runningRevert()
        for id in try store.revertFolders().reversed() where id != runningRevert?.id {
            let record = try store.revert(id)
            let isUnfinished = try store.isUnfinished(revert: id)
            if record != nil || isUnfinished {
                finishedReverts.append(id)
            } else {
                doubtfulReverts.append(id)
            }
        }
    }

    private mutating func addOrdinary(_ manifest: SnapshotManifest) {
        var manifest = manifest
        sets.share(&manifest)
        manifests.append(manifest)
        hasLive = true
    }

    private mutating func look(
        at ordinal: SnapshotOrdinal, _ store: Store, _ format: AreaFormat
    ) throws(Problem) {
        do throws(Problem) {
            if var manifest = try store.finishedManifest(ordinal) {
                sets.share(&manifest)
                try add(manifest, store, format)
            } else if try store.isUnfinished(ordinal) {
                unfinished.append(ordinal)
            } else if let manifest = try store.finishedManifest(ordinal) {
                // It was taken just now, by whoever has the store's lock.
                append(manifest, store, format)
            } else {
                losses.doubtful.append(ordinal)
            }
        } catch {
            guard try store.isGone(ordinal, error) else { throw error }
        }
    }

    private mutating func add(
        _ manifest: SnapshotManifest, _ store: Store, _ format: AreaFormat
    ) throws(Problem) {
        switch try store.removal(of: manifest, isNeeded: hasLive) {
        case .none: append(manifest, store, format)
        case .cut: unfinished.append(manifest.ordinal)
        // It may have been removed just now: its record went first.
        case .unproven where try !store.hasManifest(manifest.ordinal): return
        case .unproven: losses.withoutArea.append(manifest.ordinal)
        }
        hasLive = hasLive || !manifest.isDeleted
    }

    /// Looks at the mark and the header in the same visit: the folder is open.
    private mutating func append(
        _ manifest: SnapshotManifest, _ store: Store, _ format: AreaFormat
    ) {
        manifests.append(manifest)
        let ordinal = manifest.ordinal
        do throws(Problem) {
            var isLost = try store.isBroken(ordinal)
            if !isLost { isLost = try store.isInvalid(ordinal, format, &losses.unread) }
            if isLost { losses.lost = max(ordinal, losses.lost ?? ordinal) }
        } catch { doubts.append((ordinal, error)) }
    }

    /// What is older than one that lost exceptions lost them with it: what could not be found out of it
    /// does not matter.
    private mutating func settleLosses() throws(Problem) {
        if let lost = losses.lost {
            losses.unread.removeAll { $0 < lost }
            doubts.removeAll { $0.ordinal < lost }
        }
        if let doubt = doubts.max(by: { $0.ordinal < $1.ordinal }) { throw doubt.problem }
    }

    private func needs(_ ordinal: SnapshotOrdinal, _ manifest: SnapshotManifest) -> Bool {
        manifest.ordinal < ordinal && !manifest.isDeleted
    }

    /// Refuses a volume that nobody may write to before its store is whole again: exceptions would
    /// go into the wrong area, or the origin is half merged and nobody knows how far.
    package func requireWritable(_ store: Store, _ record: VolumeRecord) throws(Problem) {
        if let last = losses.missing, manifests.last.map({ $0.ordinal < last }) ?? false,
            manifests.contains(where: { needs(last, $0) })
        {
            let folder = "\(store.folder.path)/\(StoreLayout.snapshotFolder(last))"
            let isManifest = losses.doubtful.last == last
            throw Problem(
                .corrupt,
                "the \(isManifest ? "manifest" : "area") of the newest snapshot of volume "
                    + "\(record.name) is gone: \(folder) "
                    + (isManifest ? "holds exceptions" : "has no \(StoreLayout.areaName)"),
                hint: Self.hint(record))
        }
        // One that is noted as ended has nothing left to do.
        for id in doubtfulReverts
        where runningRevert == nil && !record.endedReverts.contains(id) {
            guard try store.hasMerged(id, record.geometry) else { continue }
            throw Problem(
                .corrupt,
                "the record of a merge that ran on volume \(record.name) is gone: "
                    + "\(store.folder.path)/\(StoreLayout.revertFolder(id)); the origin is half "
                    + "merged",
                hint: Self.hint(record))
        }
        guard runningRevert == nil || !manifests.isEmpty else {
            throw Problem(
                .corrupt,
                "a merge runs on volume \(record.name), and \(store.folder.path)/"
                    + "\(StoreLayout.snapshots) has no snapshot: the origin is half merged",
                hint: Self.hint(record))
        }
    }

    private static func hint(_ record: VolumeRecord) -> Advice {
        "restore it from a copy of the store (look in lost+found after a repair of its filesystem); "
            + "\(.check(record.name)) tells what can be done without it"
    }

    /// What somebody must know of what was left alone.
    package func warnings(_ record: VolumeRecord) -> [Advice] {
        losses.doubtful.map {
            "\(StoreLayout.snapshotFolder($0)) of volume \(record.name) holds exceptions and has no "
                + "manifest: it is left alone; see \(.check(record.name))"
        }
            + losses.withoutArea.map {
                "\(StoreLayout.snapshotFolder($0)) of volume \(record.name) has lost its area, which "
                    + "older snapshots may need: see \(.check(record.name))"
            }
            + doubtfulReverts.map {
                "\(StoreLayout.revertFolder($0)) of volume \(record.name) has no record: it is left "
                    + "alone; see \(.check(record.name))"
            }
            + (losses.unreachableThrough(in: manifests).map {
                [
                    "the snapshots up to ordinal \($0) of volume \(record.name) cannot be read "
                        + "while a later manifest or area is missing"
                ]
            } ?? [])
    }
}

extension Store {
    /// Whether an area's header says that it was given up; one that cannot be read says nothing, and
    /// one whose snapshot was removed just now is nobody's.
    fileprivate func isInvalid(
        _ ordinal: SnapshotOrdinal, _ format: AreaFormat, _ unread: inout [SnapshotOrdinal]
    ) throws(Problem) -> Bool {
        do throws(Problem) { return try isInvalid(ordinal, format) } catch {
            if try !isGone(ordinal, error) { unread.append(ordinal) }
            return false
        }
    }

    /// What is known of the removal of a snapshot that has a manifest.
    package enum SnapshotRemoval {
        case none
        /// It was cut: all that is left may go.
        case cut
        /// There is no area, and nothing shows that it was to go.
        case unproven
    }

    /// An emptied area is that of a removal; one that is not there proves none, as long as an older
    /// snapshot may need it.
    ///
    /// - Parameter isNeeded: whether there is an older live snapshot.
    package func removal(
        of manifest: SnapshotManifest, isNeeded: Bool
    ) throws(Problem) -> SnapshotRemoval {
        guard manifest.isDeleted else { return .none }
        let ordinal = manifest.ordinal
        if try exists(StoreLayout.area(ordinal)) {
            let device = try openArea(ordinal, writable: false)
            return try doing { () throws(IOFailure) in try device.byteCount() } == 0 ? .cut : .none
        }
        guard isNeeded else { return .cut }
        // One that was given up has nothing to lose.
        return try isBroken(ordinal) ? .none : .unproven
    }

    /// Whether the merge of a revert may have changed the origin.
    package func hasMerged(_ id: RevertID, _ geometry: Geometry) throws(Problem) -> Bool {
        if try exists(StoreLayout.begunMark(id)) { return true }
        guard try exists(StoreLayout.journal(id)) else { return false }
        do throws(Problem) { return try !mergedChunks(of: id, geometry).isEmpty } catch {
            guard error.isDamage else { throw error }
            return true
        }
    }
}

internal import BlockIO
internal import SnapshotModel
internal import StoreFormat

/// Opens a volume: reads the store, finishes or sweeps what a crash left half-done, and looks
/// whether the origin is what it was. Each step may be repeated, so that a crash in recovery needs
/// nothing but another recovery (I5).
struct EngineRecovery {
    private let store: Store
    private let origin: any BlockDevice
    private let options: EngineOptions

    init(store: Store, origin: any BlockDevice, options: EngineOptions) {
        self.store = store
        self.origin = origin
        self.options = options
    }

    func run() throws(Problem) -> LiveEngine {
        var warnings: [Advice] = []
        let record = try store.volume()
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        var copyOptions = options.copyOptions
        copyOptions.zeroUnitBytes = record.geometry.chunkBytes
        let kernel = CopyKernel(options: copyOptions)
        try checkOrigin(record, &warnings)
        // All of it is known before any of it is changed.
        let survey = try StoreSurvey(store)
        try survey.requireWritable(store, record)
        try store.settle()
        warnings += survey.warnings(record)
        try sweepReverts(survey, &warnings)
        let manifests = try sweepSnapshots(survey, &warnings)
        let library = AreaLibrary(store: store, format: format)
        var chain = ChainState(
            geometry: record.geometry, snapshots: manifests.map(SnapshotEntry.init), active: nil,
            merge: nil,
            brokenThrough: [
                try store.brokenThrough(manifests, format), survey.unreachableThrough,
            ].compactMap(\.self).max())
        if let newest = manifests.last {
            let active = try openUnlessGivenUp(newest, format: format, kernel: kernel)
            let invalid = active?.isInvalid ?? true ? newest.ordinal : nil
            chain = chain.changed(active: .some(active), brokenThrough: invalid)
            if let revert = survey.runningRevert {
                let merge = try resume(
                    revert, chain, format: format, kernel: kernel, &warnings)
                restoreLimits(of: merge, &warnings)
                let lost = merge.safetyArea?.isInvalid ?? true ? revert.safety : nil
                chain = chain.changed(
                    merge: .some(merge),
                    brokenThrough: [lost, chain.brokenThrough].compactMap(\.self).max())
                warnings.append(
                    "revert \(revert.id) of volume “\(record.name)” was under way; its merge "
                        + (merge.control.isPaused ? "is paused" : "goes on")
                )
            }
        }
        if let broken = chain.brokenThrough {
            warnings.append(
                "the snapshots up to ordinal \(broken) of volume “\(record.name)” are broken: "
                    + "exceptions were lost")
        }
        return LiveEngine(
            store: store, origin: origin, options: options, kernel: kernel, library: library,
            record: record, chain: chain, warnings: warnings)
    }

    /// Looks at a volume that the kernel's device-mapper has in use: as ``run()``, but nothing is
    /// recovered, swept or written, and the areas that grow are those of this moment.
    func attach() throws(Problem) -> LiveEngine {
        var warnings: [Advice] = []
        let record = try store.volume()
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        var copyOptions = options.copyOptions
        copyOptions.zeroUnitBytes = record.geometry.chunkBytes
        let kernel = CopyKernel(options: copyOptions)
        let manifests = try store.manifests()
        var chain = ChainState(
            geometry: record.geometry, snapshots: manifests.map(SnapshotEntry.init), active: nil,
            merge: nil, brokenThrough: try store.brokenThrough(manifests, format))
        if let newest = manifests.last {
            let active = try openUnlessGivenUp(
                newest, format: format, kernel: kernel, isObserved: true)
            let invalid = active?.isInvalid ?? true ? newest.ordinal : nil
            chain = chain.changed(active: .some(active), brokenThrough: invalid)
            if let revert = try runningRevert() {
                let merge = try resume(
                    revert, chain, format: format, kernel: kernel, isObserved: true, &warnings)
                chain = chain.changed(merge: .some(merge))
            }
        }
        return LiveEngine(
            store: store, origin: origin, options: options, kernel: kernel,
            library: AreaLibrary(store: store, format: format), record: record, chain: chain,
            warnings: warnings, isAttached: true)
    }

    // MARK: The origin

    private func checkOrigin(
        _ record: VolumeRecord, _ warnings: inout [Advice]
    ) throws(Problem) {
        let size = try doing { () throws(IOFailure) in try origin.byteCount() }
        guard size >= record.geometry.volumeBytes else {
            throw Problem(
                .corrupt,
                "the origin \(origin.path) has \(size) bytes, volume “\(record.name)” "
                    + "\(record.geometry.volumeBytes): it was cut, or is another file",
                hint: "put the right file back, or extend it with `truncate -s "
                    + "\(record.geometry.volumeBytes) \(origin.path)`")
        }
        guard let state = try store.originState(), state.isClosed, let known = state.stamp else {
            return
        }
        let stamp = try doing { () throws(IOFailure) in try origin.stamp() }
        guard let stamp, stamp != known else { return }
        warnings.append(
            "THE ORIGIN OF VOLUME “\(record.name)” WAS CHANGED BY SOMEBODY ELSE: \(origin.path) is "
                + "not as it was closed (\(Self.difference(known, stamp))). Snapshots show the "
                + "changed bytes wherever they share them with the origin; see "
                + "\(.check(record.name, readsData: true))")
    }

    private static func difference(_ old: OriginStamp, _ new: OriginStamp) -> String {
        if old.inode != new.inode { return "another file has its name" }
        if old.byteCount != new.byteCount {
            return "\(new.byteCount) bytes instead of \(old.byteCount)"
        }
        return "written at \(new.modifiedAt)"
    }

    // MARK: Snapshots

    /// Removes what is provably unfinished; returns the snapshots.
    private func sweepSnapshots(
        _ survey: StoreSurvey, _ warnings: inout [Advice]
    ) throws(Problem) -> [SnapshotManifest] {
        for ordinal in survey.unfinished {
            let left = try store.removeSnapshot(ordinal)
            warnings.append("swept the unfinished snapshot folder \(ordinal)")
            warnings += left.map(Self.foreign)
        }
        return survey.manifests
    }

    private static func foreign(_ path: String) -> Advice {
        "\(path) is not snapmgr's: it stays, and its folder with it"
    }

    /// An area that grows; nil when it is damaged and `check --repair` has given it up. In the place
    /// of the newest, nothing is preserved until the next snapshot then; in that of the safety
    /// snapshot, the merge goes on without it.
    private func openUnlessGivenUp(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel,
        isObserved: Bool = false
    ) throws(Problem) -> GrowingArea? {
        do throws(Problem) {
            return try openGrowing(
                manifest, format: format, kernel: kernel, isObserved: isObserved)
        } catch {
            guard error.isDamage, try store.isBroken(manifest.ordinal) else { throw error }
            return nil
        }
    }

    private func openGrowing(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel, isObserved: Bool
    ) throws(Problem) -> GrowingArea {
        let device = try store.openArea(manifest.ordinal, writable: !isObserved)
        let geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        let open = isObserved ? GrowingArea.observe : GrowingArea.open
        do throws(AreaFault) {
            return try open(device, manifest.ordinal, format, geometry.chunkCount, kernel)
        } catch {
            throw Problem(error, area: device.path)
        }
    }

    // MARK: Reverts

    /// Removes left-overs: reverts that never began, have ended, or were replaced by a later one.
    private func sweepReverts(
        _ survey: StoreSurvey, _ warnings: inout [Advice]
    ) throws(Problem) {
        for id in survey.finishedReverts {
            warnings += try store.removeRevert(id).map(Self.foreign)
        }
    }

    private func runningRevert() throws(Problem) -> RevertRecord? {
        for id in try store.revertFolders().reversed() {
            if let record = try store.revert(id) { return record }
        }
        return nil
    }

    /// Goes on with a merge: the plan is the overlay of the areas as they were at the revert, less
    /// the chunks that the journal names.
    private func resume(
        _ record: RevertRecord, _ chain: ChainState, format: AreaFormat, kernel: CopyKernel,
        isObserved: Bool = false, _ warnings: inout [Advice]
    ) throws(Problem) -> RunningMerge {
        guard let safety = chain.entry(record.safety)?.manifest, chain.entry(record.target) != nil
        else {
            throw Problem(
                .corrupt, "revert \(record.id) names a snapshot that is not in the store",
                hint: "run \(.check())")
        }
        let safetyArea =
            record.safety == chain.newest
            ? chain.active
            : try openUnlessGivenUp(
                safety, format: format, kernel: kernel, isObserved: isObserved)
        let plan = try RevertPlan(
            of: record, manifests: chain.snapshots.map(\.manifest), store: store,
            geometry: chain.geometry, isGivenUp: store.isBroken)
        try plan.check(against: record)
        let (journal, merged) = try MergeJournal.open(
            on: openJournal(record.id, isWritable: !isObserved), isWritable: !isObserved,
            revert: record.id,
            chunkBytes: format.chunkBytes,
            chunkCount: chain.geometry.chunkCount)
        if !plan.damaged.isEmpty {
            warnings.append(
                "THE VOLUME MAY NOT READ AS SNAPSHOT \(record.targetID) EVERYWHERE: areas that revert "
                    + "\(record.id) copies from were damaged (ordinal \(plan.damagedNames))")
        }
        if safetyArea == nil {
            warnings.append(
                "the merge of revert \(record.id) goes on without preserving what it overwrites: the "
                    + "area of its safety snapshot \(record.safetyID) was damaged and given up")
        }
        return RunningMerge(
            record: record, plan: plan.chunks.subtracting(merged), journal: journal,
            safetyArea: safetyArea, chunkBytes: format.chunkBytes)
    }

    /// What cannot be read is forgotten: the merge is right with any limits.
    private func restoreLimits(of merge: RunningMerge, _ warnings: inout [Advice]) {
        do throws(Problem) {
            if let limits = try store.mergeLimits(merge.record.id) { merge.control.limits = limits }
        } catch {
            warnings.append(
                "the throttle and pause of revert \(merge.record.id) are forgotten: \(error.message)"
            )
        }
    }

    private func openJournal(
        _ id: RevertID, isWritable: Bool
    ) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in
            try store.folder.openFile(StoreLayout.journal(id), writable: isWritable)
        }
    }
}

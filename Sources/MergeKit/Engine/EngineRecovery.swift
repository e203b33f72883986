internal import System
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

    /// Takes a volume over: what a crash left is finished or swept.
    func run() throws(Problem) -> LiveEngine {
        var warnings: [Advice] = []
        let record = try store.volume()
        let originWasChanged = try checkOrigin(record, &warnings)
        // All of it is known before any of it is changed.
        let reading = try StoreReading(store, record)
        try reading.survey.requireWritable(store, record)
        try store.settle(reading.state)
        warnings += reading.survey.warnings(record) + reading.cloneSurvey.warnings(record)
        try sweep(reading.survey, &warnings)
        try sweep(reading.cloneSurvey, &warnings)
        let engine = try engine(reading, warnings)
        engine.withShared { $0.originWasChanged = originWasChanged }
        engine.recoverWriteBack()
        try engine.recoverReceiving()
        return engine
    }

    /// The engine for what a store holds.
    private func engine(
        _ reading: StoreReading, _ warnings: [Advice]
    ) throws(Problem) -> LiveEngine {
        var warnings = warnings
        let (record, state) = (reading.record, reading.state)
        var copyOptions = options.copyOptions
        copyOptions.zeroUnitBytes = record.geometry.chunkBytes
        let kernel = CopyKernel(options: copyOptions)
        let chain = try chain(state, kernel, &warnings)
        if let merge = chain.merge {
            warnings.append(
                "revert \(merge.record.id) of volume “\(record.name)” was under way; its merge "
                    + (merge.control.isPaused ? "is paused" : "goes on")
            )
        }
        if let broken = chain.brokenThrough {
            warnings.append(
                "the snapshots up to ordinal \(broken) of volume “\(record.name)” are broken: "
                    + "exceptions were lost")
        }
        let log = try WriteBackRecovery(store: store, origin: origin, options: options)
            .log(record, isMerging: chain.merge != nil, &warnings)
        return LiveEngine(
            store: store, origin: origin, options: options, kernel: kernel,
            library: AreaLibrary(store: store, format: state.format),
            index: try index(record, chain), seals: seals(chain), writeBack: log,
            record: record, chain: chain,
            clones: try clones(reading, chain.merge),
            warnings: warnings)
    }

    private func clones(
        _ reading: StoreReading, _ merge: RunningMerge?
    ) throws(Problem) -> CloneTable {
        let (state, layers) = (reading.state, reading.cloneSurvey.layers)
        var table = CloneTable(
            records: state.clones, layers: layers, doubtful: state.doubtfulClones)
        // Where it fails, as on a full disk, it is done before the last clone that reads the layer goes.
        for layer in layers where layer.role != .layer {
            if (try? mark(layer, readers: state.clones)) == nil {
                table.unmarked.insert(layer.ordinal)
            }
        }
        for area in merge?.record.clone?.areas ?? []
        where try store.exists(StoreLayout.cloneArea(area.ordinal)) {
            table.sources[area.ordinal] = try store.openCloneArea(area.ordinal, writable: false)
        }
        return table
    }

    /// Has the record of a clone that has gone on elsewhere say that it is a layer. What the process that has done
    /// that left in the page cache alone, of the record that counts and of the layer, comes first: a power cut would
    /// bring the clone back as it was, and by then it would be a layer that nobody reads.
    private func mark(_ layer: CloneRecord, readers: [CloneRecord]) throws(Problem) {
        for reader in readers where reader.layers?.contains(layer.ordinal) == true {
            try store.writeClone(reader)
        }
        let area = try store.openCloneArea(layer.ordinal, writable: true)
        try doing { () throws(IOFailure) in try area.sync() }
        try store.writeClone(layer.asLayer)
    }

    private func seals(_ chain: ChainState) -> SealKeeper? {
        guard options.sealsAreas else { return nil }
        return SealKeeper(
            store, chain, clock: options.clock, reserveBytes: options.indexReserveBytes)
    }

    private func index(
        _ record: VolumeRecord, _ chain: ChainState
    ) throws(Problem) -> ViewIndex? {
        guard let shape = options.indexShape else { return nil }
        return try ViewIndex(
            store, record, chain, shape: shape, reserveBytes: options.indexReserveBytes)
    }

    private func chain(
        _ state: VolumeState, _ kernel: CopyKernel, _ warnings: inout [Advice]
    ) throws(Problem) -> ChainState {
        let chain = ChainState(
            geometry: state.geometry, snapshots: state.manifests.map(SnapshotEntry.init),
            active: try state.newest.flatMap { newest throws(Problem) in
                try openUnlessGivenUp(newest, format: state.format, kernel: kernel)
            }, merge: nil, losses: state.losses)
        // There is none without a snapshot.
        guard let revert = state.revert, state.newest != nil else { return chain }
        let merge = try resume(revert, chain, format: state.format, kernel: kernel, &warnings)
        return chain.changed(merge: .some(merge))
    }

    // MARK: The origin

    private func checkOrigin(
        _ record: VolumeRecord, _ warnings: inout [Advice]
    ) throws(Problem) -> Bool {
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
            return false
        }
        let stamp = try doing { () throws(IOFailure) in try origin.stamp() }
        guard let stamp, stamp != known else { return false }
        warnings.append(
            "THE ORIGIN OF VOLUME “\(record.name)” WAS CHANGED BY SOMEBODY ELSE: \(origin.path) is "
                + "not as it was closed (\(Self.difference(known, stamp))). Snapshots show the "
                + "changed bytes wherever they share them with the origin; see "
                + "\(.check(record.name, readsData: true))")
        return true
    }

    private static func difference(_ old: OriginStamp, _ new: OriginStamp) -> String {
        if old.inode != new.inode { return "another file has its name" }
        if old.byteCount != new.byteCount {
            return "\(new.byteCount) bytes instead of \(old.byteCount)"
        }
        return "written at \(new.modifiedAt)"
    }

    // MARK: Snapshots

    /// Removes what is provably unfinished: creations and removals of snapshots, and reverts that
    /// never began, have ended, or were replaced by a later one.
    private func sweep(
        _ survey: StoreSurvey, _ warnings: inout [Advice]
    ) throws(Problem) {
        for id in survey.finishedReverts {
            warnings += try store.removeRevert(id).map(Self.foreign)
        }
        for ordinal in survey.unfinished {
            let left = try store.removeSnapshot(ordinal)
            warnings.append("swept the unfinished snapshot folder \(ordinal)")
            warnings += left.map(Self.foreign)
        }
    }

    private func sweep(_ survey: CloneSurvey, _ warnings: inout [Advice]) throws(Problem) {
        for ordinal in survey.unfinished {
            warnings += try store.removeClone(ordinal).map(Self.foreign)
            warnings.append("swept the unfinished folder of clone \(ordinal)")
        }
    }

    private static func foreign(_ path: String) -> Advice {
        "\(path) is not snapmgr's: it stays, and its folder with it"
    }

    /// An area that grows; nil when it is damaged and `check --repair` has given it up. In the place
    /// of the newest, nothing is preserved until the next snapshot then; in that of the safety
    /// snapshot, the merge goes on without it.
    private func openUnlessGivenUp(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel
    ) throws(Problem) -> GrowingArea? {
        do throws(Problem) {
            return try openGrowing(manifest, format: format, kernel: kernel)
        } catch {
            guard error.isDamage, try store.isBroken(manifest.ordinal) else { throw error }
            return nil
        }
    }

    private func openGrowing(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel
    ) throws(Problem) -> GrowingArea {
        let device = try store.openArea(manifest.ordinal, writable: true)
        let geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        do throws(AreaFault) {
            return try GrowingArea.open(
                on: device, ordinal: manifest.ordinal, format: format,
                originChunkCount: geometry.chunkCount, kernel: kernel)
        } catch {
            throw Problem(error, area: device.path)
        }
    }

    // MARK: Reverts

    /// Goes on with a merge: the plan is the overlay of the areas as they were at the revert, less
    /// the chunks that the journal names.
    private func resume(
        _ revert: RunningRevert, _ chain: ChainState, format: AreaFormat, kernel: CopyKernel,
        _ warnings: inout [Advice]
    ) throws(Problem) -> RunningMerge {
        let record = revert.record
        guard let safety = chain.entry(record.safety)?.manifest, chain.entry(record.target) != nil
        else {
            throw Problem(
                .corrupt, "revert \(record.id) names a snapshot that is not in the store",
                hint: "run \(.check())")
        }
        let safetyArea =
            record.safety == chain.newest
            ? chain.active
            : try openUnlessGivenUp(safety, format: format, kernel: kernel)
        let plan = try RevertPlan(
            of: record, manifests: chain.snapshots.map(\.manifest), store: store,
            geometry: chain.geometry, isGivenUp: store.isBroken)
        try plan.check(against: record)
        let (journal, merged) = try MergeJournal.open(
            on: openJournal(record.id), isWritable: true, revert: record.id,
            chunkBytes: format.chunkBytes, chunkCount: chain.geometry.chunkCount)
        if !plan.isWhole {
            warnings.append(
                "THE VOLUME MAY NOT READ AS SNAPSHOT \(record.targetID) EVERYWHERE: areas that revert "
                    + "\(record.id) copies from were damaged (\(plan.damagedNames))")
        }
        if safetyArea == nil {
            warnings.append(
                "the merge of revert \(record.id) goes on without preserving what it overwrites: the "
                    + "area of its safety snapshot \(record.safetyID) was damaged and given up")
        }
        let merge = RunningMerge(
            record: record, plan: plan.chunks.subtracting(merged), journal: journal,
            safetyArea: safetyArea, chunkBytes: format.chunkBytes)
        restoreLimits(of: merge, &warnings)
        return merge
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

    private func openJournal(_ id: RevertID) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in
            try store.folder.openFile(StoreLayout.journal(id), writable: true)
        }
    }
}

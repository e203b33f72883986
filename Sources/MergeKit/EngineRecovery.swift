internal import BlockIO
internal import SnapshotModel

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
        var warnings: [String] = []
        let record = try store.volume()
        let format = AreaFormat(chunkBytes: record.geometry.chunkBytes)
        let kernel = CopyKernel(options: options.copyOptions)
        try checkOrigin(record, &warnings)
        try store.settle()
        try sweepReverts(&warnings)
        let manifests = try sweepSnapshots(&warnings)
        let library = AreaLibrary(store: store, format: format)
        var chain = ChainState(
            geometry: record.geometry, snapshots: manifests.map(SnapshotEntry.init), active: nil,
            merge: nil, brokenThrough: broken(manifests))
        if let newest = manifests.last {
            let active = try openActive(newest, format: format, kernel: kernel)
            let invalid = active?.isInvalid ?? true ? newest.ordinal : nil
            chain = chain.changed(active: .some(active), brokenThrough: invalid)
            if let revert = try runningRevert() {
                let merge = try resume(revert, chain, library, format: format, kernel: kernel)
                let lost = merge.safetyArea.isInvalid ? merge.safetyArea.ordinal : nil
                chain = chain.changed(
                    merge: .some(merge),
                    brokenThrough: [lost, chain.brokenThrough].compactMap(\.self).max())
                warnings.append(
                    "revert \(revert.id) of volume “\(record.name)” was under way; its merge goes on"
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

    // MARK: The origin

    private func checkOrigin(
        _ record: VolumeRecord, _ warnings: inout [String]
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
        guard let state = store.originState(), state.isClosed, let known = state.stamp else {
            return
        }
        let stamp = try doing { () throws(IOFailure) in try origin.stamp() }
        guard let stamp, stamp != known else { return }
        warnings.append(
            "THE ORIGIN OF VOLUME “\(record.name)” WAS CHANGED BY SOMEBODY ELSE: \(origin.path) is "
                + "not as it was closed (\(Self.difference(known, stamp))). Snapshots show the "
                + "changed bytes wherever they share them with the origin; see `snapmgr check "
                + "\(record.name) --data`")
    }

    private static func difference(_ old: OriginStamp, _ new: OriginStamp) -> String {
        if old.inode != new.inode { return "another file has its name" }
        if old.byteCount != new.byteCount {
            return "\(new.byteCount) bytes instead of \(old.byteCount)"
        }
        let time = Timestamp(nanoseconds: new.modifiedNanoseconds)
        return "written at \(time)"
    }

    // MARK: Snapshots

    /// Removes unfinished creations; returns the snapshots, which must be one unbroken chain.
    private func sweepSnapshots(_ warnings: inout [String]) throws(Problem) -> [SnapshotManifest] {
        var manifests: [SnapshotManifest] = []
        for ordinal in try store.snapshotFolders() {
            if store.hasManifest(ordinal) {
                let manifest = try store.manifest(ordinal)
                // A removal that a crash cut: the area went, the manifest's removal was lost.
                if manifest.isDeleted, !store.folder.exists(StoreLayout.area(ordinal)) {
                    try store.removeSnapshot(ordinal)
                } else {
                    manifests.append(manifest)
                }
            } else {
                try store.removeSnapshot(ordinal)
                warnings.append("swept the unfinished snapshot folder \(ordinal)")
            }
        }
        return manifests
    }

    private func broken(_ manifests: [SnapshotManifest]) -> SnapshotOrdinal? {
        manifests.last { store.isBroken($0.ordinal) }?.ordinal
    }

    /// The newest area; nil when it is damaged and `check --repair` has given it up. Until the next
    /// snapshot nothing is preserved then.
    private func openActive(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel
    ) throws(Problem) -> GrowingArea? {
        do throws(Problem) {
            return try openGrowing(manifest, format: format, kernel: kernel)
        } catch {
            guard store.isBroken(manifest.ordinal) else { throw error }
            return nil
        }
    }

    private func openGrowing(
        _ manifest: SnapshotManifest, format: AreaFormat, kernel: CopyKernel
    ) throws(Problem) -> GrowingArea {
        let device = try store.openArea(manifest.ordinal, writable: true)
        let geometry = Geometry(
            volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        do {
            return try GrowingArea.open(
                on: device, ordinal: manifest.ordinal, format: format,
                originChunkCount: geometry.chunkCount, kernel: kernel)
        } catch {
            throw Problem(error, area: device.path)
        }
    }

    // MARK: Reverts

    /// Removes left-overs: folders without a record, and reverts that a later one replaced.
    private func sweepReverts(_ warnings: inout [String]) throws(Problem) {
        let running = try runningRevert()
        for id in try store.revertFolders() where id != running?.id {
            try store.removeRevert(id)
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
        _ record: RevertRecord, _ chain: ChainState, _ library: AreaLibrary, format: AreaFormat,
        kernel: CopyKernel
    ) throws(Problem) -> RunningMerge {
        guard let safety = chain.entry(record.safety)?.manifest,
            chain.entry(record.target) != nil, let active = chain.active
        else {
            throw Problem(
                .corrupt, "revert \(record.id) names a snapshot that is not in the store",
                hint: "run `snapmgr check`")
        }
        let safetyArea =
            record.safety == active.ordinal
            ? active : try openGrowing(safety, format: format, kernel: kernel)
        var areas: [ChainArea] = []
        for entry in chain.snapshots[chain.index(from: record.target)...]
        where entry.manifest.ordinal < record.safety {
            let map = try library.map(
                entry.manifest.ordinal, volumeBytes: entry.manifest.volumeBytes)
            areas.append(ChainArea(ordinal: entry.manifest.ordinal, map: map))
        }
        let safetyMap = try AreaLibrary.read(
            safetyArea.device, format: format, ordinal: record.safety,
            volumeBytes: safety.volumeBytes, limit: record.safetyEntryCount)
        areas.append(ChainArea(ordinal: record.safety, map: safetyMap))
        let (journal, merged) = try MergeJournal.open(
            on: openJournal(record.id), isWritable: true, revert: record.id,
            chunkBytes: format.chunkBytes,
            chunkCount: chain.geometry.chunkCount)
        let plan = MergePlanner.plan(over: areas, chunkCount: chain.geometry.chunkCount)
        guard plan.count == record.planChunkCount else {
            throw Problem(
                .corrupt,
                "the plan of revert \(record.id) has \(plan.count) chunks instead of "
                    + "\(record.planChunkCount)", hint: "run `snapmgr check`")
        }
        return RunningMerge(
            record: record, plan: plan.subtracting(merged), journal: journal,
            safetyArea: safetyArea, chunkBytes: format.chunkBytes)
    }

    private func openJournal(_ id: RevertID) throws(Problem) -> any BlockDevice {
        try doing { () throws(IOFailure) in
            try store.folder.openFile(StoreLayout.journal(id), writable: true)
        }
    }
}

package import SnapshotModel

/// A volume whose reads, writes and merges somebody else makes, the kernel for one: what its store says
/// of it, and what can be done to the areas that are frozen. The origin has no part in any of it.
///
/// It is the volume of the moment at which its state was read; whoever has changed the store makes
/// another one. The caller holds the store's lock.
package struct StoredVolume {
    private let store: Store
    private let state: VolumeState
    private let library: AreaLibrary

    /// - Parameter state: the store's, just read.
    package init(_ store: Store, _ state: VolumeState) {
        self.store = store
        self.state = state
        library = AreaLibrary(store: store, format: state.format)
    }

    private var planner: ChainPlanner {
        ChainPlanner(state) { [library] manifest throws(Problem) in
            try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
        }
    }

    /// All snapshots, ascending.
    ///
    /// - Parameter readers: how many have each open; none is 0.
    package func snapshots(readers: [SnapshotID: Int] = [:]) -> [SnapshotStatus] {
        state.manifests.map { manifest in
            let map = try? library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
            return SnapshotStatus(
                manifest: manifest, state: state.condition(of: manifest),
                exceptionCount: map?.count ?? 0, readers: readers[manifest.id] ?? 0)
        }
    }

    /// See ``ChainPlanner/previewRevert(to:over:)``.
    package func previewRevert(
        to id: SnapshotID, over clone: SourceMap = SourceMap()
    ) throws(Problem) -> RevertPreview {
        try planner.previewRevert(to: id, over: clone)
    }

    // MARK: Deleting

    /// What deleting these snapshots would free.
    ///
    /// - Throws: as ``VolumeState/deletable(_:)``.
    package func previewDelete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try planner.report(deleting: state.deletable(ids))
    }

    /// Marks snapshots as deleted, durably, all of them or those before the first failure. Their bytes
    /// are freed by ``collect()``.
    package func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        let manifests = try state.deletable(ids)
        let report = try planner.report(deleting: manifests)
        try store.writeMarks(manifests.map { StoreLayout.deletedMark($0.ordinal) }) { _ in }
        return report
    }

    /// Writes anew what people wrote on a snapshot; durable when it returns.
    package func label(_ id: SnapshotID, _ labels: SnapshotLabels) throws(Problem) {
        guard var manifest = state.live(id) else { throw Problem.noSnapshot(id, of: state.name) }
        manifest.labels = labels
        try store.relabel(manifest)
    }

    /// Frees what of frozen areas no live snapshot needs: removes those that are garbage as a whole, and
    /// punches holes into the others. Needs no free space.
    package func collect() throws(Problem) -> CollectReport {
        var report = CollectReport()
        var freedBytes = 0
        let planner = planner
        for stretch in planner.stretches {
            let frozen = stretch.deleted.filter { !mayGrow($0.ordinal) }
            for garbage in try planner.garbage(of: frozen, in: stretch) {
                let manifest = garbage.manifest
                guard !garbage.isWhole else {
                    report.removedAreas.append(manifest.ordinal)
                    report.punchedBytes += garbage.chunks.count * state.geometry.chunkBytes
                    continue
                }
                let map = try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
                let punched = try store.punch(
                    garbage.chunks, of: manifest.ordinal, map, state.format)
                report.punchedBytes += punched.punchedBytes
                freedBytes += punched.freedBytes
            }
        }
        // At the end: what is left of a stretch was judged by all of its areas.
        try store.removeCollected(report.removedAreas) { freedBytes += $1 }
        report.freedBytes = freedBytes
        return report
    }

    /// Whether whoever writes to the volume may add to an area.
    private func mayGrow(_ ordinal: SnapshotOrdinal) -> Bool {
        ordinal == state.newest?.ordinal || ordinal == state.revert?.record.safety
    }
}

package import SnapshotModel

/// What reverts, deletions and collections come to in a volume as it is, whoever writes to it. Pure but
/// for the areas' maps, which are asked for when they are needed.
package struct ChainPlanner {
    private let state: VolumeState
    /// An area's map, as far as it is committed.
    private let map: (SnapshotManifest) throws(Problem) -> ChunkMap
    /// What the areas of some snapshots hold, by their indices among the state's.
    private let layers: ((Range<Int>) throws(Problem) -> [SourceMap])?

    /// - Parameters:
    ///   - map: gives the map of a snapshot's area. What it throws, the planner's methods do.
    ///   - layers: gives what areas that follow each other hold, in maps of which the first that has a
    ///     chunk counts; without it, `map` is asked for each area.
    package init(
        _ state: VolumeState, map: @escaping (SnapshotManifest) throws(Problem) -> ChunkMap,
        layers: ((Range<Int>) throws(Problem) -> [SourceMap])? = nil
    ) {
        self.state = state
        self.map = map
        self.layers = layers
    }

    // MARK: Reverts

    /// What a revert would copy and preserve, in bytes, and whether it would be refused.
    ///
    /// - Parameter clone: what is copied in the place of what the snapshot has.
    /// - Throws: `notFound` when there is no such snapshot.
    package func previewRevert(
        to id: SnapshotID, over clone: SourceMap = SourceMap()
    ) throws(Problem) -> RevertPreview {
        let target = try state.requireLive(id)
        let refusal = state.refusal(ofRevertTo: target, takingSafety: state.revert == nil)
        if let refusal {
            return RevertPreview(target: id, planBytes: 0, preserveBytes: 0, refusal: refusal)
        }
        let plan = clone.extended(by: try plan(to: target))
        var preserved = plan.count
        // In mid-merge the safety snapshot's area goes on, and has some of the chunks already.
        if let safety = state.revert.flatMap({ state.manifest($0.record.safety) }) {
            preserved = plan.chunks.subtracting(try map(safety).chunks).count
        }
        return RevertPreview(
            target: id, planBytes: plan.count * chunkBytes,
            preserveBytes: preserved * chunkBytes, refusal: nil)
    }

    /// The overlay of the areas from the target's on, up to the newest or up to, without, that.
    package func plan(
        to target: SnapshotManifest, includesNewest: Bool = true
    ) throws(Problem) -> SourceMap {
        let end = state.manifests.count - (includesNewest || state.manifests.isEmpty ? 0 : 1)
        let stretch = min(index(from: target.ordinal), end)..<end
        return SourceMap(overlaying: try layers(of: stretch)).prefix(state.geometry.chunkCount)
    }

    private func layers(of stretch: Range<Int>) throws(Problem) -> [SourceMap] {
        if let layers { return try layers(stretch) }
        var result: [SourceMap] = []
        for manifest in state.manifests[stretch] {
            result.append(SourceMap(try map(manifest), ordinal: manifest.ordinal))
        }
        return result
    }

    // MARK: Deletions

    /// What deleting these snapshots, all together, would free.
    package func report(deleting manifests: [SnapshotManifest]) throws(Problem) -> DeleteReport {
        var areas: [GarbagePlanner.Area] = []
        let affected = affected(by: manifests)
        for manifest in affected {
            areas.append(
                GarbagePlanner.Area(
                    ordinal: manifest.ordinal,
                    chunks: try chunksIfReadable(of: manifest) ?? ChunkSet()))
        }
        let live = affected.lazy.filter { !$0.isDeleted }.map(\.ordinal)
        let freed = GarbagePlanner.freedChunks(
            in: areas, live: Set(live), deleted: Set(manifests.map(\.ordinal)))
        return DeleteReport(deleted: manifests.map(\.id), freedBytes: freed * chunkBytes)
    }

    /// The snapshots whose areas' garbage can change when these go: from the nearest older live one up
    /// to the next live one.
    private func affected(by manifests: [SnapshotManifest]) -> ArraySlice<SnapshotManifest> {
        let gone = Set(manifests.map(\.ordinal))
        guard let first = gone.min(), let last = gone.max() else { return [] }
        func isStaying(_ manifest: SnapshotManifest) -> Bool {
            !manifest.isDeleted && !gone.contains(manifest.ordinal)
        }
        let all = state.manifests
        let start = all[..<index(from: first)].lastIndex(where: isStaying) ?? 0
        let end = all[index(from: last)...].firstIndex(where: isStaying) ?? all.endIndex
        return all[start..<end]
    }

    // MARK: Collections

    /// A live snapshot and the deleted ones that follow it; the first stretch of a chain may begin with
    /// deleted ones. Each can be judged by itself.
    package struct Stretch {
        /// The live one; nil when it begins with deleted ones.
        package let judge: SnapshotOrdinal?
        fileprivate let manifests: ArraySlice<SnapshotManifest>

        fileprivate init(_ manifests: ArraySlice<SnapshotManifest>) {
            judge = manifests.first.flatMap { $0.isDeleted ? nil : $0.ordinal }
            self.manifests = manifests
        }

        /// The deleted ones, ascending.
        package var deleted: [SnapshotManifest] { manifests.filter(\.isDeleted) }
    }

    /// What of a deleted snapshot's area no live snapshot needs.
    package struct Garbage {
        /// The snapshot.
        package let manifest: SnapshotManifest
        /// The chunks of the volume whose exceptions are not needed.
        package let chunks: ChunkSet
        /// Whether the area may go as a whole, when it does not grow any more.
        package let isWhole: Bool
    }

    /// The stretches that have deleted snapshots, ascending.
    package var stretches: [Stretch] {
        let all = state.manifests
        var result: [Stretch] = []
        var start = 0
        for index in all.indices.dropFirst() where !all[index].isDeleted {
            result.append(Stretch(all[start..<index]))
            start = index
        }
        if !all.isEmpty { result.append(Stretch(all[start...])) }
        return result.filter { stretch in stretch.manifests.contains(where: \.isDeleted) }
    }

    /// The garbage in some areas of a stretch. Reads no map when there are none.
    ///
    /// - Parameter pending: deleted snapshots of the stretch.
    package func garbage(
        of pending: [SnapshotManifest], in stretch: Stretch
    ) throws(Problem) -> [Garbage] {
        guard !pending.isEmpty else { return [] }
        var areas: [GarbagePlanner.Area] = []
        var counts: [SnapshotOrdinal: Int] = [:]
        for manifest in stretch.manifests {
            let chunks = try chunksIfReadable(of: manifest)
            counts[manifest.ordinal] = chunks?.count
            areas.append(
                GarbagePlanner.Area(ordinal: manifest.ordinal, chunks: chunks ?? ChunkSet()))
        }
        let found = Dictionary(
            uniqueKeysWithValues: GarbagePlanner.garbage(
                in: areas, live: Set([stretch.judge].compactMap(\.self))
            ).map { ($0.ordinal, $0.chunks) })
        return pending.compactMap { manifest in
            let chunks = found[manifest.ordinal] ?? ChunkSet()
            guard let count = counts[manifest.ordinal] else {
                // Without an older live snapshot nobody can need it, whatever it holds.
                guard stretch.judge == nil else { return nil }
                return Garbage(manifest: manifest, chunks: ChunkSet(), isWhole: true)
            }
            // It alone may say that the older ones are broken.
            let isProof = stretch.judge != nil && manifest.ordinal == state.lostThrough
            return Garbage(
                manifest: manifest, chunks: chunks, isWhole: chunks.count == count && !isProof)
        }
    }

    // MARK: Areas

    private var chunkBytes: Int { state.geometry.chunkBytes }

    /// The index of the first snapshot at or after an ordinal.
    private func index(from ordinal: SnapshotOrdinal) -> Int {
        state.manifests.lowestIndex { $0.ordinal >= ordinal }
    }

    /// The chunks of an area; nil when it is damaged or gone: that must not keep it from being deleted.
    private func chunksIfReadable(of manifest: SnapshotManifest) throws(Problem) -> ChunkSet? {
        do throws(Problem) { return try map(manifest).chunks } catch {
            guard error.isDamage else { throw error }
            return nil
        }
    }
}

package import SnapshotModel
internal import StoreFormat
internal import System

// Taking and deleting snapshots.
extension LiveEngine {
    /// Takes a snapshot of the volume as it is: all writes that were answered before are in it.
    /// Durable when it returns, with the origin's data as of then.
    package func takeSnapshot(_ request: SnapshotRequest) throws(Problem) -> SnapshotOutcome {
        let barrier = beginBarrier()
        defer { barrier.releaseIO() }
        try barrier.prepareSnapshot(request)
        try barrier.holdIO()
        let committed = try barrier.commit()
        guard var outcome = committed.snapshot else {
            throw Problem(.failed, "no snapshot was taken of volume “\(record.name)”")
        }
        outcome.heldNanoseconds = barrier.releaseIO()
        return outcome
    }

    /// Takes the turn to change the chain; waits while somebody else has it.
    package func beginBarrier() -> Barrier {
        chainLock.take()
        return Barrier(engine: self)
    }

    /// As ``beginBarrier()``, but gives up after some time; nil then.
    package func beginBarrier(waitingMilliseconds: Int) -> Barrier? {
        chainLock.take(waitingMilliseconds: waitingMilliseconds) ? Barrier(engine: self) : nil
    }

    // MARK: Deleting

    /// What deleting these snapshots would free.
    package func previewDelete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try withStableChain { chain throws(Problem) in
            try report(deleting: try deletable(ids, in: chain), in: chain)
        }
    }

    /// Marks snapshots as deleted, durably, all of them or those before the first failure. Their
    /// bytes are freed by ``collect()``.
    package func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            let manifests = try deletable(ids, in: chain)
            let report = try report(deleting: manifests, in: chain)
            var marked: Set<SnapshotOrdinal> = []
            defer { updateChain { $0.deleting(marked) } }
            for manifest in manifests {
                try store.writeMark(StoreLayout.deletedMark(manifest.ordinal))
                marked.insert(manifest.ordinal)
            }
            return report
        }
    }

    private func deletable(
        _ ids: [SnapshotID], in chain: ChainState
    ) throws(Problem) -> [SnapshotManifest] {
        var result: [SnapshotManifest] = []
        var seen: Set<SnapshotOrdinal> = []
        let live = chain.live(Set(ids))
        for id in ids {
            guard let manifest = live[id] else { throw notFound(id) }
            if let merge = chain.merge, merge.record.target == manifest.ordinal {
                throw Problem(
                    .refused, "snapshot \(id) is being merged into volume “\(record.name)”",
                    hint: "wait until \(.mergeStatus(record.name)) says done")
            }
            if withShared({ $0.readers[manifest.ordinal, default: 0] }) > 0 {
                throw Problem(
                    .refused, "snapshot \(id) of volume “\(record.name)” is open for reading",
                    hint: "end the export, or detach the NBD client of “\(record.name)@\(id)”")
            }
            if seen.insert(manifest.ordinal).inserted { result.append(manifest) }
        }
        return result
    }

    private func report(
        deleting manifests: [SnapshotManifest], in chain: ChainState
    ) throws(Problem) -> DeleteReport {
        var areas: [GarbagePlanner.Area] = []
        for entry in affected(by: manifests, in: chain) {
            let chunks = try chunksIfReadable(of: entry.manifest, in: chain) ?? ChunkSet()
            areas.append(GarbagePlanner.Area(ordinal: entry.manifest.ordinal, chunks: chunks))
        }
        let freed = GarbagePlanner.freedChunks(
            in: areas, live: chain.liveOrdinals, deleted: Set(manifests.map(\.ordinal)))
        return DeleteReport(
            deleted: manifests.map(\.id), freedBytes: freed * format.chunkBytes)
    }

    /// The chunks of an area; nil when it is damaged or gone: that must not keep it from being deleted.
    func chunksIfReadable(
        of manifest: SnapshotManifest, in chain: ChainState
    ) throws(Problem) -> ChunkSet? {
        do throws(Problem) { return try map(of: manifest, in: chain).chunks } catch {
            guard error.code == .corrupt || error.code == .notFound else { throw error }
            return nil
        }
    }

    /// The areas whose garbage can change when these snapshots go: from the nearest older live
    /// snapshot up to the next live one.
    private func affected(
        by manifests: [SnapshotManifest], in chain: ChainState
    ) -> ArraySlice<SnapshotEntry> {
        let gone = Set(manifests.map(\.ordinal))
        guard let first = gone.min(), let last = gone.max() else { return [] }
        func isStaying(_ entry: SnapshotEntry) -> Bool {
            !entry.manifest.isDeleted && !gone.contains(entry.manifest.ordinal)
        }
        let start = chain.snapshots[..<chain.index(from: first)].lastIndex(where: isStaying) ?? 0
        let rest = chain.snapshots[chain.index(from: last)...]
        let end = rest.firstIndex(where: isStaying) ?? chain.snapshots.endIndex
        return chain.snapshots[start..<end]
    }

    func notFound(_ id: SnapshotID) -> Problem {
        Problem(
            .notFound, "volume “\(record.name)” has no snapshot \(id)",
            hint: "see \(.list(record.name))")
    }
}

extension ChainState {
    /// The chain with some snapshots marked as deleted.
    fileprivate func deleting(_ ordinals: Set<SnapshotOrdinal>) -> ChainState {
        var snapshots = snapshots
        for ordinal in ordinals {
            let index = index(from: ordinal)
            var manifest = snapshots[index].manifest
            manifest.isDeleted = true
            snapshots[index] = SnapshotEntry(manifest)
        }
        return changed(snapshots: snapshots)
    }

    /// The live ones of some snapshots, in one pass. As ``live(_:)``, the newest of an id.
    fileprivate func live(_ ids: Set<SnapshotID>) -> [SnapshotID: SnapshotManifest] {
        var result: [SnapshotID: SnapshotManifest] = [:]
        for entry in snapshots where !entry.manifest.isDeleted && ids.contains(entry.manifest.id) {
            result[entry.manifest.id] = entry.manifest
        }
        return result
    }
}

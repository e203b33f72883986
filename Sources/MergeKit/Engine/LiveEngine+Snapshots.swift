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
        try drainWriteBack()
        return try withStableChain { chain throws(Problem) in
            try planner(chain).report(deleting: try deletable(ids, in: chain))
        }
    }

    /// Marks snapshots as deleted, durably, all of them or those before the first failure. Their
    /// bytes are freed by ``collect()``.
    package func delete(_ ids: [SnapshotID]) throws(Problem) -> DeleteReport {
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            let manifests = try deletable(ids, in: chain)
            let report = try planner(chain).report(deleting: manifests)
            var marked: Set<SnapshotOrdinal> = []
            defer { updateChain { $0.deleting(marked) } }
            try store.writeMarks(manifests.map { StoreLayout.deletedMark($0.ordinal) }) {
                marked.insert(manifests[$0].ordinal)
            }
            return report
        }
    }

    /// Writes anew what people wrote on a snapshot; durable when it returns.
    package func label(_ id: SnapshotID, _ labels: SnapshotLabels) throws(Problem) {
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            guard var manifest = chain.live(id) else { throw notFound(id) }
            manifest.labels = labels
            try store.relabel(manifest)
            updateChain { $0.replacing(manifest) }
        }
    }

    /// The snapshots that somebody reads.
    package var openSnapshots: [SnapshotID] {
        let (chain, readers) = (chain, withShared { $0.readers })
        return chain.snapshots.lazy.filter { readers[$0.manifest.ordinal] != nil }
            .map(\.manifest.id)
    }

    private func deletable(
        _ ids: [SnapshotID], in chain: ChainState
    ) throws(Problem) -> [SnapshotManifest] {
        let manifests = try volumeState(chain).deletable(ids)
        try requireNotNeeded(manifests)
        let readers = withShared { $0.readers }
        if let read = manifests.first(where: { readers[$0.ordinal, default: 0] > 0 }) {
            throw Problem(
                .refused, "snapshot \(read.id) of volume “\(record.name)” is open for reading",
                hint: "end the export, or detach the NBD client of “\(record.name)@\(read.id)”")
        }
        return manifests
    }

    func notFound(_ id: SnapshotID) -> Problem { Problem.noSnapshot(id, of: record.name) }
}

extension ChainState {
    /// The chain with another record of one of its snapshots.
    fileprivate func replacing(_ manifest: SnapshotManifest) -> ChainState {
        var snapshots = snapshots
        snapshots[index(from: manifest.ordinal)] = SnapshotEntry(manifest)
        return changed(snapshots: snapshots)
    }

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
}

internal import StoreFormat
package import SnapshotModel
internal import System

// Folding: what the areas of deleted snapshots hold for an older live one moves into that one's area, so that
// a chain has as many areas as live snapshots, whatever was ever taken.
//
// Nothing but exceptions is added to the older area, in the way of any area that grows: data, entries, then
// use. From the first of them on, views find the chunk there, with the same content, and the exception that it
// had in the later area is one that no live snapshot needs: the next collection frees it. So there is no moment
// at which a crash could find anything but a chain that is right.
extension LiveEngine {
    /// Moves some of what areas of deleted snapshots hold into the area of the live one before them, and frees
    /// what is needed no more. Snapshots, reads and writes go on; while a merge runs, nothing is moved.
    ///
    /// - Parameters:
    ///   - byteLimit: what is moved at most.
    ///   - isWanted: asked between two parts; when it says no, the rest is left for later.
    /// - Returns: whether there may be more; false also where the store has too little room.
    /// - Throws: when an area cannot be read or written; its snapshot's are left alone from then on.
    package func fold(
        byteLimit: Int, while isWanted: @escaping () -> Bool = { true }
    ) throws(Problem) -> Bool {
        let hasMoved = try collecting.during { () throws(Problem) -> Bool in
            try checkOpen()
            // Between barriers: an area that has just frozen may grow again when one is rolled back.
            let chain = chainLock.during { self.chain }
            guard chain.merge == nil, try hasRoomToFold(byteLimit),
                let fold = try nextFold(in: chain)
            else { return false }
            do throws(Problem) {
                try carryOut(fold, byteLimit: byteLimit) { isWanted() && !self.isCollectorWaiting }
            } catch {
                withShared { $0.unfoldable[fold.target.ordinal] = fold.last }
                throw error
            }
            return true
        }
        if hasMoved { _ = try collect() }
        return hasMoved
    }

    /// For a moment, until the next collection, what is moved is there twice.
    private func hasRoomToFold(_ byteLimit: Int) throws(Problem) -> Bool {
        try store.freeBytes() >= options.indexReserveBytes.addingClamped(byteLimit)
    }

    /// What is to be moved into one area.
    private struct Fold {
        /// The live snapshot whose area takes it.
        let target: SnapshotManifest
        /// The deleted snapshots whose areas hold it.
        let sources: [SnapshotManifest]
        /// For each chunk that the target's area lacks, the first of the others that has it.
        let chunks: SourceMap

        var last: SnapshotOrdinal? { sources.last?.ordinal }
    }

    private func nextFold(in chain: ChainState) throws(Problem) -> Fold? {
        for stretch in planner(chain).stretches {
            if let fold = try fold(stretch, in: chain) { return fold }
        }
        return nil
    }

    /// Nil where nothing is to be moved, or nothing can be: of a snapshot that is lost, or of another size than
    /// those that follow it, whose areas may hold what lies behind its end.
    private func fold(
        _ stretch: ChainPlanner.Stretch, in chain: ChainState
    ) throws(Problem) -> Fold? {
        let sources = Array(stretch.deleted.prefix { chain.growing($0.ordinal) == nil })
        guard let judge = stretch.judge, let target = chain.entry(judge)?.manifest,
            let last = sources.last?.ordinal, chain.growing(judge) == nil,
            !chain.isBroken(judge), sources.allSatisfy({ $0.volumeBytes == target.volumeBytes }),
            withShared({ $0.unfoldable[judge] != last })
        else { return nil }
        var maps: [SourceMap] = []
        let own: ChunkMap
        do throws(Problem) {
            own = try library.map(judge, volumeBytes: target.volumeBytes)
            for source in sources {
                let map = try library.map(source.ordinal, volumeBytes: source.volumeBytes)
                maps.append(SourceMap(map, ordinal: source.ordinal))
            }
        } catch {
            withShared { $0.unfoldable[judge] = last }
            throw error
        }
        let chunks = SourceMap(overlaying: maps).subtracting(own.chunks)
        guard !chunks.runs.isEmpty else {
            // Until one more is deleted there.
            withShared { $0.unfoldable[judge] = last }
            return nil
        }
        return Fold(target: target, sources: sources, chunks: chunks)
    }

    private func carryOut(
        _ fold: Fold, byteLimit: Int, while isWanted: () -> Bool
    ) throws(Problem) {
        let target = fold.target.ordinal
        // A merge that begins from now on may have its plan from before.
        withShared { shared in
            for source in fold.sources { shared.moved.insert(source.ordinal) }
        }
        // Before anything changes: what was sealed must be there still.
        let watch = try FoldWatch(self, fold.target)
        // What maps say of the area is true no more: they go before it changes, and views forget them.
        try index?.retire(naming: target, before: chain.indexLimit)
        renewChain()
        defer {
            library.forget(target)
            renewChain()
            withShared { shared in
                // What the others hold is to be judged again; and the area is another than it was.
                for source in fold.sources { shared.collected[source.ordinal] = nil }
                shared.removedAreas.append(target)
            }
        }
        try store.writeMark(StoreLayout.extendedMark(target))
        let area = try growAgain(fold.target)
        guard !area.isInvalid else { throw brokenProblem(fold.target) }
        // Else the mark stays, and nothing is sealed: a sync has failed, and nobody knows what of the entries is
        // durable.
        defer {
            if (try? area.settle()) != nil {
                removeMark(target)
                watch.end()
            }
        }
        let geometry = Geometry(
            volumeBytes: fold.target.volumeBytes, chunkBytes: format.chunkBytes)
        for part in parts(of: fold.chunks, byteLimit: byteLimit) {
            guard isWanted() else { return }
            try look(at: part, of: fold, watch)
            try move(part, of: fold.chunks, into: area, geometry)
        }
    }

    /// One that stays, or comes back with a power cut, costs the next collection a little.
    private func removeMark(_ ordinal: SnapshotOrdinal) {
        try? store.folder.removeFile(StoreLayout.extendedMark(ordinal))
    }

    /// Before anything is freed because other areas have it, too: what a fold that was cut has written into
    /// these is written again, durably. The page cache may show what the disk does not hold.
    ///
    /// - Returns: false when one of them is damaged since: then nothing of these may go for its sake, and
    ///   what other snapshots have can be freed all the same.
    func settleExtended(
        _ manifests: [SnapshotManifest], in chain: ChainState
    ) throws(Problem) -> Bool {
        for manifest in manifests where chain.growing(manifest.ordinal) == nil {
            guard try store.exists(StoreLayout.extendedMark(manifest.ordinal)) else { continue }
            do throws(Problem) { _ = try growAgain(manifest) } catch {
                guard error.isDamage else { throw error }
                return false
            }
            removeMark(manifest.ordinal)
        }
        return true
    }

    /// Has everybody look at the chain again, and waits for those who have looked at it before.
    private func renewChain() {
        updateChain { $0.changed() }
        gate.close()
        gate.open()
    }

    private func growAgain(_ manifest: SnapshotManifest) throws(Problem) -> GrowingArea {
        let geometry = Geometry(volumeBytes: manifest.volumeBytes, chunkBytes: format.chunkBytes)
        let device = try store.openArea(manifest.ordinal, writable: true)
        do {
            return try GrowingArea.open(
                on: device, ordinal: manifest.ordinal, format: format,
                originChunkCount: geometry.chunkCount, kernel: kernel)
        } catch { throw Problem(error, area: device.path) }
    }

    /// The first chunks of a fold, cut so that each part is one commit of a reasonable length.
    private func parts(of chunks: SourceMap, byteLimit: Int) -> [[Range<ChunkIndex>]] {
        var parts: [[Range<ChunkIndex>]] = [[]]
        let partCount = max(1, Self.foldPartBytes / format.chunkBytes)
        var (left, room) = (max(1, byteLimit / format.chunkBytes), partCount)
        for run in chunks.runs {
            var position = run.origin
            while position < run.originRange.upperBound, left > 0 {
                let count = min(position.distance(to: run.originRange.upperBound), left, room)
                parts[parts.count - 1].append(position..<position.advanced(by: count))
                position = position.advanced(by: count)
                (left, room) = (left - count, room - count)
                if room == 0 {
                    parts.append([])
                    room = partCount
                }
            }
            if left == 0 { break }
        }
        return parts.filter { !$0.isEmpty }
    }

    /// The bytes that one commit of a fold moves.
    private static let foldPartBytes = 4 << 20

    private func move(
        _ part: [Range<ChunkIndex>], of chunks: SourceMap, into area: GrowingArea,
        _ geometry: Geometry
    ) throws(Problem) {
        try doing { () throws(IOFailure) in
            _ = try area.take(part) { entries, isRecycled throws(IOFailure) in
                var plan: [CopyRun] = []
                plan.reserveCapacity(entries.count)
                for entry in entries {
                    let run = chunks.runs[chunks.firstRun(endingAfter: entry.origin)]
                    let place = run.area.advanced(by: run.origin.distance(to: entry.origin))
                    let bytes = geometry.bytes(of: entry.origin..<entry.origin.advanced(by: 1))
                    plan.append(
                        CopyRun(
                            source: try areaFile(run.ordinal), destination: area.device,
                            range: CopyRange(
                                sourceOffset: format.offset(of: place),
                                destinationOffset: format.offset(of: entry.area),
                                byteCount: bytes.count),
                            isDestinationZero: !isRecycled))
                }
                _ = try kernel.copy(plan)
            }
        }
    }

    /// Compares what is about to be moved with its seals.
    private func look(
        at part: [Range<ChunkIndex>], of fold: Fold, _ watch: FoldWatch
    ) throws(Problem) {
        var runs: [SnapshotOrdinal: [ChunkRun]] = [:]
        for range in part {
            var index = fold.chunks.firstRun(endingAfter: range.lowerBound)
            while index < fold.chunks.runs.count {
                let run = fold.chunks.runs[index]
                let common = run.originRange.clamped(to: range)
                guard !common.isEmpty else { break }
                runs[run.ordinal, default: []].append(
                    ChunkRun(
                        origin: common.lowerBound,
                        area: run.area.advanced(by: run.origin.distance(to: common.lowerBound)),
                        count: common.count))
                index += 1
            }
        }
        for source in fold.sources {
            guard let runs = runs[source.ordinal] else { continue }
            try watch.look(at: runs, of: source)
        }
    }

    private func areaFile(_ ordinal: SnapshotOrdinal) throws(IOFailure) -> any BlockDevice {
        do throws(Problem) { return try library.device(ordinal) } catch {
            throw .inputOutput("open", path: StoreLayout.area(ordinal))
        }
    }
}

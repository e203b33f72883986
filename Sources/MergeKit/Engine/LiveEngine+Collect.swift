internal import System
package import SnapshotModel
internal import StoreFormat

// Garbage collection and resizing.
extension LiveEngine {
    /// Frees what no live snapshot needs: removes the folders of areas that are garbage as a whole,
    /// and punches holes into the others; the area that still grows is emptied when no snapshot is
    /// left. Reads and writes go on. Needs no free space.
    package func collect() throws(Problem) -> CollectReport {
        noteCollector(isWaiting: true)
        return try collecting.during { () throws(Problem) in
            noteCollector(isWaiting: false)
            try checkOpen()
            var report = CollectReport(freedBytes: 0)
            // Between barriers: a chain that may still be rolled back is no ground to free anything.
            let chain = chainLock.during { self.chain }
            let planner = planner(chain)
            let stretches = planner.stretches
            guard !stretches.isEmpty || hasLeftOvers else { return report }
            // Whoever found its way into an area before the deletion, or the end of a merge, has
            // read when the gate opens again.
            gate.close()
            gate.open()
            for stretch in stretches {
                try collect(stretch, planner, in: chain, report: &report)
            }
            // Also when not all of them could be removed.
            defer {
                index?.removed(report.removedAreas, from: self.chain)
                seals?.removed(report.removedAreas)
            }
            try remove(&report)
            try emptyGrowingArea(&report)
            return report
        }
    }

    /// Whether an earlier collection could not remove all that it meant to.
    private var hasLeftOvers: Bool { withShared { !$0.leftOvers.isEmpty } }

    private func noteFreed(_ bytes: Int, in report: inout CollectReport) {
        report.freedBytes = (report.freedBytes ?? 0) + bytes
        withShared { $0.freedBytes += bytes }
    }

    private func collect(
        _ stretch: ChainPlanner.Stretch, _ planner: ChainPlanner, in chain: ChainState,
        report: inout CollectReport
    ) throws(Problem) {
        let pending = stretch.deleted.filter { manifest in
            isCollectable(manifest.ordinal, in: chain)
                && withShared { $0.collected[manifest.ordinal] != .some(stretch.judge) }
        }
        guard !pending.isEmpty else { return }
        let judge = stretch.judge.flatMap { chain.entry($0)?.manifest }
        guard try settleExtended([judge].compactMap(\.self) + stretch.deleted, in: chain) else {
            return
        }
        for garbage in try planner.garbage(of: pending, in: stretch) {
            let (manifest, chunks) = (garbage.manifest, garbage.chunks)
            let isGrowing = chain.growing(manifest.ordinal) != nil
            guard isGrowing || !garbage.isWhole else {
                report.removedAreas.append(manifest.ordinal)
                report.punchedBytes += chunks.count * format.chunkBytes
                continue
            }
            let punched = try store.punch(
                chunks, of: manifest.ordinal, map(of: manifest, in: chain), format)
            report.punchedBytes += punched.punchedBytes
            noteFreed(punched.freedBytes, in: &report)
            // What grows is looked at again.
            if !isGrowing {
                withShared { $0.collected[manifest.ordinal] = .some(stretch.judge) }
            }
        }
    }

    /// Whether a deleted snapshot's area may be touched. A merge has its target and needs the safety
    /// snapshot's area, and goes by its name also when its area was given up; and where no snapshot is
    /// live, ``emptyGrowingArea(_:)`` comes.
    private func isCollectable(_ ordinal: SnapshotOrdinal, in chain: ChainState) -> Bool {
        guard chain.merge?.record.safety != ordinal else { return false }
        // Its plan may be from before a fold, and lead there.
        guard chain.merge == nil || !withShared({ $0.moved.contains(ordinal) }) else {
            return false
        }
        guard chain.growing(ordinal) != nil else { return true }
        return chain.merge == nil && chain.hasLive
    }

    /// Gives back the space of the area that grows, when no live snapshot is left that could need
    /// any of it. Its snapshot, deleted, stays the newest until the next one is taken.
    private func emptyGrowingArea(_ report: inout CollectReport) throws(Problem) {
        try chainLock.during { () throws(Problem) in
            let chain = chain
            guard !chain.hasLive, chain.merge == nil, let area = chain.active,
                try !doing({ () throws(IOFailure) in try area.isEmpty() })
            else { return }
            // Whoever found a live snapshot preserves what it overwrites there: at once, or when it brings the
            // log of first writes into the origin, which has room there that was promised.
            gate.close()
            gate.open()
            try drainWriteBack()
            let freed = try doing { () throws(IOFailure) -> Int in
                let before = try area.device.allocatedBytes()
                report.punchedBytes += area.entryCount * format.chunkBytes
                try area.empty()
                return try max(0, before - area.device.allocatedBytes())
            }
            noteFreed(freed, in: &report)
        }
    }

    /// Removes areas that are garbage as a whole, and their snapshots from the chain. Readers that
    /// began with the chain as it was may still look into the areas: they end first.
    private func remove(_ report: inout CollectReport) throws(Problem) {
        let removed = withShared { shared in
            shared.leftOvers.formUnion(report.removedAreas)
            return shared.leftOvers
        }
        let ordinals = removed.sorted()
        guard !ordinals.isEmpty else { return }
        try chainLock.during { () throws(Problem) in
            updateChain { chain in
                chain.changed(
                    snapshots: chain.snapshots.filter { !removed.contains($0.manifest.ordinal) })
            }
            gate.close()
            gate.open()
            for ordinal in ordinals { library.forget(ordinal) }
            try store.removeCollected(ordinals) { ordinal, bytes in
                noteFreed(bytes, in: &report)
                withShared { shared in
                    shared.removedAreas.append(ordinal)
                    shared.leftOvers.remove(ordinal)
                    shared.moved.remove(ordinal)
                }
            }
        }
    }

    // MARK: Resizing

    /// Grows or shrinks the volume. Snapshots keep their sizes: what a shrink cuts off is preserved
    /// first, as a write would.
    ///
    /// - Parameter isAllowed: asked at the last moment, while nothing is read or written.
    package func resize(
        to bytes: Int, isAllowed: () throws(Problem) -> Void = {}
    ) throws(Problem) {
        try chainLock.during { () throws(Problem) in
            try checkOpen()
            try checkResize(to: bytes)
            let old = chain.geometry
            guard bytes != old.volumeBytes else { return }
            try checkNotPoisoned()
            try checkLiveIsWhole()
            try markOriginOpen()
            if bytes < old.volumeBytes { try preserveTail(from: bytes) }
            writeBack?.beginHold()
            defer { writeBack?.endHold() }
            try drainWriteBack()
            gate.close()
            defer { gate.open() }
            try settleWriteBack()
            writeBack?.backing.forget()
            try isAllowed()
            // What somebody has cut would become whole again, with zeroes.
            try checkOriginIsWhole()
            if bytes < old.volumeBytes { try preserveTail(from: bytes) }
            if bytes > old.volumeBytes {
                try doing { () throws(IOFailure) in
                    // A shrink that a crash cut short may have left bytes behind the end.
                    try origin.resize(to: old.volumeBytes)
                    try origin.resize(to: bytes)
                }
                try syncOrigin()
            }
            try setSize(bytes)
            if bytes < old.volumeBytes { cutOrigin(to: bytes) }
        }
    }

    /// The volume is smaller already; an origin that stays too long harms nothing.
    private func cutOrigin(to bytes: Int) {
        do throws(IOFailure) { try origin.resize(to: bytes) } catch {
            warn("the origin of volume “\(record.name)” was not cut to \(bytes) bytes: \(error)")
        }
    }

    private func checkResize(to bytes: Int) throws(Problem) {
        guard bytes > 0, bytes % Geometry.sectorBytes == 0, bytes <= Geometry.volumeBytesMaximum
        else {
            throw Problem(
                .usage, "\(bytes) bytes are not a volume size",
                hint: "give a multiple of \(Geometry.sectorBytes) bytes")
        }
        if chain.merge != nil {
            throw Problem(
                .refused, "a merge runs on volume “\(record.name)”",
                hint: "wait for it with \(.mergeStatus(record.name))")
        }
    }

    private func setSize(_ bytes: Int) throws(Problem) {
        var record = record
        record.geometry.volumeBytes = bytes
        do throws(Problem) { try store.writeVolume(record) } catch {
            // The new record may be in place all the same: put the old one back, and if that is not
            // certain either, only the next open finds out which size the store holds.
            do throws(Problem) { try store.writeVolume(self.record) } catch {
                poison(because: error)
            }
            throw error
        }
        let geometry = record.geometry
        withShared { $0.record.geometry = geometry }
        updateChain { $0.changed(geometry: geometry) }
    }

    /// Preserves everything from the chunk that contains `bytes` on, some chunks at a time.
    private func preserveTail(from bytes: Int) throws(Problem) {
        let chain = chain
        guard let active = chain.active, chain.hasLive else { return }
        let geometry = chain.geometry
        var position = geometry.chunk(containing: bytes)
        let end = ChunkIndex(min(geometry.chunkCount, chain.preservedChunkCount))
        let step = max(1, Self.tailBytes / geometry.chunkBytes)
        while position < end {
            let next = min(end, position.advanced(by: step))
            _ = try doing { () throws(IOFailure) in
                try active.preserve([position..<next], of: origin, geometry: geometry)
            }
            position = next
        }
    }

    /// The bytes of a shrinking volume's tail that one commit preserves.
    private static let tailBytes = 16 << 20
}

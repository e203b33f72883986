internal import BlockIO
package import SnapshotModel

// Garbage collection and resizing.
extension LiveEngine {
    /// Frees what no live snapshot needs: removes the folders of areas that are garbage as a whole,
    /// and punches holes into the others. Reads and writes go on; the areas that still grow are
    /// left alone. Needs no free space.
    package func collect() throws(Problem) -> CollectReport {
        try collecting.during { () throws(Problem) in
            try checkOpen()
            var report = CollectReport()
            // Between barriers: a chain that may still be rolled back is no ground to free anything.
            let chain = turn.during { self.chain }
            let groups = collectableGroups(in: chain)
            guard !groups.isEmpty else { return report }
            // Whoever found its way into an area before the deletion, or the end of a merge, has
            // read when the gate opens again.
            gate.close()
            gate.open()
            for group in groups {
                try collect(group, in: chain, report: &report)
            }
            try remove(report.removedAreas)
            return report
        }
    }

    /// Stretches of the chain that begin with a live snapshot and go on with deleted ones; only
    /// those that have deleted ones. Each can be judged by itself.
    private func collectableGroups(in chain: ChainState) -> [ArraySlice<SnapshotEntry>] {
        let snapshots = chain.snapshots
        var groups: [ArraySlice<SnapshotEntry>] = []
        var start = 0
        for index in snapshots.indices.dropFirst() where !snapshots[index].manifest.isDeleted {
            groups.append(snapshots[start..<index])
            start = index
        }
        if !snapshots.isEmpty { groups.append(snapshots[start...]) }
        return groups.filter { group in group.contains { $0.manifest.isDeleted } }
    }

    private func collect(
        _ group: ArraySlice<SnapshotEntry>, in chain: ChainState, report: inout CollectReport
    ) throws(Problem) {
        let judge = group.first.flatMap { $0.manifest.isDeleted ? nil : $0.manifest.ordinal }
        let pending = group.filter { entry in
            entry.manifest.isDeleted && chain.growing(entry.manifest.ordinal) == nil
                // A merge goes by the safety snapshot's name, also when its area was given up.
                && chain.merge?.record.safety != entry.manifest.ordinal
                && withShared { $0.collected[entry.manifest.ordinal] != .some(judge) }
        }
        guard !pending.isEmpty else { return }
        var areas: [GarbagePlanner.Area] = []
        var damaged: Set<SnapshotOrdinal> = []
        for entry in group {
            let chunks = try chunksIfReadable(of: entry.manifest, in: chain)
            if chunks == nil { damaged.insert(entry.manifest.ordinal) }
            areas.append(
                GarbagePlanner.Area(
                    ordinal: entry.manifest.ordinal, chunks: chunks ?? ChunkSet()))
        }
        let garbage = GarbagePlanner.garbage(in: areas, live: chain.liveOrdinals)
        let byOrdinal = Dictionary(uniqueKeysWithValues: garbage.map { ($0.ordinal, $0.chunks) })
        for entry in pending {
            let ordinal = entry.manifest.ordinal
            guard !damaged.contains(ordinal) else {
                // Without an older live snapshot nobody can need it, whatever it holds.
                if judge == nil { report.removedAreas.append(ordinal) }
                continue
            }
            let map = try library.map(ordinal, volumeBytes: entry.manifest.volumeBytes)
            let chunks = byOrdinal[ordinal] ?? ChunkSet()
            if chunks.count == map.count {
                report.removedAreas.append(ordinal)
                report.punchedBytes += map.count * format.chunkBytes
            } else {
                report.punchedBytes += try punch(chunks, of: ordinal, map)
                withShared { $0.collected[ordinal] = .some(judge) }
            }
        }
    }

    /// Removes areas that are garbage as a whole, and their snapshots from the chain. Readers that
    /// began with the chain as it was may still look into the areas: they end first.
    private func remove(_ ordinals: [SnapshotOrdinal]) throws(Problem) {
        guard !ordinals.isEmpty else { return }
        try turn.during { () throws(Problem) in
            let removed = Set(ordinals)
            updateChain { chain in
                chain.changed(
                    snapshots: chain.snapshots.filter { !removed.contains($0.manifest.ordinal) })
            }
            gate.close()
            gate.open()
            for ordinal in ordinals {
                library.forget(ordinal)
                try store.removeSnapshot(ordinal)
            }
        }
    }

    /// Frees the chunks of an area that hold exceptions of `chunks`; returns the bytes that were
    /// not holes before.
    private func punch(
        _ chunks: ChunkSet, of ordinal: SnapshotOrdinal, _ map: ChunkMap
    ) throws(Problem) -> Int {
        guard !chunks.isEmpty else { return 0 }
        let device = try store.openArea(ordinal, writable: true)
        return try doing { () throws(IOFailure) in
            var freed = 0
            for range in chunks.ranges {
                var index = map.firstRun(endingAfter: range.lowerBound)
                while index < map.runs.count, map.runs[index].origin < range.upperBound {
                    let run = map.runs[index].clamped(to: range)
                    let start = format.offset(of: run.area)
                    let bytes = start..<start + run.count * format.chunkBytes
                    if try device.firstData(in: bytes) != nil {
                        try device.punch(bytes)
                        freed += bytes.count
                    }
                    index += 1
                }
            }
            return freed
        }
    }

    // MARK: Resizing

    /// Grows or shrinks the volume. Snapshots keep their sizes: what a shrink cuts off is preserved
    /// first, as a write would.
    package func resize(to bytes: Int) throws(Problem) {
        try turn.during { () throws(Problem) in
            try checkOpen()
            try checkResize(to: bytes)
            let old = chain.geometry
            guard bytes != old.volumeBytes else { return }
            try checkNotPoisoned()
            try markOriginOpen()
            if bytes < old.volumeBytes { try preserveTail(from: bytes) }
            gate.close()
            defer { gate.open() }
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
                .usage, "\(bytes) bytes are no volume size",
                hint: "give a multiple of \(Geometry.sectorBytes) bytes")
        }
        if chain.merge != nil {
            throw Problem(
                .refused, "a merge runs on volume “\(record.name)”",
                hint: "wait for it with `snapmgr merge status \(record.name)`")
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

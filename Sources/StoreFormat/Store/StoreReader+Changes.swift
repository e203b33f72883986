package import SnapshotModel

/// What a running merge has not copied yet of what differs between two states of a volume. Areas do not tell it:
/// later snapshots and the volume read it from the plan already.
///
/// To be asked for before the areas: what is merged meanwhile is preserved in one of them by the time that they are
/// read.
package struct UnmergedChanges {
    /// What the merge has still to copy; none where no merge runs between the two.
    package let chunks: ChunkSet
    private let revert: RevertID?
    private let reader: StoreReader

    fileprivate init(
        _ reader: StoreReader, between older: SnapshotOrdinal, _ newer: SnapshotOrdinal
    ) throws(Problem) {
        let running = try reader.runningRevert()
        let matters = running.map { older <= $0.safety && $0.safety < newer } ?? false
        chunks = matters ? try reader.unmergedChunks() : ChunkSet()
        revert = running?.id
        self.reader = reader
    }

    /// Whether no other revert has begun since, which has a plan of its own. Each turn takes somebody to begin one.
    package var areAll: Bool {
        get throws(Problem) {
            let now = try reader.runningRevert()
            return now == nil || now?.id == revert
        }
    }
}

// What has changed between two snapshots.
extension StoreReader {
    /// What a running merge adds to what the areas between two states tell.
    package func unmergedChanges(
        between older: SnapshotOrdinal, _ newer: SnapshotOrdinal
    ) throws(Problem) -> UnmergedChanges { try UnmergedChanges(self, between: older, newer) }

    /// The bytes that may differ between two snapshots, neither of which goes meanwhile: ascending, not touching each
    /// other, cut at the newer one's end.
    package func changedRanges(
        from older: SnapshotManifest, to newer: SnapshotManifest
    ) throws(Problem) -> [Range<Int>] {
        let geometry = Geometry(
            volumeBytes: newer.volumeBytes, chunkBytes: record.geometry.chunkBytes)
        var chunks = try changedChunks(older.ordinal..<newer.ordinal)
        if older.volumeBytes < newer.volumeBytes {
            let tail = geometry.chunks(touching: older.volumeBytes..<newer.volumeBytes)
            chunks = chunks.union(ChunkSet(tail))
        }
        return chunks.ranges.map { geometry.bytes(of: $0) }.filter { !$0.isEmpty }
    }

    private func changedChunks(
        _ ordinals: Range<SnapshotOrdinal>
    ) throws(Problem) -> ChunkSet {
        while true {
            let unmerged = try unmergedChanges(
                between: ordinals.lowerBound, ordinals.upperBound)
            let chunks = try areaChunks(in: ordinals).union(unmerged.chunks)
            if try unmerged.areAll { return chunks }
        }
    }

    /// The newest first: what a deleted snapshot's area held that others need has gone to an older one by the time
    /// that it is not there any more. Of the oldest there must be one.
    private func areaChunks(
        in ordinals: Range<SnapshotOrdinal>
    ) throws(Problem) -> ChunkSet {
        var sets: [ChunkSet] = []
        for ordinal in try snapshotFolders().reversed()
        where ordinals.contains(ordinal) && ordinal != ordinals.lowerBound {
            do throws(Problem) { sets.append(try chunkMap(of: ordinal).chunks) } catch {
                guard error.code == .notFound else { throw error }
            }
        }
        sets.append(try chunkMap(of: ordinals.lowerBound).chunks)
        return ChunkSet.union(sets)
    }
}

package import SnapshotModel

/// What snapshots cost, from the chunks that their areas hold. Pure.
///
/// Let p < k < q be neighbours among a volume's live snapshots. An entry of area j serves the
/// snapshots lo...j, where lo - 1 is the nearest older area that has the chunk too.
package enum SizeAccounting {
    /// The bytes of some chunks, cut at the volume's end.
    package static func bytes(of chunks: ChunkSet, geometry: Geometry) -> Int {
        chunks.ranges.map { geometry.bytes(of: $0).count }.clampedSum
    }

    /// The chunks that only snapshot k needs, which is what deleting it frees.
    ///
    /// An entry serves k but not q when it lies in an area of k ..< q, and not p when an area of
    /// p ..< k has the chunk too. Each such chunk has one entry that serves k.
    /// - Parameters:
    ///   - before: the chunks of the areas p ..< k; nil when k is the oldest live snapshot.
    ///   - after: the chunks of the areas k ..< q; of k and all later ones when it is the newest.
    package static func exclusiveChunks(before: ChunkSet?, after: ChunkSet) -> ChunkSet {
        before.map { after.intersection($0) } ?? after
    }

    /// The bytes that those chunks occupy in the store, where a chunk is never cut.
    package static func exclusiveBytes(
        before: ChunkSet?, after: ChunkSet, geometry: Geometry
    ) -> Int {
        exclusiveChunks(before: before, after: after).count
            .multipliedClamped(by: geometry.chunkBytes)
    }
}

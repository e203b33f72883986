package import SnapshotModel

/// Which exceptions no live snapshot needs. Pure: chunk sets and the live snapshots in, garbage
/// out.
///
/// An entry of area j serves the snapshots lo..j, where lo-1 is the nearest older area with the
/// chunk. With p the newest live snapshot up to j, it is needed if and only if none of the areas
/// p..j-1 has the chunk too; without a p it is not.
package enum GarbagePlanner {
    /// An area and the origin's chunks in it.
    package struct Area: Sendable {
        /// Whose area it is.
        package var ordinal: SnapshotOrdinal
        /// The chunks of the volume that it has exceptions of.
        package var chunks: ChunkSet

        package init(ordinal: SnapshotOrdinal, chunks: ChunkSet) {
            self.ordinal = ordinal
            self.chunks = chunks
        }
    }

    /// The garbage of each area that has some, for areas given oldest first. n log n in the number of
    /// their ranges.
    package static func garbage(
        in areas: [Area], live: Set<SnapshotOrdinal>
    ) -> [(ordinal: SnapshotOrdinal, chunks: ChunkSet)] {
        var result: [(ordinal: SnapshotOrdinal, chunks: ChunkSet)] = []
        func add(_ area: Area, _ garbage: ChunkSet) {
            if !garbage.isEmpty { result.append((area.ordinal, garbage)) }
        }
        var rest = areas[...]
        while let area = rest.first {
            let end = rest.dropFirst().firstIndex { live.contains($0.ordinal) } ?? rest.endIndex
            let group = rest[..<end]
            if live.contains(area.ordinal) {
                let repeats = RepeatSweep.repeats(in: group.map(\.chunks))
                for (area, garbage) in zip(group, repeats) { add(area, garbage) }
            } else {
                for area in group { add(area, area.chunks) }
            }
            rest = rest[end...]
        }
        return result
    }

    /// The number of exceptions that become garbage when `deleted` go, all together.
    package static func freedChunks(
        in areas: [Area], live: Set<SnapshotOrdinal>, deleted: Set<SnapshotOrdinal>
    ) -> Int {
        func count(_ live: Set<SnapshotOrdinal>) -> Int {
            garbage(in: areas, live: live).reduce(0) { $0 + $1.chunks.count }
        }
        return count(live.subtracting(deleted)) - count(live)
    }
}

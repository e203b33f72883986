package import SnapshotModel

/// Compares the maps of a store's index with the areas that they were made of.
package struct IndexVerifier {
    /// What was found of a map.
    package enum Verdict: Hashable, Sendable {
        /// It says what the areas say.
        case right
        /// It cannot be used, and is made again: it cannot be read, was cut or altered, or is another
        /// store's.
        case useless
        /// It would have shown something else than the areas.
        case wrong
    }

    private let maps: [IndexBlock: IndexMap?]

    /// Reads the maps. They are read before the areas: one that is made meanwhile may be of areas that
    /// grew when they were looked at.
    package init(_ store: Store, _ volume: VolumeRecord, shape: IndexShape) throws(Problem) {
        let codec = IndexMapCodec(volume, shape: shape)
        var maps: [IndexBlock: IndexMap?] = [:]
        for block in try store.indexBlocks(shape) {
            maps[block] = .some(try? codec.decode(store.readIndexMap(block), of: block))
        }
        self.maps = maps
    }

    /// What the maps are worth, by block.
    ///
    /// - Parameters:
    ///   - areas: the areas that could be read, by ordinal.
    ///   - growing: the first ordinal whose area grows.
    package func verdicts(
        _ areas: [(manifest: SnapshotManifest, map: ChunkMap)], growing: SnapshotOrdinal
    ) -> [(block: IndexBlock, verdict: Verdict)] {
        maps.map { block, map in
            (block, map.map { verdict($0, areas, growing: growing) } ?? .useless)
        }
        .sorted { ($0.block.level, $0.block.number) < ($1.block.level, $1.block.number) }
    }

    private func verdict(
        _ map: IndexMap, _ areas: [(manifest: SnapshotManifest, map: ChunkMap)],
        growing: SnapshotOrdinal
    ) -> Verdict {
        // What was removed says nothing any more, and what cannot be read says nothing either.
        guard map.block.end <= growing else { return .useless }
        let start = areas.lowestIndex { $0.manifest.ordinal >= map.block.start }
        let end = areas.lowestIndex { $0.manifest.ordinal >= map.block.end }
        let present = areas[start..<end].filter { area in
            map.member(area.manifest.ordinal)?.isArea(of: area.manifest) ?? false
        }
        guard
            present.allSatisfy({ area in
                map.member(area.manifest.ordinal)?.digest == AreaDigest(area.map)
            })
        else { return .wrong }
        let expected = SourceMap(
            overlaying: present.map { SourceMap($0.map, ordinal: $0.manifest.ordinal) })
        let ordinals = Set(present.map(\.manifest.ordinal))
        let (known, gone) = map.chunks.split { ordinals.contains($0) }
        return known == expected.subtracting(gone.chunks) ? .right : .wrong
    }
}

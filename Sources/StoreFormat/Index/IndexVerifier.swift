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
        /// It would have shown something else than its areas, which are what they were.
        case wrong
        /// Areas are not what they were when it was made of them: those of these snapshots. Of the
        /// doubtful one nobody can say whether it was altered or the map is another chain's.
        case altered(certain: [SnapshotID], doubtful: SnapshotID?)
    }

    private let store: Store
    private let codec: IndexMapCodec
    /// The checksums of the files as they were before the areas were looked at; nil where one could not
    /// be read.
    private let checksums: [IndexBlock: UInt32?]
    /// Why the maps could not be found; nil when they were.
    package let problem: Problem?

    /// Notes which maps there are, before the areas are read: one that is made or made again meanwhile
    /// may be of areas that grew when they were looked at.
    ///
    /// - Parameter proceed: asked before each map; what it throws ends the look.
    package init(
        _ store: Store, _ volume: VolumeRecord, shape: IndexShape,
        proceed: () throws(Problem) -> Void
    ) throws(Problem) {
        self.store = store
        codec = IndexMapCodec(volume, shape: shape)
        let found: Set<IndexBlock>
        do throws(Problem) {
            found = try store.indexBlocks(shape)
            problem = nil
        } catch {
            found = []
            problem = error
        }
        var checksums: [IndexBlock: UInt32?] = [:]
        for block in found {
            try proceed()
            checksums[block] = .some(Self.checksum(try? store.readIndexMap(block)))
        }
        self.checksums = checksums
    }

    private static func checksum(_ file: [UInt8]?) -> UInt32? {
        file.map { CRC32C.checksum($0[...]) }
    }

    /// The blocks that have maps, the lowest level first.
    package var blocks: [IndexBlock] {
        checksums.keys.sorted { ($0.level, $0.number) < ($1.level, $1.number) }
    }

    /// What the map of a block is worth; nil when it was changed meanwhile.
    ///
    /// - Parameters:
    ///   - areas: the areas that could be read, by ordinal.
    ///   - manifests: all snapshots, by ordinal, read after the areas.
    ///   - growing: the first ordinal whose area grows.
    package func verdict(
        of block: IndexBlock, _ areas: [(manifest: SnapshotManifest, map: ChunkMap)],
        _ manifests: [SnapshotManifest], growing: SnapshotOrdinal
    ) -> Verdict? {
        let file = try? store.readIndexMap(block)
        guard Self.checksum(file) == checksums[block] else { return nil }
        guard let file, let map = try? codec.decode(file, of: block) else { return .useless }
        return verdict(map, areas, manifests, growing: growing)
    }

    private func verdict(
        _ map: IndexMap, _ areas: [(manifest: SnapshotManifest, map: ChunkMap)],
        _ manifests: [SnapshotManifest], growing: SnapshotOrdinal
    ) -> Verdict {
        let next = manifests.lowestIndex { $0.ordinal >= map.block.end }
        let chain = manifests[manifests.lowestIndex { $0.ordinal >= map.block.start }..<next]
        let descent = map.descent(
            in: chain, next: next < manifests.count ? manifests[next] : nil)
        guard map.block.end <= growing, let last = chain.last, descent != .foreign else {
            return .useless
        }
        // What was removed says nothing any more, and what cannot be read says nothing either.
        let start = areas.lowestIndex { $0.manifest.ordinal >= map.block.start }
        let end = areas.lowestIndex { $0.manifest.ordinal >= map.block.end }
        let present = areas[start..<end].filter { area in
            map.member(area.manifest.ordinal)?.isArea(of: area.manifest) ?? false
        }
        let altered = present.filter { area in
            map.member(area.manifest.ordinal)?.digest != AreaDigest(area.map)
        }.map { $0.manifest.id }
        guard altered.isEmpty else {
            let isDoubtful = descent == .likely && altered.last == last.id
            return .altered(
                certain: isDoubtful ? Array(altered.dropLast()) : altered,
                doubtful: isDoubtful ? last.id : nil)
        }
        return isRight(map, present) ? .right : .wrong
    }

    /// Whether a map says what the areas say that are left of those that it was made of.
    private func isRight(
        _ map: IndexMap, _ present: [(manifest: SnapshotManifest, map: ChunkMap)]
    ) -> Bool {
        let ordinals = Set(present.map(\.manifest.ordinal))
        let (known, gone) = map.chunks.split { ordinals.contains($0) }
        let hidden = gone.chunks
        var expected = SourceMap()
        // A few at a time, as there may be as many as the chain has.
        for start in stride(from: 0, to: present.count, by: Self.areasAtOnce) {
            let areas = present[start..<min(start + Self.areasAtOnce, present.count)]
            let next = SourceMap(
                overlaying: areas.map { SourceMap($0.map, ordinal: $0.manifest.ordinal) })
            expected = expected.extended(by: next.subtracting(hidden))
            // What comes later only adds runs.
            guard expected.runs.count <= known.runs.count else { return false }
        }
        return known == expected
    }

    private static let areasAtOnce = 8
}

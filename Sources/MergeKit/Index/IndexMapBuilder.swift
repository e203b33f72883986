internal import SnapshotModel
internal import StoreFormat

/// Makes one map of the index, part by part: of maps of the level below, and of areas that are alone
/// in theirs. It reads as many parts as a block has, and keeps no more than two in memory.
struct IndexMapBuilder {
    private let shape: IndexShape
    private let chain: ChainState
    private let library: AreaLibrary
    /// Gives the map of a block of a lower level; nil where there is none.
    private let lower: (IndexBlock) -> IndexMap?
    /// Asked before each part.
    private let shallGoOn: () -> Bool
    private var members: [IndexMember] = []
    private var chunks = SourceMap()

    /// Why there is no map.
    enum Fault: Error {
        /// It would be too large, or lacks a part: there is none as long as that is so.
        case impossible
        /// An area cannot be read.
        case failed(Problem)
        /// Somebody did not want to wait for it.
        case interrupted
    }

    init(
        _ shape: IndexShape, _ chain: ChainState, _ library: AreaLibrary,
        while shallGoOn: @escaping () -> Bool, lower: @escaping (IndexBlock) -> IndexMap?
    ) {
        self.shape = shape
        self.chain = chain
        self.library = library
        self.shallGoOn = shallGoOn
        self.lower = lower
    }

    mutating func map(of block: IndexBlock) throws(Fault) -> IndexMap {
        var index = chain.index(from: block.start)
        let end = chain.index(from: block.end)
        guard end < chain.snapshots.count else { throw .impossible }
        let follower = IndexFollower(chain.snapshots[end].manifest)
        while index < end {
            guard shallGoOn() else { throw .interrupted }
            let first = chain.snapshots[index].manifest
            let next =
                block.level > 1
                ? chain.index(from: shape.block(block.level - 1, with: first.ordinal).end)
                : index + 1
            if next - index == 1 {
                try add(first)
            } else {
                try add(first.ordinal, chain.snapshots[next - 1].manifest.ordinal, block.level - 1)
            }
            index = next
        }
        return IndexMap(block: block, members: members, follower: follower, chunks: chunks)
    }

    private mutating func add(_ manifest: SnapshotManifest) throws(Fault) {
        let map: ChunkMap?
        do { map = try library.read(manifest, atMost: shape.exceptionsMaximum) } catch {
            throw .failed(error)
        }
        // An area of very many runs is not laid over the others to find out that they do not fit.
        guard let map, members.count + 1 + map.runs.count <= shape.itemsMaximum else {
            throw .impossible
        }
        try add(
            [IndexMember(manifest, digest: AreaDigest(map))],
            SourceMap(map, ordinal: manifest.ordinal))
    }

    /// Adds several areas that lie in one block of a level. When they lie in one of a lower level, it is
    /// that which has the map. Without one, their areas may be many: they are not read instead.
    private mutating func add(
        _ first: SnapshotOrdinal, _ last: SnapshotOrdinal, _ level: Int
    ) throws(Fault) {
        var level = level
        while level > 1, shape.block(level - 1, with: first).contains(last) { level -= 1 }
        guard let part = lower(shape.block(level, with: first)) else { throw .impossible }
        try add(part.members, part.chunks)
    }

    private mutating func add(
        _ newMembers: [IndexMember], _ newChunks: SourceMap
    ) throws(Fault) {
        members += newMembers
        chunks = chunks.extended(by: newChunks)
        guard members.count + chunks.runs.count <= shape.itemsMaximum else { throw .impossible }
    }
}

internal import SnapshotModel
internal import StoreFormat
internal import System

/// The index of views of an open volume: merged maps over stretches of frozen areas, kept in the store,
/// so that a view asks a few of them and not every area. All views of the volume share it.
///
/// It is a help: what is missing, damaged or not of this chain is left out, and is no error.
final class ViewIndex: Sendable {
    let shape: IndexShape
    private let store: Store
    private let codec: IndexMapCodec
    private let reserveBytes: Int
    private let state: Monitored<State>

    /// The runs of maps that are kept in memory at most: those of a few of the largest, 32 bytes each.
    /// Views keep those that they use.
    private var runsMaximum: Int { shape.itemsMaximum.multipliedClamped(by: 8) }

    private struct State {
        /// What the store has, as far as nothing else was found.
        var known: Set<IndexBlock>
        var loaded: [IndexBlock: Loaded] = [:]
        var runCount = 0
        /// Counts uses, so that what was not used for long goes first.
        var time = 0
        /// By level: all blocks that end before that have their maps, or need none.
        var settled: [Int: SnapshotOrdinal] = [:]
        /// Maps that are of no more use and still there.
        var doomed: Set<IndexBlock> = []
        /// Counts the maps that were taken for missing.
        var lossCount = 0
        /// Blocks of which no map could be made or read, and the chain's end when it was tried last.
        var failures: [IndexBlock: Failure] = [:]
        /// How often all maps were removed to make room, and whether somebody does it just now.
        var givenBackCount = 0
        var isGivingBack = false
        /// Blocks of which an area became another: what anybody has of their maps from before is wrong.
        var retired: Set<IndexBlock> = []

        /// Forgets all maps, and returns their blocks.
        mutating func takeAll() -> Set<IndexBlock> {
            defer {
                known = []
                loaded = [:]
                runCount = 0
                settled = [:]
                lossCount += 1
            }
            return known
        }

        mutating func drop(_ block: IndexBlock) {
            guard let old = loaded.removeValue(forKey: block) else { return }
            runCount -= old.map.chunks.runs.count
        }
    }

    private struct Failure {
        var count = 0
        var limit: SnapshotOrdinal
    }

    private struct Loaded {
        var map: IndexMap
        var lastUse: Int
    }

    /// Finds what the store has. A map that reaches to what still grows was made of another chain, for
    /// instance before this store was copied: it goes, durably, before the chain can grow into its block.
    ///
    /// - Parameter reserveBytes: what maps leave free on the store's filesystem.
    /// - Throws: when that cannot be done: the map might be believed one day.
    init(
        _ store: Store, _ record: VolumeRecord, _ chain: ChainState, shape: IndexShape,
        reserveBytes: Int
    ) throws(Problem) {
        self.shape = shape
        self.store = store
        self.reserveBytes = reserveBytes
        codec = IndexMapCodec(record, shape: shape)
        let limit = chain.indexLimit
        let found: Set<IndexBlock>
        let foreign: Set<IndexBlock>
        do throws(Problem) {
            found = try store.indexBlocks(shape)
            foreign = found.filter { $0.end > limit }
            try store.removeIndexMaps(foreign)
        } catch {
            throw Problem(
                error.code,
                "the index of volume “\(record.name)” may be another chain's, and cannot be looked "
                    + "through: \(error.message)",
                hint: "try again; when it goes on, remove the folder “\(StoreLayout.index)” in its "
                    + "store: it is made again")
        }
        // What a crash, or an older snapmgr, left behind is in nobody's way.
        let useless = found.subtracting(foreign).filter { block in
            chain.index(from: block.end) - chain.index(from: block.start) < 2
        }
        try? store.removeIndexMaps(useless)
        try? store.removeIndexDrafts()
        state = Monitored(State(known: found.subtracting(foreign).subtracting(useless)))
    }

    // MARK: Reading

    /// The map of a block; nil when there is none that fits the chain.
    ///
    /// - Parameter former: the block's map as an earlier state of the chain had it. It stays right, and
    ///   is taken unless it was given up.
    /// - Throws: `corrupt` when nobody can say whether it does.
    func map(
        of block: IndexBlock, in chain: ChainState, _ library: AreaLibrary, former: IndexMap? = nil
    ) throws(Problem) -> IndexMap? {
        let (isKnown, loaded, isRetired) = state.withLock { state in
            state.time += 1
            state.loaded[block]?.lastUse = state.time
            return (
                state.known.contains(block), state.loaded[block]?.map,
                state.retired.contains(block)
            )
        }
        if let loaded { return loaded }
        guard isKnown else { return nil }
        if let former, !isRetired { return former }
        guard let map = try? codec.decode(store.readIndexMap(block), of: block),
            try chain.agrees(with: map, library)
        else {
            forget(block)
            noteFailure(block, in: chain)
            return nil
        }
        keep(map)
        return map
    }

    private func keep(_ map: IndexMap) {
        state.withLock { state in
            guard state.known.contains(map.block) else { return }
            state.time += 1
            state.drop(map.block)
            state.loaded[map.block] = Loaded(map: map, lastUse: state.time)
            state.runCount += map.chunks.runs.count
            while state.runCount > runsMaximum, state.loaded.count > 1,
                let oldest = state.loaded.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.drop(oldest.key)
            }
        }
    }

    /// Takes a map for missing, so that it is made again.
    private func forget(_ block: IndexBlock) {
        state.withLock { state in
            state.lossCount += 1
            state.known.remove(block)
            state.drop(block)
            state.settled[block.level] = state.settled[block.level].map { min($0, block.start) }
        }
    }

    /// The same for all that may have been made of an area which the chain does not have.
    func forget(naming ordinal: SnapshotOrdinal) {
        let known = state.withLock { $0.known }
        for block in known where block.contains(ordinal) { forget(block) }
    }

    /// Removes, durably, all maps that may have been made of an area, before it becomes another: they would
    /// say of it that it was altered.
    ///
    /// - Parameter limit: where the chain's frozen areas end.
    func retire(naming ordinal: SnapshotOrdinal, before limit: SnapshotOrdinal) throws(Problem) {
        guard let levels = shape.levels(before: limit) else { return }
        let named = levels.map { shape.block($0, with: ordinal) }
        for block in named { forget(block) }
        state.withLock { $0.retired.formUnion(named) }
        // Also those that nobody takes for there any more.
        let found = try store.indexBlocks(shape).intersection(named)
        try store.removeIndexMaps(found)
    }

    // MARK: Making

    /// The first block, of the lowest level, whose map is missing.
    func nextMissing(in chain: ChainState) -> IndexBlock? {
        guard let levels = shape.levels(before: chain.indexLimit) else { return nil }
        retryFailed(before: chain.indexLimit)
        for level in levels {
            if let block = nextMissing(level, in: chain) { return block }
        }
        return nil
    }

    private func nextMissing(_ level: Int, in chain: ChainState) -> IndexBlock? {
        let (start, losses) = state.withLock { ($0.settled[level], $0.lossCount) }
        var index = chain.index(from: start ?? SnapshotOrdinal(rawValue: 0))
        while index < chain.snapshots.count {
            let first = chain.snapshots[index].manifest.ordinal
            let block = shape.block(level, with: first)
            guard block.end <= chain.indexLimit else { return nil }
            let end = chain.index(from: block.end)
            if isMissing(block, chain.snapshots[index..<end]), !chain.isBroken(first) {
                return block
            }
            settle(block, ifStill: losses)
            index = end
        }
        return nil
    }

    /// Whether a map is worth making: of several areas, and not all of them in one block of the level
    /// below, whose map is the same.
    private func isMissing(_ block: IndexBlock, _ entries: ArraySlice<SnapshotEntry>) -> Bool {
        guard let first = entries.first?.manifest.ordinal,
            let last = entries.last?.manifest.ordinal, first != last
        else { return false }
        if block.level > 1, shape.block(block.level - 1, with: first).contains(last) {
            return false
        }
        return state.withLock { state in
            !state.known.contains(block)
                && (state.failures[block]?.count ?? 0) < Self.attemptsMaximum
        }
    }

    /// A block that failed so often has no map until the volume is opened again.
    private static let attemptsMaximum = 3

    private func noteFailure(_ block: IndexBlock, in chain: ChainState) {
        state.withLock { state in
            state.failures[block, default: Failure(limit: chain.indexLimit)].count += 1
            state.failures[block]?.limit = chain.indexLimit
        }
    }

    /// What failed may have passed: after some more snapshots it is tried again, with all that contains
    /// it.
    private func retryFailed(before limit: SnapshotOrdinal) {
        state.withLock { state in
            for (block, failure) in state.failures
            where failure.count < Self.attemptsMaximum
                && limit.rawValue - failure.limit.rawValue >= shape.fanOut
            {
                state.failures[block]?.limit = limit
                for (level, settled) in state.settled where level >= block.level {
                    let start = shape.block(level, with: block.start).start
                    state.settled[level] = min(settled, start)
                }
            }
        }
    }

    /// Notes that there is nothing more to do for a block, unless a map was lost since somebody looked.
    private func settle(_ block: IndexBlock, ifStill losses: Int) {
        state.withLock { state in
            guard state.lossCount == losses else { return }
            let former = state.settled[block.level]
            state.settled[block.level] = former.map { max($0, block.end) } ?? block.end
        }
    }

    private var lossCount: Int { state.withLock { $0.lossCount } }

    /// Makes a block's map, from the maps of the level below and from areas that are alone there. One that
    /// would be too large there is not; what fails is tried again after some more snapshots.
    ///
    /// - Parameter shallGoOn: asked before each part; when it says no, the map is left for later.
    func make(
        _ block: IndexBlock, in chain: ChainState, _ library: AreaLibrary,
        while shallGoOn: @escaping () -> Bool
    ) {
        let losses = lossCount
        var builder = IndexMapBuilder(shape, chain, library, while: shallGoOn) { block in
            try? self.map(of: block, in: chain, library)
        }
        do throws(IndexMapBuilder.Fault) {
            if !write(try builder.map(of: block)) { noteFailure(block, in: chain) }
        } catch {
            switch error {
            case .interrupted: return
            case .failed: noteFailure(block, in: chain)
            case .impossible: break
            }
        }
        settle(block, ifStill: losses)
    }

    /// False when it failed.
    private func write(_ map: IndexMap) -> Bool {
        // Of one that would be too large there is none.
        guard let content = codec.encode(map) else { return true }
        do { try store.writeIndexMap(map.block, content) } catch { return false }
        state.withLock { state in
            state.known.insert(map.block)
            state.failures[map.block] = nil
        }
        keep(map)
        return true
    }

    // MARK: Room

    /// Whether the largest map leaves the store's filesystem what it should have for exceptions.
    var hasRoom: Bool {
        guard let free = try? store.freeBytes() else { return false }
        return free >= reserveBytes.addingClamped(IndexMapCodec.bytesMaximum)
    }

    /// Removes maps when the store's filesystem has less than half of what they should leave.
    func makeRoom() {
        guard let free = try? store.freeBytes(), free < reserveBytes / 2 else { return }
        _ = giveBack(unlessSince: givenBackCount)
    }

    /// How often all maps were removed to make room.
    var givenBackCount: Int { state.withLock { $0.givenBackCount } }

    /// Removes all maps, for what is needed more; they are made again when there is room. Views keep
    /// what they have. Of several callers at a time one does it, and all wait for it.
    ///
    /// - Parameter count: when maps were removed more often than that, they have just been.
    /// - Returns: whether there is more room than there was.
    func giveBack(unlessSince count: Int) -> Bool {
        let known = state.wait { state -> Set<IndexBlock>? in
            guard !state.isGivingBack else { return nil }
            state.isGivingBack = state.givenBackCount == count && !state.known.isEmpty
            return state.isGivingBack ? state.takeAll() : []
        }
        guard let known, !known.isEmpty else { return givenBackCount != count }
        try? store.removeIndexDrafts()
        try? store.removeIndexMaps(known)
        state.change { state in
            state.givenBackCount += 1
            state.isGivingBack = false
        }
        return true
    }

    /// Some areas were removed. A map of theirs stays right; it goes when it is of no more use, and is
    /// made again when most of it is for nothing.
    func removed(_ ordinals: [SnapshotOrdinal], from chain: ChainState) {
        guard let levels = shape.levels(before: chain.indexLimit) else { return }
        var blocks: Set<IndexBlock> = []
        for ordinal in ordinals {
            blocks.formUnion(levels.map { shape.block($0, with: ordinal) })
        }
        let known = state.withLock { $0.known }
        for block in blocks.intersection(known) where isUseless(block, in: chain) {
            forget(block)
            state.withLock { _ = $0.doomed.insert(block) }
        }
        removeDoomed()
    }

    /// What cannot be removed is left for the next time.
    private func removeDoomed() {
        let doomed = state.withLock { $0.doomed.subtracting($0.known) }
        guard (try? store.removeIndexMaps(doomed)) != nil else { return }
        state.withLock { $0.doomed = [] }
    }

    private func isUseless(_ block: IndexBlock, in chain: ChainState) -> Bool {
        let count = chain.index(from: block.end) - chain.index(from: block.start)
        guard count > 1 else { return true }
        return ((try? store.indexMemberCount(block)) ?? .max) / 2 >= count
    }
}

internal import SnapshotModel
internal import StoreFormat
internal import System

// What frozen areas hold together, by the index of views as far as it reaches.
extension LiveEngine {
    /// What a stretch of frozen areas holds, in maps of which the first that has a chunk counts.
    ///
    /// - Parameters:
    ///   - stretch: indices of the chain's snapshots.
    ///   - former: maps that somebody has from an earlier look, which need not be read again.
    func frozenLayers(
        _ stretch: Range<Int>, of chain: ChainState, former: [IndexBlock: IndexMap] = [:]
    ) throws(Problem) -> [FrozenLayer] {
        guard let first = chain.snapshots[stretch].first?.manifest.ordinal else { return [] }
        var layers: [FrozenLayer] = []
        var single = stretch.lowerBound..<stretch.lowerBound
        var position = stretch.lowerBound
        // Before that, everything is in the layers already.
        var covered = SnapshotOrdinal(rawValue: 0)
        while position < stretch.upperBound {
            let ordinal = chain.snapshots[position].manifest.ordinal
            let map = try widestMap(
                with: ordinal, from: covered, notBefore: first, in: chain, former: former)
            if let map {
                try append(single, of: chain, to: &layers)
                layers.append(FrozenLayer(map))
                covered = map.block.end
                position = chain.index(from: covered)
                single = position..<position
            } else {
                covered = ordinal.next
                position += 1
                single = single.lowerBound..<position
            }
        }
        try append(single, of: chain, to: &layers)
        return isOverlaid(layers, of: chain) ? [FrozenLayer(overlaying: layers)] : layers
    }

    /// Whether it is cheaper to lay all layers over each other, once. Each look-up asks all of them, and
    /// they are many where blocks have no map, as their areas are too large; and together they may
    /// have far more runs than the volume has chunks.
    private func isOverlaid(_ layers: [FrozenLayer], of chain: ChainState) -> Bool {
        if layers.count > Self.layersMaximum { return true }
        let runs = layers.reduce(0) { $0 + $1.chunks.runs.count }
        let (chunks, ofMap) = (chain.geometry.chunkCount, index?.shape.itemsMaximum ?? 0)
        return runs > max(chunks, ofMap).multipliedClamped(by: 2)
    }

    /// More layers become one.
    static let layersMaximum = 96

    /// The same of areas of which some may grow.
    func layers(_ stretch: Range<Int>, of chain: ChainState) throws(Problem) -> [SourceMap] {
        var layers: [SourceMap] = []
        var position = stretch.lowerBound
        while position < stretch.upperBound {
            let growing = chain.firstGrowing(from: position)
            let frozen = position..<min(stretch.upperBound, growing?.index ?? stretch.upperBound)
            layers += try frozenLayers(frozen, of: chain).map(\.chunks)
            position = frozen.upperBound
            guard let growing, growing.index < stretch.upperBound else { continue }
            layers.append(growing.area.sourceMap())
            position += 1
        }
        return layers
    }

    /// The map of the largest block that holds an ordinal, begins at or after `covered`, and was made of
    /// no area before `first`: a view that begins there must not see what those have.
    private func widestMap(
        with ordinal: SnapshotOrdinal, from covered: SnapshotOrdinal,
        notBefore first: SnapshotOrdinal, in chain: ChainState, former: [IndexBlock: IndexMap]
    ) throws(Problem) -> IndexMap? {
        guard let index, let levels = index.shape.levels(before: chain.indexLimit) else {
            return nil
        }
        let start = chain.index(from: first)
        for level in levels.reversed() {
            let block = index.shape.block(level, with: ordinal)
            // What has an area before `first` for certain is not even read.
            guard block.start >= covered, block.end <= chain.indexLimit,
                chain.index(from: block.start) >= start,
                let map = try index.map(of: block, in: chain, library, former: former[block]),
                let oldest = map.members.first?.ordinal, oldest >= first
            else { continue }
            return map
        }
        return nil
    }

    /// Adds areas that no map of the index has, as one layer.
    private func append(
        _ stretch: Range<Int>, of chain: ChainState, to layers: inout [FrozenLayer]
    ) throws(Problem) {
        guard !stretch.isEmpty else { return }
        var maps: [SourceMap] = []
        for entry in chain.snapshots[stretch] {
            let manifest = entry.manifest
            let map = try library.map(manifest.ordinal, volumeBytes: manifest.volumeBytes)
            maps.append(SourceMap(map, ordinal: manifest.ordinal))
        }
        layers.append(FrozenLayer(SourceMap(overlaying: maps)))
    }

    /// Whether an area is what a map of the index says of it, before content is read there because the
    /// map leads there. An area is read as a whole for it, once for each map.
    ///
    /// False when the chain has no such area.
    ///
    /// - Throws: `corrupt` when it holds something else, and what is wrong with it when it is damaged.
    func holds(_ ordinal: SnapshotOrdinal, of layer: FrozenLayer) throws(Problem) -> Bool {
        guard let manifest = chain.entry(ordinal)?.manifest else { return false }
        guard !layer.overlay.isConfirmed(ordinal) else { return true }
        switch layer.overlay.confirm(ordinal, try library.read(manifest)) {
        case .same: return true
        case .altered: throw alteredProblem(manifest)
        case .misread:
            throw Problem(
                .corrupt,
                "\(layer.map.map { StoreLayout.indexMap($0.block) } ?? StoreLayout.index) of volume "
                    + "“\(record.name)” says what the area of snapshot \(manifest.id) does not",
                hint: "stop whoever serves the volume, then run \(.checkRepair)")
        }
    }

    private func alteredProblem(_ manifest: SnapshotManifest) -> Problem {
        Problem(
            .corrupt,
            "the area of snapshot \(manifest.id) of volume “\(record.name)” is not what it was "
                + "when the index of views was made of it",
            hint: "run \(.check()) to see what can be done")
    }

    /// As ``planner(_:)``, to begin a revert: an area is refused that is not what the index knows it was.
    func strictPlanner(_ chain: ChainState) -> ChainPlanner {
        ChainPlanner(volumeState(chain)) { manifest throws(Problem) in
            let map = try self.map(of: manifest, in: chain)
            try self.requireUnaltered(manifest, in: chain)
            return map
        }
    }

    /// Asks the smallest map that names an area; where there is none, nothing is known of it.
    private func requireUnaltered(
        _ manifest: SnapshotManifest, in chain: ChainState
    ) throws(Problem) {
        guard let index, let levels = index.shape.levels(before: chain.indexLimit) else { return }
        for level in levels {
            let block = index.shape.block(level, with: manifest.ordinal)
            guard block.end <= chain.indexLimit else { return }
            let map = try index.map(of: block, in: chain, library)
            guard let member = map?.member(manifest.ordinal) else { continue }
            guard try library.digest(manifest) == member.digest else {
                throw alteredProblem(manifest)
            }
            return
        }
    }

    /// Makes the next map of the index that is missing; false when none is, or when there is no room for
    /// one. It costs the entries of a few areas or maps, and what it cannot do is left out: views look
    /// into the areas then.
    ///
    /// - Parameter isWanted: asked again and again; when it says no, the map is left for later.
    package func extendIndex(while isWanted: @escaping () -> Bool = { true }) -> Bool {
        guard let index else { return false }
        // No area goes meanwhile.
        return collecting.during {
            guard isOpen else { return false }
            // Between barriers: an area that has just frozen may grow again when one is rolled back.
            let chain = chainLock.during { self.chain }
            guard let block = index.nextMissing(in: chain) else { return false }
            guard index.hasRoom else {
                index.makeRoom()
                return false
            }
            index.make(block, in: chain, library) {
                isWanted() && self.isOpen && !self.isCollectorWaiting
            }
            return true
        }
    }

    private var isOpen: Bool { (try? checkOpen()) != nil }

    /// Gives the space of the index to an exception for which the store had none, and tries once more.
    func makingRoom<Success>(
        _ body: () throws(IOFailure) -> Success
    ) throws(IOFailure) -> Success {
        let count = index?.givenBackCount
        do throws(IOFailure) { return try body() } catch {
            guard error.isNoSpace, let index, let count, index.giveBack(unlessSince: count) else {
                throw error
            }
            return try body()
        }
    }
}

extension ChainState {
    /// The first of the areas that grow: the index has nothing of it, nor of what comes after it.
    var indexLimit: SnapshotOrdinal {
        guard let newest else { return SnapshotOrdinal(rawValue: 0) }
        return merge.map { min($0.record.safety, newest) } ?? newest
    }

    /// Whether a map that was read is of this chain's areas. The snapshots' identities say so: when the
    /// next one was taken, areas were as they are. Where what followed the map's areas has gone, the
    /// content of the last one is compared.
    ///
    /// - Throws: `corrupt` when that is something else: nobody can say whether the area was altered or the
    ///   map is another chain's, so that neither is believed.
    func agrees(with map: IndexMap, _ library: AreaLibrary) throws(Problem) -> Bool {
        let end = index(from: map.block.end)
        let entries = snapshots[index(from: map.block.start)..<end]
        let next = end < snapshots.count ? snapshots[end].manifest : nil
        switch map.descent(in: entries.lazy.map(\.manifest), next: next) {
        case .certain: return true
        case .foreign: return false
        case .likely: break
        }
        guard let last = entries.last?.manifest, let member = map.member(last.ordinal) else {
            return false
        }
        guard try library.digest(last) == member.digest else {
            throw Problem(
                .corrupt,
                "the area of snapshot \(last.id) is not what it was when the index of views was made "
                    + "of it, or the index is that of another copy of the store",
                hint: "run \(.check()) to see what can be done")
        }
        return true
    }
}

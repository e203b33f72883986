/// The chain, checked by brute force: a port of `experiments/chain_model.py`, in which arrays stand
/// for chunks. It says which exceptions each area must hold, what a merge must still copy, what a
/// verb must refuse, and which chunks may differ between two snapshots.
package struct ChainModel: Sendable {
    /// A chunk's content: the versions of its cells.
    package typealias Content = [ChunkPattern.Version]

    package private(set) var chunkCount: Int
    private var origin: [Content]
    /// Areas by ordinal: the old content of the chunks that they hold.
    package private(set) var areas: [Int: [Int: Content]] = [:]
    /// What each area was ever given: the kernel's format cannot take entries back, so an area on
    /// disk still lists those that were collected.
    package private(set) var recorded: [Int: Set<Int>] = [:]
    package private(set) var live: Set<Int> = []
    private var next = 1
    /// What the clone of the running revert had when it was begun: area 0, before all of the chain.
    private var clone: [Int: Content] = [:]
    /// The chunks that the running merge has not copied yet, and the area that serves each.
    package private(set) var plan: [Int: Int] = [:]
    /// The area that takes what the merge overwrites; nil when no merge runs.
    package private(set) var safety: Int?
    package private(set) var target: Int?
    /// How many chunks were copied into an area.
    package private(set) var copies = 0

    package init(chunkCount: Int, empty: Content) {
        self.chunkCount = chunkCount
        origin = Array(repeating: empty, count: chunkCount)
    }

    package var newest: Int? { areas.keys.max() }

    // MARK: views

    /// What the volume reads.
    package func top(_ chunk: Int) -> Content {
        guard let area = plan[chunk] else { return origin[chunk] }
        return content(area, chunk)
    }

    private func content(_ area: Int, _ chunk: Int) -> Content {
        guard let content = area == 0 ? clone[chunk] : areas[area]?[chunk] else {
            preconditionFailure("area \(area) lost chunk \(chunk)")
        }
        return content
    }

    /// The area that serves a snapshot's chunk; nil when it falls through.
    private func resolve(_ snapshot: Int, _ chunk: Int) -> Int? {
        areas.keys.filter { $0 >= snapshot && areas[$0]?[chunk] != nil }.min()
    }

    /// What a snapshot reads.
    package func view(_ snapshot: Int, _ chunk: Int) -> Content {
        if let area = resolve(snapshot, chunk) { return content(area, chunk) }
        // Up to the safety snapshot they fall to the raw origin, later ones to the volume's view.
        guard let safety, snapshot > safety else { return origin[chunk] }
        return top(chunk)
    }

    // MARK: preservation

    private mutating func preserve(into area: Int?, _ chunk: Int, _ content: Content) {
        guard let area, areas[area]?[chunk] == nil else { return }
        areas[area, default: [:]][chunk] = content
        recorded[area, default: []].insert(chunk)
        copies += 1
    }

    package mutating func mergeChunk(_ chunk: Int) {
        guard plan[chunk] != nil else { return }
        let value = top(chunk)
        preserve(into: safety, chunk, origin[chunk])
        origin[chunk] = value
        plan[chunk] = nil
        endMergeIfDone()
    }

    private mutating func endMergeIfDone() {
        guard plan.isEmpty else { return }
        (safety, target) = (nil, nil)
    }

    // MARK: verbs

    /// - Parameter isHole: what is overwritten is a hole, and becomes one again.
    package mutating func write(
        _ chunk: Int, isHole: Bool = false, _ change: (inout Content) -> Void
    ) {
        mergeChunk(chunk)
        if !isHole { preserve(into: newest, chunk, origin[chunk]) }
        change(&origin[chunk])
    }

    /// Takes a snapshot and returns its ordinal.
    @discardableResult
    package mutating func snapshot() -> Int {
        let ordinal = next
        next += 1
        areas[ordinal] = [:]
        recorded[ordinal] = []
        live.insert(ordinal)
        return ordinal
    }

    /// Whether a revert would be refused in the present state.
    package func refusesRevert(withSafety: Bool) -> Bool {
        !plan.isEmpty && (withSafety || newest != safety)
    }

    /// Reverts; nil when refused.
    ///
    /// - Parameter clone: what is taken instead of the snapshot's chunks.
    @discardableResult
    package mutating func revert(
        to snapshot: Int, withSafety: Bool, clone: [Int: Content] = [:]
    ) -> Bool {
        guard !refusesRevert(withSafety: withSafety) else { return false }
        if plan.isEmpty {
            if withSafety { self.snapshot() }
            safety = newest
        } else {
            plan = [:]
        }
        target = snapshot
        for chunk in 0..<chunkCount {
            if let area = resolve(snapshot, chunk) { plan[chunk] = area }
        }
        self.clone = clone
        for chunk in clone.keys where chunk < chunkCount { plan[chunk] = 0 }
        endMergeIfDone()
        return true
    }

    /// Deletes; false when refused.
    package mutating func delete(_ snapshot: Int) -> Bool {
        guard snapshot != target else { return false }
        live.remove(snapshot)
        return true
    }

    /// The entries that no live snapshot needs. Those of the areas that still grow are not among
    /// them: there an entry also says "already preserved".
    private func garbage() -> [(area: Int, chunk: Int)] {
        var result: [(area: Int, chunk: Int)] = []
        for area in areas.keys.sorted() where area != newest && area != safety {
            for chunk in areas[area, default: [:]].keys where plan[chunk] != area {
                if !isNeeded(area, chunk, by: live) { result.append((area, chunk)) }
            }
        }
        return result
    }

    /// An entry serves the snapshots from the nearest older area on that has the chunk too.
    private func isNeeded(_ area: Int, _ chunk: Int, by snapshots: Set<Int>) -> Bool {
        let lowest = areas.keys.filter { $0 < area && areas[$0]?[chunk] != nil }.max() ?? 0
        return snapshots.contains { lowest < $0 && $0 <= area }
    }

    /// How many entries are needed by these live snapshots and by no others.
    package func entriesNeeded(onlyBy gone: Set<Int>) -> Int {
        var count = 0
        for (area, chunks) in areas {
            for chunk in chunks.keys where isNeeded(area, chunk, by: live) {
                if !isNeeded(area, chunk, by: live.subtracting(gone)) { count += 1 }
            }
        }
        return count
    }

    /// Collects garbage; returns the number of entries freed.
    package mutating func collect() -> Int {
        var freed = 0
        // Area by area, oldest first: what went from an older area lengthens no run that matters.
        for (area, chunk) in garbage() {
            areas[area]?[chunk] = nil
            freed += 1
        }
        for area in areas.keys.sorted() where area != newest && area != safety {
            guard !live.contains(area), areas[area]?.isEmpty == true else { continue }
            areas[area] = nil
            recorded[area] = nil
        }
        return freed + emptyNewest()
    }

    /// Moves what areas of deleted snapshots hold into that of the live one before them, where all of them
    /// are frozen and no merge runs. What they had is garbage then. Returns whether there was anything.
    package mutating func fold() -> Bool {
        guard safety == nil else { return false }
        var hasMoved = false
        var target: Int?
        for area in areas.keys.sorted() where area != newest {
            if live.contains(area) {
                target = area
            } else if let target {
                for (chunk, content) in areas[area, default: [:]]
                where areas[target]?[chunk] == nil {
                    areas[target]?[chunk] = content
                    recorded[target]?.insert(chunk)
                    hasMoved = true
                }
            }
        }
        return hasMoved
    }

    /// Without a live snapshot the area that grows is emptied: it forgets that it has anything.
    private mutating func emptyNewest() -> Int {
        guard live.isEmpty, safety == nil, let newest else { return 0 }
        recorded[newest] = []
        return areas.updateValue([:], forKey: newest)?.count ?? 0
    }

    /// The chunks that may differ between two snapshots, the older one first.
    package func delta(_ older: Int, _ newer: Int) -> Set<Int> {
        var result: Set<Int> = []
        for (area, chunks) in areas where older <= area && area < newer {
            result.formUnion(chunks.keys)
        }
        if let safety, older <= safety, safety < newer { result.formUnion(plan.keys) }
        return result
    }
}

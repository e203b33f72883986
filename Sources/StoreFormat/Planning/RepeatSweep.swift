internal import HeapModule
internal import SnapshotModel

/// Finds, for each of several sets of chunks, those that an earlier one of them has, too.
///
/// One sweep over the bounds of all ranges: at each chunk the earliest set that has it owns it, and for
/// all others that have it it is a repeat. Each bound ends, or begins, a few stretches at most, so that
/// the cost is n log n in the number of ranges, however many sets have a chunk; besides the result it
/// takes memory by the number of sets.
struct RepeatSweep {
    private let sets: [ChunkSet]
    private(set) var repeats: [ChunkSet]
    /// Where a set's stretch of repeats has begun; nil while it owns what it has, or has nothing.
    private var openedAt: [ChunkIndex?]
    private var isInside: [Bool]
    /// The next bound of each set.
    private var bounds = Heap<Bound>()
    /// Sets that are inside, and some that were.
    private var candidates = Heap<Int>()
    private var owner: Int?

    /// Where a range of a set begins or ends.
    private struct Bound: Comparable {
        var position: ChunkIndex
        var set: Int
        /// The range's index, twice, and one more for its end.
        var step: Int

        static func < (left: Bound, right: Bound) -> Bool {
            (left.position, left.set) < (right.position, right.set)
        }
    }

    /// - Parameter sets: the earliest first.
    /// - Returns: for each set, which of its chunks an earlier one has.
    static func repeats(in sets: [ChunkSet]) -> [ChunkSet] {
        var sweep = RepeatSweep(sets)
        sweep.run()
        return sweep.repeats
    }

    private init(_ sets: [ChunkSet]) {
        self.sets = sets
        repeats = Array(repeating: ChunkSet(), count: sets.count)
        openedAt = Array(repeating: nil, count: sets.count)
        isInside = Array(repeating: false, count: sets.count)
        for set in sets.indices { schedule(0, of: set) }
    }

    private mutating func schedule(_ step: Int, of set: Int) {
        guard step / 2 < sets[set].ranges.count else { return }
        let range = sets[set].ranges[step / 2]
        bounds.insert(
            Bound(
                position: step % 2 == 0 ? range.lowerBound : range.upperBound, set: set,
                step: step))
    }

    private mutating func run() {
        while let position = bounds.min?.position {
            while let bound = bounds.min, bound.position == position {
                bounds.removeMin()
                pass(bound)
                schedule(bound.step + 1, of: bound.set)
            }
            settleOwner(at: position)
        }
    }

    private mutating func pass(_ bound: Bound) {
        let isStart = bound.step % 2 == 0
        isInside[bound.set] = isStart
        if isStart {
            candidates.insert(bound.set)
            // Until it turns out to be the owner.
            openedAt[bound.set] = bound.position
        } else {
            close(bound.set, at: bound.position)
        }
    }

    private mutating func settleOwner(at position: ChunkIndex) {
        while let first = candidates.min, !isInside[first] { candidates.removeMin() }
        let next = candidates.min
        guard next != owner else { return }
        if let owner, isInside[owner] { openedAt[owner] = position }
        if let next { close(next, at: position) }
        owner = next
    }

    private mutating func close(_ set: Int, at position: ChunkIndex) {
        guard let start = openedAt[set] else { return }
        if start < position { repeats[set].append(start..<position) }
        openedAt[set] = nil
    }
}

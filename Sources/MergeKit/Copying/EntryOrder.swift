internal import SnapshotModel
internal import StoreFormat

/// An area's entries in the order of their origin chunks, taken in as they are asked for: a first
/// write pays nothing for it.
///
/// Sorted levels, each at least twice as long as the next: what is new becomes the last level, and
/// levels that come too close are merged. An entry is moved a logarithmic number of times, however
/// small the pieces are in which entries come.
struct EntryOrder {
    private var levels: [[AreaEntry]] = []
    /// How many were taken in.
    private(set) var count = 0

    /// Takes in what came after the ``count`` entries that it has.
    mutating func absorb(_ entries: [AreaEntry]) {
        guard !entries.isEmpty else { return }
        levels.append(entries.sorted { $0.origin < $1.origin })
        count += entries.count
        while levels.count > 1, levels[levels.count - 2].count < 2 * levels[levels.count - 1].count
        {
            let last = levels.removeLast()
            let before = levels.removeLast()
            levels.append(Self.merged(before, last))
        }
    }

    /// Takes in what comes piece by piece after so many entries, until a piece is empty.
    mutating func absorb(pieces: (_ count: Int) -> [AreaEntry]) {
        while true {
            let piece = pieces(count)
            guard !piece.isEmpty else { return }
            absorb(piece)
        }
    }

    /// The entry with the lowest origin chunk at or after `chunk`.
    func first(from chunk: ChunkIndex) -> AreaEntry? {
        var best: AreaEntry?
        for level in levels {
            let index = level.lowestIndex { $0.origin >= chunk }
            guard index < level.count else { continue }
            if let known = best, known.origin < level[index].origin { continue }
            best = level[index]
        }
        return best
    }

    private static func merged(_ first: [AreaEntry], _ second: [AreaEntry]) -> [AreaEntry] {
        var result: [AreaEntry] = []
        result.reserveCapacity(first.count + second.count)
        var (left, right) = (0, 0)
        while left < first.count, right < second.count {
            if first[left].origin < second[right].origin {
                result.append(first[left])
                left += 1
            } else {
                result.append(second[right])
                right += 1
            }
        }
        result.append(contentsOf: first[left...])
        result.append(contentsOf: second[right...])
        return result
    }
}

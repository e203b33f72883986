internal import SnapshotModel
internal import StoreFormat

/// The entries of an area by their chunks of the origin, a part of the origin at a time: a whole sorted copy
/// beside the map that is made of it would be the most memory that a revert takes.
struct EntryParts: Sequence {
    /// Calls for each entry at some places of the area's list.
    typealias Entries = (_ places: Range<Int>, _ body: (AreaEntry) -> Void) -> Void

    private let places: Range<Int>
    private let entries: Entries
    /// Where the parts end, ascending, all but the last, which is all that is left.
    private let ends: [ChunkIndex]

    /// How many are sorted at once, where that does not make more parts than ``partsMaximum``.
    private static let partCount = 65_536
    /// Each part looks at all entries.
    private static let partsMaximum = 16
    private static let samplesPerPart = 64

    /// - Parameters:
    ///   - places: of the list; what is there does not change any more.
    ///   - entries: gives the entries at places.
    init(_ places: Range<Int>, partCount: Int = Self.partCount, entries: @escaping Entries) {
        self.places = places
        self.entries = entries
        let count = Swift.min(places.count / partCount + 1, Self.partsMaximum)
        ends = Self.ends(places, count, entries)
    }

    /// How many there are in all parts together.
    var entryCount: Int { places.count }

    /// Where parts of about the same size end, by a sample.
    private static func ends(
        _ places: Range<Int>, _ count: Int, _ entries: Entries
    ) -> [ChunkIndex] {
        guard count > 1 else { return [] }
        let step = Swift.max(1, places.count / (count * samplesPerPart))
        var sample: [ChunkIndex] = []
        var place = 0
        entries(places) { entry in
            if place % step == 0 { sample.append(entry.origin) }
            place += 1
        }
        sample.sort()
        var ends: [ChunkIndex] = []
        for part in 1..<count {
            let end = sample[part * sample.count / count]
            if ends.last.map({ $0 < end }) ?? true { ends.append(end) }
        }
        return ends
    }

    func makeIterator() -> Iterator { Iterator(parts: self) }

    /// Goes through the parts, each of them ascending, by their chunks of the origin.
    struct Iterator: IteratorProtocol {
        fileprivate let parts: EntryParts
        private var part = 0

        fileprivate init(parts: EntryParts) { self.parts = parts }

        mutating func next() -> [AreaEntry]? {
            let ends = parts.ends
            guard part <= ends.count else { return nil }
            defer { part += 1 }
            let start = part == 0 ? nil : ends[part - 1]
            let end = part == ends.count ? nil : ends[part]
            var result: [AreaEntry] = []
            parts.entries(parts.places) { entry in
                if let start, entry.origin < start { return }
                if let end, entry.origin >= end { return }
                result.append(entry)
            }
            result.sort { $0.origin < $1.origin }
            return result
        }
    }
}

package import SnapshotModel
package import StoreFormat

/// A growing area's entries, and their index by the origin's chunk: 16 bytes an exception, and 4 for each
/// of one and a third to two and two thirds slots.
///
/// Open addressing with linear probing over the entries' numbers: a chunk without an exception, which a
/// first write asks for, costs one multiplication and, as a rule, one cache line; another one two. Entries
/// are only ever added.
package struct ExceptionTable: Sendable {
    /// In the order in which they were added.
    package private(set) var entries: [AreaEntry] = []
    /// One more than an entry's number; 0 is a free slot. Empty when the table is too large for it.
    private var narrow = [UInt32](repeating: 0, count: 16)
    /// The same.
    private var wide: [Int] = []
    private let narrowMaximum: Int

    /// So many slots have numbers of 32 bits.
    package static let narrowMaximum = 1 << 32

    /// - Parameter narrowMaximum: of slots; smaller ones are for tests.
    package init(narrowMaximum: Int = Self.narrowMaximum) { self.narrowMaximum = narrowMaximum }

    package init(_ entries: some Collection<AreaEntry>) {
        self.init()
        self.entries.reserveCapacity(entries.count)
        for entry in entries { insert(entry) }
    }

    package var count: Int { entries.count }

    private var slotCount: Int { narrow.isEmpty ? wide.count : narrow.count }

    @inline(__always)
    private func number(at slot: Int) -> Int { narrow.isEmpty ? wide[slot] : Int(narrow[slot]) }

    @inline(__always)
    private func firstSlot(of key: Int) -> Int {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        let product = UInt64(bitPattern: Int64(key)) &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: product >> 20) & (slotCount - 1)
    }

    /// The slot that a chunk has, or would get.
    @inline(__always)
    private func slot(of key: Int) -> Int {
        let mask = slotCount - 1
        var slot = firstSlot(of: key)
        while case let number = number(at: slot), number != 0,
            entries[number - 1].origin.rawValue != key
        { slot = (slot + 1) & mask }
        return slot
    }

    package subscript(chunk: ChunkIndex) -> ChunkIndex? {
        let number = number(at: slot(of: chunk.rawValue))
        return number == 0 ? nil : entries[number - 1].area
    }

    package func contains(_ chunk: ChunkIndex) -> Bool {
        number(at: slot(of: chunk.rawValue)) != 0
    }

    package mutating func insert(_ entry: AreaEntry) {
        if (count + 1) * 4 > slotCount * 3 { grow() }
        let slot = slot(of: entry.origin.rawValue)
        let number = number(at: slot)
        guard number == 0 else {
            entries[number - 1] = entry
            return
        }
        entries.append(entry)
        note(entries.count, at: slot)
    }

    @inline(__always)
    private mutating func note(_ number: Int, at slot: Int) {
        if narrow.isEmpty { wide[slot] = number } else { narrow[slot] = UInt32(number) }
    }

    private mutating func grow() {
        let newCount = slotCount * 2
        // The old ones first: both at once are what a server's memory would be measured by.
        (narrow, wide) = ([], [])
        if newCount > narrowMaximum {
            wide = Array(repeating: 0, count: newCount)
        } else {
            narrow = Array(repeating: 0, count: newCount)
        }
        for (index, entry) in entries.enumerated() {
            var slot = firstSlot(of: entry.origin.rawValue)
            while number(at: slot) != 0 { slot = (slot + 1) & (newCount - 1) }
            note(index + 1, at: slot)
        }
    }
}

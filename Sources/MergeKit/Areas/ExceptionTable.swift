package import SnapshotModel
package import StoreFormat

/// A growing area's index in memory: origin chunk -> chunk of the area, 16 bytes an exception.
///
/// Open addressing with linear probing: a look-up on the write path is one multiplication and, as a
/// rule, one cache line. Entries are only ever added.
package struct ExceptionTable: Sendable {
    private var keys: [Int]
    private var values: [Int]
    package private(set) var count = 0

    /// Marks a free slot: no chunk has this index.
    private static let free = -1

    package init() {
        keys = Array(repeating: Self.free, count: 16)
        values = Array(repeating: 0, count: 16)
    }

    package init(_ entries: some Collection<AreaEntry>) {
        self.init()
        for entry in entries { insert(entry) }
    }

    @inline(__always)
    private func slot(of key: Int) -> Int {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        let product = UInt64(bitPattern: Int64(key)) &* 0x9E37_79B9_7F4A_7C15
        let mask = keys.count - 1
        var slot = Int(truncatingIfNeeded: product >> 20) & mask
        while keys[slot] != key && keys[slot] != Self.free { slot = (slot + 1) & mask }
        return slot
    }

    package subscript(chunk: ChunkIndex) -> ChunkIndex? {
        let slot = slot(of: chunk.rawValue)
        return keys[slot] == Self.free ? nil : ChunkIndex(values[slot])
    }

    package func contains(_ chunk: ChunkIndex) -> Bool {
        keys[slot(of: chunk.rawValue)] != Self.free
    }

    package mutating func insert(_ entry: AreaEntry) {
        if (count + 1) * 4 > keys.count * 3 { grow() }
        let slot = slot(of: entry.origin.rawValue)
        if keys[slot] == Self.free { count += 1 }
        keys[slot] = entry.origin.rawValue
        values[slot] = entry.area.rawValue
    }

    private mutating func grow() {
        let (oldKeys, oldValues) = (keys, values)
        keys = Array(repeating: Self.free, count: oldKeys.count * 2)
        values = Array(repeating: 0, count: oldKeys.count * 2)
        for (key, value) in zip(oldKeys, oldValues) where key != Self.free {
            let slot = slot(of: key)
            keys[slot] = key
            values[slot] = value
        }
    }
}

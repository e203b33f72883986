package import SnapshotModel

/// How the index of views cuts a chain: into aligned blocks of ordinals, each of which is `fanOut`
/// blocks of the level below. Those of level 1 are `fanOut` ordinals long.
package struct IndexShape: Hashable, Sendable {
    /// That of all stores; others are for tests.
    package static let standard = IndexShape(fanOut: 8)

    /// At least 2.
    package let fanOut: Int
    /// How many areas and runs a map has together at most; of more, none is made. That bounds what one
    /// takes of memory: each has 32 or 40 bytes.
    package let itemsMaximum: Int
    /// In ordinals; the first is that of level 1.
    private let sizes: [Int]

    package init(fanOut: Int, itemsMaximum: Int = 1 << 17) {
        precondition(fanOut >= 2, "blocks of one ordinal would never grow")
        self.fanOut = fanOut
        self.itemsMaximum = itemsMaximum
        var sizes: [Int] = []
        var size = fanOut
        while size <= StoreLayout.numberMaximum {
            sizes.append(size)
            size = size.multipliedClamped(by: fanOut)
        }
        self.sizes = sizes
    }

    /// An area with more exceptions is in no map: it is not read any further than that.
    package var exceptionsMaximum: Int { itemsMaximum.multipliedClamped(by: 8) }

    /// The levels of which at least one block lies wholly before an ordinal.
    package func levels(before limit: SnapshotOrdinal) -> ClosedRange<Int>? {
        let count = sizes.lowestIndex { $0 > limit.rawValue }
        return count > 0 ? 1...count : nil
    }

    /// The block that holds an ordinal; `level` is one of ``levels(before:)``.
    package func block(_ level: Int, with ordinal: SnapshotOrdinal) -> IndexBlock {
        let size = sizes[level - 1]
        return IndexBlock(level: level, number: ordinal.rawValue / size, size: size)
    }

    /// The block of a name in the store; nil when there is none such.
    package func block(level: Int, number: Int) -> IndexBlock? {
        guard (1...sizes.count).contains(level) else { return nil }
        let size = sizes[level - 1]
        guard (0...StoreLayout.numberMaximum / size).contains(number) else { return nil }
        return IndexBlock(level: level, number: number, size: size)
    }
}

/// A stretch of a chain that the index may have a map of.
package struct IndexBlock: Hashable, Sendable {
    /// From 1.
    package let level: Int
    /// From 0, in the order of the chain.
    package let number: Int
    private let size: Int

    fileprivate init(level: Int, number: Int, size: Int) {
        self.level = level
        self.number = number
        self.size = size
    }

    /// Its first ordinal.
    package var start: SnapshotOrdinal { SnapshotOrdinal(rawValue: number * size) }
    /// The first ordinal after it.
    package var end: SnapshotOrdinal { SnapshotOrdinal(rawValue: (number + 1) * size) }

    /// Whether an ordinal lies in it.
    package func contains(_ ordinal: SnapshotOrdinal) -> Bool { start <= ordinal && ordinal < end }
}

extension IndexBlock: CustomStringConvertible {
    package var description: String { "\(level)-\(number)" }
}

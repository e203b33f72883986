package import SnapshotModel
internal import System

/// The hash tree over an area's chunks: SHA-256 over pairs of a chunk of the volume and its sum, in the order
/// of the volume. Where the chunks lie in the area plays no part, so that two sites with the same exceptions
/// have the same root.
package struct SealTree {
    private var pending: [UInt8] = []
    private var level: [UInt8] = []
    private var isFailed = false

    /// Pairs in a leaf.
    static let leafPairs = 512
    /// Hashes in a node above the leaves.
    static let fanOut = 256
    private static let pairBytes = 16

    package init() {}

    /// Adds the next exception, by the volume's chunks.
    package mutating func append(_ origin: ChunkIndex, _ sum: UInt64) {
        if pending.isEmpty {
            pending.reserveCapacity(1 + Self.leafPairs * Self.pairBytes)
            pending.append(0)
        }
        Self.append(UInt64(origin.rawValue), to: &pending)
        Self.append(sum, to: &pending)
        if pending.count > Self.leafPairs * Self.pairBytes { endLeaf() }
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }

    private mutating func endLeaf() {
        level += hash(pending)
        pending.removeAll(keepingCapacity: true)
    }

    private mutating func hash(_ bytes: [UInt8]) -> [UInt8] {
        guard let hash = bytes.span.bytes.sha256 else {
            isFailed = true
            return [UInt8](repeating: 0, count: SealFormat.rootBytes)
        }
        return hash
    }

    /// The root over all that was added; nil when there was no memory for it.
    package mutating func root() -> [UInt8]? {
        if !pending.isEmpty || level.isEmpty {
            if pending.isEmpty { pending = [0] }
            endLeaf()
        }
        while level.count > SealFormat.rootBytes {
            var above: [UInt8] = []
            let step = Self.fanOut * SealFormat.rootBytes
            for start in stride(from: 0, to: level.count, by: step) {
                above += hash([1] + level[start..<min(level.count, start + step)])
            }
            level = above
        }
        return isFailed ? nil : level
    }
}

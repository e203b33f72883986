/// What tests write: the content of a cell (a sector, or a part of one) is a function of the seed,
/// of a version and of the cell's number, so that a verifier needs no copy, and tells from the
/// bytes which write they came from. Version 0 is zeroes.
package struct ChunkPattern: Sendable {
    package typealias Version = Int32

    /// What ``version(of:cell:)`` says of bytes that no write has produced.
    package static let invalid: Version = -1

    private let seed: UInt64
    /// The size of a cell in bytes: a multiple of 16 that divides 512.
    package let cellBytes: Int

    package init(seed: UInt64, cellBytes: Int) {
        precondition(cellBytes.isMultiple(of: 16) && 512.isMultiple(of: cellBytes), "bad cell")
        self.seed = seed
        self.cellBytes = cellBytes
    }

    private func key(_ version: Version, _ cell: Int) -> UInt64 {
        SeededGenerator.mixed(seed ^ SeededGenerator.mixed(UInt64(bitPattern: Int64(cell))))
            &+ UInt64(UInt32(bitPattern: version)) &* 0xd6e8_feb8_6659_fd93
    }

    /// Fills whole cells, the first of which is number `cell`.
    package func fill(
        _ bytes: UnsafeMutableRawBufferPointer, version: Version, firstCell: Int
    ) {
        let words = bytes.bindMemory(to: UInt64.self)
        guard version != 0 else {
            words.update(repeating: 0)
            return
        }
        let wordsPerCell = cellBytes / 8
        for index in 0..<(bytes.count / cellBytes) {
            let base = index * wordsPerCell
            let key = key(version, firstCell + index)
            words[base] = UInt64(UInt32(bitPattern: version))
            for word in 1..<wordsPerCell { words[base + word] = key &+ UInt64(word) }
        }
    }

    /// Whole cells of one version.
    package func bytes(version: Version, cells: Range<Int>) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: cells.count * cellBytes)
        result.withUnsafeMutableBytes {
            fill($0, version: version, firstCell: cells.lowerBound)
        }
        return result
    }

    /// The versions of whole cells; ``invalid`` for one that is torn or strange.
    package func versions(of bytes: UnsafeRawBufferPointer, firstCell: Int) -> [Version] {
        let count = bytes.count / cellBytes
        return [Version](unsafeUninitializedCapacity: count) { versions, initialized in
            for index in 0..<count {
                let cell = UnsafeRawBufferPointer(
                    rebasing: bytes[(index * cellBytes)..<((index + 1) * cellBytes)])
                versions.initializeElement(
                    at: index, to: version(of: cell, cell: firstCell + index))
            }
            initialized = count
        }
    }

    private func version(of bytes: UnsafeRawBufferPointer, cell: Int) -> Version {
        let words = bytes.bindMemory(to: UInt64.self)
        guard let version = Version(exactly: words[0]) else { return Self.invalid }
        let key = version == 0 ? 0 : key(version, cell)
        let step: UInt64 = version == 0 ? 0 : 1
        var difference: UInt64 = 0
        for word in 1..<words.count {
            difference |= words[word] ^ (key &+ UInt64(word) &* step)
        }
        return difference == 0 ? version : Self.invalid
    }
}

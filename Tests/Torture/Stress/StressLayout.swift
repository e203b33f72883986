import TestKit

/// How the stressed volume is divided: a region for each client of its own, and one that the other
/// clients fight over.
///
/// An owner writes version after version to the blocks of its region, always from the first block
/// on. So at every instant the versions of a region descend from block to block, also after a
/// revert to such an instant, provided that the owner then begins a new version; and a snapshot
/// that shows a block newer than an earlier one is not of one instant.
struct StressLayout: Sendable {
    let seed: UInt64
    let chunkBytes: Int
    let ownerCount = 6
    let rivalCount = 2
    /// Blocks do not fit chunks: some lie in two.
    let blockCells = 3
    let blocksPerRegion = 200
    let cellBytes = 512

    var pattern: ChunkPattern { ChunkPattern(seed: seed, cellBytes: cellBytes) }
    var regionCells: Int { blockCells * blocksPerRegion }
    /// Not a multiple of any chunk size.
    var cellCount: Int { regionCells * (ownerCount + 1) + 1 }
    var volumeBytes: Int { cellCount * cellBytes }
    /// The cells that several clients write.
    var rivalCells: Range<Int> { regionCells * ownerCount..<cellCount }

    func cells(ofBlock block: Int, owner: Int) -> Range<Int> {
        let first = owner * regionCells + block * blockCells
        return first..<first + blockCells
    }

    func cells(ofOwner owner: Int) -> Range<Int> {
        owner * regionCells..<(owner + 1) * regionCells
    }

    /// What shows that cells are not of one instant, in words; nil when they may be.
    func contradiction(in cells: [ChunkPattern.Version]) -> String? {
        guard cells.count == cellCount else { return "\(cells.count) cells, not \(cellCount)" }
        if let torn = cells.firstIndex(of: ChunkPattern.invalid) { return "cell \(torn) is torn" }
        for owner in 0..<ownerCount {
            var last = ChunkPattern.Version.max
            for block in 0..<blocksPerRegion {
                let content = cells[self.cells(ofBlock: block, owner: owner)]
                guard let version = content.first, content.allSatisfy({ $0 == version }) else {
                    return "block \(block) of owner \(owner) is half written: \(Array(content))"
                }
                guard version <= last else {
                    return
                        "block \(block) of owner \(owner) has version \(version), the one before "
                        + "it \(last)"
                }
                last = version
            }
        }
        return nil
    }
}

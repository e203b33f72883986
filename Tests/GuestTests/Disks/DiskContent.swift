import System
import SnapshotModel
import TestKit

/// What a device should hold: a version for each of its blocks, from which the bytes follow. Blocks of
/// version 0 are zeroes. The same seed and versions give the same bytes everywhere.
struct DiskContent: Equatable, Sendable {
    let seed: UInt64
    /// A multiple of 512 bytes.
    let blockBytes: Int
    /// The device's size; its last block may be cut short by it.
    let byteCount: Int
    private(set) var versions: [ChunkPattern.Version]
    /// Blocks of which ``expect(on:_:fileID:line:)`` reads some only.
    var sampled = 0..<0

    /// Zeroes.
    init(seed: UInt64, byteCount: Int, blockBytes: Int) {
        precondition(byteCount.isMultiple(of: 512) && blockBytes.isMultiple(of: 512), "sectors")
        self.seed = seed
        self.blockBytes = blockBytes
        self.byteCount = byteCount
        versions = Array(repeating: 0, count: (byteCount + blockBytes - 1) / blockBytes)
    }

    private static let readBytes = 64 << 10

    var blockCount: Int { versions.count }

    /// The bytes of a block on the device.
    func range(of block: Int) -> Range<Int> {
        block * blockBytes..<min(byteCount, (block + 1) * blockBytes)
    }

    /// The bytes of some blocks on the device.
    func range(of blocks: Range<Int>) -> Range<Int> {
        blocks.lowerBound * blockBytes..<min(byteCount, blocks.upperBound * blockBytes)
    }

    private var pattern: ChunkPattern { ChunkPattern(seed: seed, cellBytes: 512) }

    /// The bytes that some blocks should hold.
    func bytes(of blocks: Range<Int>) -> AlignedBuffer {
        let start = range(of: blocks).lowerBound
        var buffer = AlignedBuffer(count: range(of: blocks).count)
        var bytes = buffer.mutableBytes
        for block in blocks where versions[block] != 0 {
            let range = range(of: block)
            var part = bytes.part(range.lowerBound - start..<range.upperBound - start)
            part.withUnsafeMutableBytes {
                pattern.fill($0, version: versions[block], firstCell: range.lowerBound / 512)
            }
        }
        return buffer
    }

    /// Remembers a new version of some blocks.
    mutating func set(_ version: ChunkPattern.Version, blocks: Range<Int>) {
        for block in blocks { versions[block] = version }
    }

    /// Writes some blocks to a device, in one call.
    func write(_ blocks: Range<Int>, to device: some BlockDevice) throws(IOFailure) {
        try device.write(bytes(of: blocks).bytes, at: range(of: blocks).lowerBound)
    }

    /// Writes all blocks but those that are zero.
    func writeAllButZeroes(to device: some BlockDevice) throws(IOFailure) {
        var block = 0
        while block < blockCount {
            var end = block
            while end < blockCount, versions[end] != 0, (end - block) * blockBytes < 1 << 20 {
                end += 1
            }
            if end > block { try write(block..<end, to: device) }
            block = max(end, block + 1)
        }
        try device.sync()
    }

    /// Ends the case unless a device holds exactly this, up to its last byte.
    func expect(
        on device: some BlockDevice, _ what: String, fileID: StaticString = #fileID,
        line: Int = #line
    ) throws {
        try expectEqual(
            try device.byteCount(), byteCount, "size of \(what)", fileID: fileID, line: line)
        // Many blocks at once, as each call to the kernel costs much; but no buffer that malloc would
        // map anew each time, whose page faults cost the guest more than the call.
        let blocksAtOnce = max(1, Self.readBytes / blockBytes)
        for first in stride(from: 0, to: blockCount, by: blocksAtOnce) {
            let blocks = first..<min(blockCount, first + blocksAtOnce)
            if isLeftOut(blocks) { continue }
            var buffer = AlignedBuffer(count: range(of: blocks).count)
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: range(of: blocks).lowerBound)
            if let difference = difference(of: buffer.bytes, from: blocks) {
                try GuestTests.expect(false, "\(what) \(difference)", fileID: fileID, line: line)
            }
        }
    }

    /// Of the pieces that lie wholly within ``sampled`` one of 16 is read.
    private func isLeftOut(_ blocks: Range<Int>) -> Bool {
        sampled.contains(blocks.lowerBound) && sampled.contains(blocks.upperBound - 1)
            && blocks.lowerBound / blocks.count % 16 != 0
    }

    /// What is wrong with bytes that some blocks were read as; nil when nothing is.
    func difference(of bytes: RawSpan, from blocks: Range<Int>) -> String? {
        if versions[blocks].allSatisfy({ $0 == 0 }), bytes.isZero { return nil }
        let start = range(of: blocks).lowerBound
        for block in blocks {
            let range = range(of: block)
            let found = bytes.extracting(range.lowerBound - start..<range.upperBound - start)
                .withUnsafeBytes {
                    pattern.versions(of: $0, firstCell: range.lowerBound / 512)
                }
            guard let index = found.firstIndex(where: { $0 != versions[block] }) else { continue }
            return "holds version \(found[index]) (-1: foreign or torn bytes) at byte "
                + "\(range.lowerBound + index * 512), expected \(versions[block])"
        }
        return nil
    }
}

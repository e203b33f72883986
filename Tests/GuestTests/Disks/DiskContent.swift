import BlockIO
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

    private var pattern: ChunkPattern { ChunkPattern(seed: seed, cellBytes: 512) }

    /// The bytes that a block should hold.
    func bytes(of block: Int) -> AlignedBuffer {
        let range = range(of: block)
        var buffer = AlignedBuffer(count: range.count)
        fill(&buffer, with: block)
        return buffer
    }

    private func fill(_ buffer: inout AlignedBuffer, with block: Int) {
        let pattern = pattern
        let first = range(of: block).lowerBound / 512
        var bytes = buffer.mutableBytes
        bytes.withUnsafeMutableBytes {
            pattern.fill($0, version: versions[block], firstCell: first)
        }
    }

    /// Writes a new version of a block to a device, and remembers it.
    mutating func write(
        _ version: ChunkPattern.Version, to block: Int, of device: some BlockDevice
    ) throws(IOFailure) {
        versions[block] = version
        try device.write(bytes(of: block).bytes, at: range(of: block).lowerBound)
    }

    /// Remembers a version without writing it.
    mutating func set(_ version: ChunkPattern.Version, block: Int) { versions[block] = version }

    /// Writes all blocks that are not zero to a device that is.
    func writeAll(to device: some BlockDevice) throws(IOFailure) {
        for block in 0..<blockCount where versions[block] != 0 {
            try device.write(bytes(of: block).bytes, at: range(of: block).lowerBound)
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
        let pattern = pattern
        // Many blocks at once, as each call to the kernel costs much; but no buffer that malloc would
        // map anew each time, whose page faults cost the guest more than the call.
        let blocksAtOnce = max(1, Self.readBytes / blockBytes)
        for first in stride(from: 0, to: blockCount, by: blocksAtOnce) {
            let last = min(blockCount, first + blocksAtOnce) - 1
            let range = range(of: first).lowerBound..<range(of: last).upperBound
            var buffer = AlignedBuffer(count: range.count)
            var bytes = buffer.mutableBytes
            try device.read(into: &bytes, at: range.lowerBound)
            for block in first...last {
                let part = self.range(of: block)
                let found = buffer.bytes.withUnsafeBytes { whole in
                    pattern.versions(
                        of: UnsafeRawBufferPointer(
                            rebasing: whole[
                                part.lowerBound - range.lowerBound..<part.upperBound
                                    - range.lowerBound]),
                        firstCell: part.lowerBound / 512)
                }
                guard let index = found.firstIndex(where: { $0 != versions[block] }) else {
                    continue
                }
                try GuestTests.expect(
                    false,
                    "\(what) holds version \(found[index]) (-1: foreign or torn bytes) at byte "
                        + "\(part.lowerBound + index * 512), expected \(versions[block])",
                    fileID: fileID, line: line)
            }
        }
    }
}

import StoreFormat
import SnapshotModel
import TestKit

/// How large a volume and its area are, and how many of its chunks are overwritten.
struct FormatShape: Sendable {
    let name: String
    let chunkBytes: Int
    let chunkCount: Int
    /// By how many sectors the volume ends before its last chunk does.
    var missingSectors = 0
    /// How many chunks are overwritten.
    let exceptionCount: Int

    var geometry: Geometry {
        Geometry(
            volumeBytes: chunkCount * chunkBytes - missingSectors * Geometry.sectorBytes,
            chunkBytes: chunkBytes)
    }

    var format: AreaFormat { AreaFormat(chunkBytes: chunkBytes) }

    /// The size of an area for all chunks of the volume, without a byte to spare.
    var areaBytes: Int { format.fullCoverageBytes(chunkCount: chunkCount) }

    /// An eighth of a chunk: what the tests write is not aligned to chunks.
    var blockBytes: Int { chunkBytes / Self.blocksPerChunk }

    static let blocksPerChunk = 8

    /// Shapes whose volume and area fit on real disks.
    static let all: [FormatShape] = [4, 16, 64, 512].flatMap { kibibytes -> [FormatShape] in
        let chunkBytes = kibibytes << 10
        let block = AreaFormat(chunkBytes: chunkBytes).entriesPerBlock
        func shape(_ name: String, chunks: Int, exceptions: Int, missing: Int = 0) -> FormatShape {
            FormatShape(
                name: "\(kibibytes) KiB chunks, \(name)", chunkBytes: chunkBytes,
                chunkCount: chunks, missingSectors: missing, exceptionCount: exceptions)
        }
        // A metadata block of 512 KiB has 32,768 entries, which is 16 GiB of chunks: see LargeArea.
        let small = min(block * 2, 140)
        var shapes = [
            shape("one metadata block", chunks: small, exceptions: small / 2),
            shape(
                "every chunk, the last cut short", chunks: small - 1, exceptions: small - 1,
                missing: 3),
        ]
        guard kibibytes < 512 else { return shapes }
        // 64 KiB: 256 MiB of chunks for each block.
        let several = kibibytes < 64 ? block * 5 / 2 : block + block / 20
        shapes += [
            shape("several metadata blocks", chunks: several + 60, exceptions: several),
            shape("an exactly full metadata block", chunks: block + 9, exceptions: block),
            shape(
                "every chunk, the last block exactly full",
                chunks: kibibytes < 64 ? block * 2 : block,
                exceptions: kibibytes < 64 ? block * 2 : block),
        ]
        return shapes
    }
}

/// One write to the volume.
struct FormatWrite: Sendable {
    /// The blocks that it changes.
    let blocks: Range<Int>

    /// The chunks that it touches, the first and the last maybe in part.
    var chunks: Range<Int> {
        blocks.lowerBound
            / FormatShape.blocksPerChunk..<(blocks.upperBound + FormatShape.blocksPerChunk - 1)
            / FormatShape.blocksPerChunk
    }

    /// Writes, in random order, that touch each of some chunks once.
    static func covering(
        _ chunks: some Sequence<Int>, blockCount: Int, by generator: inout SeededGenerator
    ) -> [FormatWrite] {
        var runs: [Range<Int>] = []
        for chunk in chunks.sorted() {
            if let last = runs.last, last.upperBound == chunk, last.count < 6,
                !generator.oneIn(3)
            {
                runs[runs.count - 1] = last.lowerBound..<chunk + 1
            } else {
                runs.append(chunk..<chunk + 1)
            }
        }
        let perChunk = FormatShape.blocksPerChunk
        return runs.shuffled(using: &generator).map { run in
            let start = run.lowerBound * perChunk + generator.below(perChunk)
            // Within the last chunk, and behind the start where that is the same chunk.
            let lastChunk = (run.upperBound - 1) * perChunk
            let first = max(start, lastChunk)
            let end = first + 1 + generator.below(lastChunk + perChunk - first)
            // The volume's last chunk may have fewer blocks.
            return FormatWrite(
                blocks: min(start, blockCount - 1)..<min(max(end, start + 1), blockCount))
        }
    }
}

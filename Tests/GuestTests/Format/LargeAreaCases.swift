import System
import DeviceMapper
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit

/// Areas with several metadata blocks of 512 KiB, which name 16 GiB of chunks each: of the volume and
/// of the area only the ends are on disks, and `zero` targets stand for what is between them. The
/// exceptions there are real, their contents zeroes.
enum LargeAreaCases {
    static let cases = [
        GuestCase("the kernel reads our area: 512 KiB chunks, several metadata blocks") {
            let rig = try rig($0)
            try rig.clearArea()
            try rig.withEngine(creating: true) { area in
                try rig.write(head, preserving: area)
                try rig.overwriteZeroes(middle, preserving: area)
                try rig.write(tail, preserving: area)
            }
            try rig.expectReaderFindsSnapshot()
            try rig.withKernel { try rig.expectKernelShowsSnapshot() }
        },
        GuestCase("we read the kernel's area: 512 KiB chunks, exactly full, then several blocks") {
            let rig = try rig($0)
            try rig.soilArea()
            try rig.withKernel {
                try rig.writeThroughKernel(head)
                try rig.overwriteZeroesThroughKernel(middle)
                try rig.writeThroughKernel(tail.prefix(entriesPerBlock - rig.preserved.count))
                try expectEqual(rig.preserved.count, entriesPerBlock, "number of exceptions")
                try rig.expectKernelShowsSnapshot()
            }
            try rig.expectReaderFindsSnapshot()
            try rig.withKernel {
                try rig.writeThroughKernel(tail)
                try rig.expectKernelShowsSnapshot()
            }
            try rig.expectReaderFindsSnapshot()
        },
        GuestCase("both go on with the other's area: 512 KiB chunks, over a block's end") {
            let rig = try rig($0)
            try rig.clearArea()
            try rig.withEngine(creating: true) { area in
                try rig.write(head, preserving: area)
                try rig.overwriteZeroes(middle, preserving: area)
                try rig.write(tail.prefix(25), preserving: area)
            }
            try rig.withKernel {
                try rig.expectKernelShowsSnapshot()
                try rig.writeThroughKernel(tail.prefix(40))
            }
            try rig.expectReaderFindsSnapshot()
            try rig.withEngine(creating: false) { try rig.write(tail, preserving: $0) }
            try rig.expectReaderFindsSnapshot()
            try rig.withKernel { try rig.expectKernelShowsSnapshot() }
        },
    ]

    private static let chunkBytes = 512 << 10
    private static let entriesPerBlock = AreaFormat(chunkBytes: chunkBytes).entriesPerBlock
    private static let shape = FormatShape(
        name: "512 KiB chunks", chunkBytes: chunkBytes, chunkCount: entriesPerBlock + 100,
        missingSectors: 7, exceptionCount: entriesPerBlock + 30)

    /// The chunks of the volume that are on no disk.
    private static let vacant = 50..<entriesPerBlock + 50
    /// The chunks of the area that are on no disk: inside those that ``middle`` is preserved in.
    private static let vacantArea = 40..<entriesPerBlock - 40

    /// What is written, in this order: some at the ends, most of the vacant chunks, more at the ends.
    private static let head = Array(writes.prefix(30))
    private static let middle = 60..<entriesPerBlock
    private static let tail = Array(writes.dropFirst(30))

    /// One for each chunk that is on a disk, in random order.
    private static let writes: [FormatWrite] = {
        var generator = SeededGenerator(seed: 51)
        let perChunk = FormatShape.blocksPerChunk
        let chunks = Array(0..<vacant.lowerBound) + Array(vacant.upperBound..<shape.chunkCount)
        return chunks.shuffled(using: &generator).prefix(90).map { chunk in
            let block = chunk * perChunk + generator.below(perChunk)
            return FormatWrite(blocks: block..<block + 1)
        }
    }()

    private static func rig(_ context: GuestContext) throws -> FormatRig {
        let devices = ScratchDevices(context)
        let origin = try devices.make(
            "format-origin", bytes: shape.geometry.volumeBytes, on: context.disks[0],
            vacant: vacant.lowerBound * chunkBytes..<vacant.upperBound * chunkBytes)
        let area = try devices.make(
            "format-area", bytes: shape.areaBytes, on: context.disks[1],
            vacant: vacantArea.lowerBound * chunkBytes..<vacantArea.upperBound * chunkBytes)
        return try FormatRig(
            devices: devices, shape: shape, origin: origin, area: area,
            areaBytes: shape.areaBytes, vacant: vacant)
    }
}

extension FormatRig {
    /// Many chunks at once, so that they share a commit.
    private static let chunksAtOnce = 32

    /// Overwrites vacant chunks, in order, with the zeroes that they are, while `area` preserves.
    fileprivate func overwriteZeroes(_ chunks: Range<Int>, preserving area: GrowingArea) throws {
        let origin = VacantDevice()
        for first in stride(from: chunks.lowerBound, to: chunks.upperBound, by: 4096) {
            let part = first..<min(chunks.upperBound, first + 4096)
            try area.preserve(
                [ChunkIndex(part.lowerBound)..<ChunkIndex(part.upperBound)], of: origin,
                geometry: shape.geometry)
        }
        remember(chunks)
    }

    /// Overwrites vacant chunks, in order, with the zeroes that they are, while the kernel preserves.
    fileprivate func overwriteZeroesThroughKernel(_ chunks: Range<Int>) throws {
        let top = try DirectDevice(path: stack.topPath)
        let zeroes = AlignedBuffer(count: Self.chunksAtOnce * shape.chunkBytes)
        var chunk = chunks.lowerBound
        while chunk < chunks.upperBound {
            let count = min(Self.chunksAtOnce, chunks.upperBound - chunk)
            try top.write(
                zeroes.bytes(in: 0..<count * shape.chunkBytes), at: chunk * shape.chunkBytes)
            chunk += count
        }
        remember(chunks)
    }
}

/// What the vacant part of a volume is to the engine: one hole.
private final class VacantDevice: BlockDevice {
    let path = "vacant"

    func byteCount() throws(IOFailure) -> Int { 1 << 40 }
    func allocatedBytes() throws(IOFailure) -> Int { 0 }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) { buffer.zero() }
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
        throw .inputOutput("write", path: path)
    }
    func punch(_ range: Range<Int>) throws(IOFailure) {}
    func sync() throws(IOFailure) {}
    func resize(to byteCount: Int) throws(IOFailure) {}
    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? { nil }
}

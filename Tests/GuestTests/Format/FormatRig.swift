import System
import DeviceMapper
import MergeKit
import SnapshotModel
import TestKit

/// A volume and one snapshot's area as block devices, which either our engine or the kernel writes
/// to, and what both must hold.
final class FormatRig {
    let shape: FormatShape
    /// What the volume held when the snapshot was taken.
    private(set) var before: DiskContent
    /// What it holds now.
    private(set) var now: DiskContent
    /// The chunks that were overwritten, in the order of their first writes.
    private(set) var preserved: [Int] = []
    let stack: SnapshotStack
    let areaPath: String
    let areaBytes: Int
    private var known: Set<Int> = []
    private var version: ChunkPattern.Version = 1

    /// With both devices on the case's first two disks: the volume with content everywhere, the
    /// area with what the last case left there.
    ///
    /// - Parameter areaBytes: another size for the area than that for all chunks.
    convenience init(
        _ context: GuestContext, shape: FormatShape, areaBytes: Int? = nil
    ) throws {
        let devices = ScratchDevices(context)
        let areaBytes = areaBytes ?? shape.areaBytes
        let origin = try devices.make(
            "format-origin", bytes: shape.geometry.volumeBytes, on: context.disks[0])
        let area = try devices.make("format-area", bytes: areaBytes, on: context.disks[1])
        try self.init(
            devices: devices, shape: shape, origin: origin, area: area, areaBytes: areaBytes)
    }

    /// - Parameter vacant: the chunks of the volume that are zeroes for ever; the others hold
    ///   something at first.
    init(
        devices: ScratchDevices, shape: FormatShape, origin: String, area: String,
        areaBytes: Int, vacant: Range<Int> = 0..<0
    ) throws {
        self.shape = shape
        areaPath = area
        self.areaBytes = areaBytes
        before = DiskContent(
            seed: 4, byteCount: shape.geometry.volumeBytes, blockBytes: shape.blockBytes)
        before.set(version, blocks: 0..<before.blockCount)
        let perChunk = FormatShape.blocksPerChunk
        before.set(0, blocks: vacant.lowerBound * perChunk..<vacant.upperBound * perChunk)
        // Where nothing is to be found, a part is enough.
        before.sampled = vacant.lowerBound * perChunk..<vacant.upperBound * perChunk
        now = before
        stack = SnapshotStack(devices: devices, origin: origin, geometry: shape.geometry)
        try before.writeAllButZeroes(to: DirectDevice(path: origin))
    }

    /// Makes the area's device what a new area is for our engine: zeroes.
    func clearArea() throws {
        let device = try DirectDevice(path: areaPath)
        try device.punch(0..<areaBytes)
        try device.sync()
    }

    /// Makes the area's device what a new area is for the kernel: a first chunk of zeroes, and
    /// behind it whatever was there. Here all bits are set: an entry like that would be believed.
    func soilArea() throws {
        let device = try DirectDevice(path: areaPath)
        var bits = AlignedBuffer(count: shape.chunkBytes)
        var bytes = bits.mutableBytes
        for offset in stride(from: 0, to: shape.chunkBytes, by: 8) {
            bytes.store(littleEndian: UInt64.max, at: offset)
        }
        try device.punch(0..<shape.chunkBytes)
        for chunk in 1..<areaBytes / shape.chunkBytes {
            try device.write(bits.bytes, at: chunk * shape.chunkBytes)
        }
        try device.sync()
    }

    // MARK: Writers

    /// Writes to the volume while `area`, our engine's, preserves.
    func write(_ writes: some Collection<FormatWrite>, preserving area: GrowingArea) throws {
        let origin = try FileDevice(path: stack.originPath, access: .readOnly)
        let direct = try DirectDevice(path: stack.originPath)
        var rest = writes[...]
        while !rest.isEmpty {
            // Some at once, which share a commit.
            let batch = rest.prefix(1 + preserved.count % 7)
            rest = rest.dropFirst(batch.count)
            try area.preserve(
                batch.map { ChunkIndex($0.chunks.lowerBound)..<ChunkIndex($0.chunks.upperBound) },
                of: origin, geometry: shape.geometry)
            for write in batch { try change(write, through: direct) }
        }
    }

    /// Writes to the volume while the kernel preserves: the snapshot must be attached.
    func writeThroughKernel(_ writes: some Collection<FormatWrite>) throws {
        let top = try DirectDevice(path: stack.topPath)
        for write in writes { try change(write, through: top) }
    }

    private func change(_ write: FormatWrite, through device: DirectDevice) throws {
        version += 1
        now.set(version, blocks: write.blocks)
        try now.write(write.blocks, to: device)
        remember(write.chunks)
    }

    /// Remembers that chunks were overwritten.
    func remember(_ chunks: Range<Int>) {
        for chunk in chunks where known.insert(chunk).inserted { preserved.append(chunk) }
    }

    /// Makes a new area, or opens the one that is there, with our engine. It goes, and the device
    /// is closed, before the kernel may have it.
    func withEngine(creating: Bool, _ body: (GrowingArea) throws -> Void) throws {
        let device = try FileDevice(path: areaPath, access: .readWrite)
        let (ordinal, kernel) = (SnapshotOrdinal(rawValue: 1), CopyKernel())
        let area =
            if creating {
                try GrowingArea.create(
                    on: device, ordinal: ordinal, format: shape.format,
                    originChunkCount: shape.chunkCount, kernel: kernel)
            } else {
                try GrowingArea.open(
                    on: device, ordinal: ordinal, format: shape.format,
                    originChunkCount: shape.chunkCount, kernel: kernel)
            }
        try body(area)
    }

    /// Attaches the snapshot to the volume for as long as `body` runs.
    func withKernel(_ body: () throws -> Void) throws {
        try stack.attach(area: areaPath)
        try body()
        try stack.detach()
    }
}

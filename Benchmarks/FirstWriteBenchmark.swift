import System
import MergeKit
import SnapshotModel
import Synchronization

/// What the first write to a chunk costs with 1 and with 64 snapshots in the chain: bytes, flushes
/// and time.
enum FirstWriteBenchmark {
    private static let chunkBytes = 64 << 10
    private static let writes = 256
    private static let volumeBytes = 64 << 20

    static func run(_ workspace: Workspace) throws {
        var table = Table(
            "snapshots", "first writes", "bytes read", "bytes written", "flushes", "median s",
            "against 1")
        var base: Double?
        for snapshots in [1, 64] {
            let (measurement, counts) = try measure(workspace, snapshots: snapshots)
            let ratio = measurement.median / (base ?? measurement.median)
            base = base ?? measurement.median
            table.add(
                "\(snapshots)", "\(writes)",
                "\(counts.readBytes.load(ordering: .relaxed) / Measurement.runs)",
                "\(counts.writtenBytes.load(ordering: .relaxed) / Measurement.runs)",
                "\(counts.syncs.load(ordering: .relaxed) / Measurement.runs)",
                decimal(measurement.median, 3), decimal(ratio))
        }
        table.show()
    }

    /// 4 KiB writes, one to each of many chunks in a random order, one at a time, after so many
    /// snapshots each of which has exceptions of its own.
    private static func measure(
        _ workspace: Workspace, snapshots: Int
    ) throws -> (Measurement, CountingDevice.Counts) {
        let counts = CountingDevice.Counts()
        let measurement = try Measurement { run in
            let file = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
            let plain = try workspace.volume(on: file, chunkBytes: chunkBytes)
            for id in 1...snapshots {
                try plain.snapshot(id)
                if id < snapshots { try write(plain, chunks: 0..<8, seed: UInt64(id)) }
            }
            try plain.close()
            return try LiveEngine.open(
                store: CountingFolder(folder: plain.storeFolder, counts: counts),
                origin: CountingDevice(file, counts))
        } body: { engine in
            try write(engine, chunks: 0..<writes, seed: 99)
        }
        return (measurement, counts)
    }

    private static func write(_ engine: LiveEngine, chunks: Range<Int>, seed: UInt64) throws {
        var pattern = Pattern(seed: seed)
        var buffer = AlignedBuffer(count: 4096)
        pattern.fill(&buffer)
        var order = Array(chunks)
        for index in order.indices.reversed() { order.swapAt(index, pattern.below(index + 1)) }
        for chunk in order { try engine.write(buffer.bytes, at: chunk * chunkBytes) }
    }
}

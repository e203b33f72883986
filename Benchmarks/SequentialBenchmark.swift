import System
import MergeKit
import SnapshotModel

/// Sequential first writes in durable order, against the file's own bandwidth with as many flushes.
/// Every byte moves three times (read the old, write it to the area, write the new): 1/3 is the
/// limit of a disk, unless the filesystem shares extents.
enum SequentialBenchmark {
    private static let chunkBytes = 64 << 10
    private static let volumeBytes = 512 << 20
    private static let writeBytes = 8 << 20

    static func run(_ workspace: Workspace) throws {
        let plain = try Measurement { _ in
            try workspace.filledFile("plain", byteCount: volumeBytes, seed: 1)
        } body: { file in
            try writeAll { bytes, offset in
                try file.write(bytes, at: offset)
                // As many flushes as the engine makes: data, entries, and the client's own.
                for _ in 0..<3 { try file.sync() }
            }
        }
        let engine = try Measurement { _ in
            let file = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
            let engine = try workspace.volume(on: file, chunkBytes: chunkBytes)
            try engine.snapshot(1)
            return engine
        } body: { engine in
            try writeAll { bytes, offset in
                try engine.write(bytes, at: offset)
                try engine.flush()
            }
        }
        var table = Table("what", "MiB/s", "of the file's own")
        let mebibytes = Double(volumeBytes >> 20)
        table.add(
            "file, overwritten, 3 flushes per 8 MiB", decimal(mebibytes / plain.median, 0), "1")
        table.add(
            "first writes with a snapshot, flushed per 8 MiB",
            decimal(mebibytes / engine.median, 0), decimal(plain.median / engine.median))
        table.show()
    }

    private static func writeAll(_ write: (RawSpan, Int) throws -> Void) throws {
        var pattern = Pattern(seed: 7)
        var buffer = AlignedBuffer(count: writeBytes)
        pattern.fill(&buffer)
        for offset in stride(from: 0, to: volumeBytes, by: writeBytes) {
            try write(buffer.bytes, offset)
        }
    }
}

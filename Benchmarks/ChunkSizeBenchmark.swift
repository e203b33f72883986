import System
import MergeKit
import SnapshotModel

/// Which chunk size suits which load: time and space of first writes.
enum ChunkSizeBenchmark {
    private static let volumeBytes = 256 << 20
    private static let randomWrites = 1000

    static func run(_ workspace: Workspace) throws {
        var table = Table(
            "chunk", "random 4 KiB: s", "random: store MiB", "sequential 1 MiB: s",
            "mixed: s", "mixed: store MiB", "revert of random: ms")
        for chunkBytes in [4, 16, 32, 64, 128, 256].map({ $0 << 10 }) {
            let random = try measure(workspace, chunkBytes) {
                try writeRandom($0, 4096, randomWrites)
            }
            let sequential = try measure(workspace, chunkBytes) { try writeSequential($0) }
            let mixed = try measure(workspace, chunkBytes) { engine in
                try writeRandom(engine, 16 << 10, randomWrites / 2)
                try writeRandom(engine, 512 << 10, 64)
            }
            table.add(
                "\(chunkBytes >> 10)K", decimal(random.seconds, 3), "\(random.storeBytes >> 20)",
                decimal(sequential.seconds, 3), decimal(mixed.seconds, 3),
                "\(mixed.storeBytes >> 20)", decimal(random.revertSeconds * 1000, 1))
        }
        table.show()
    }

    private struct Result {
        var seconds: Double
        var storeBytes: Int
        var revertSeconds: Double
    }

    private static func measure(
        _ workspace: Workspace, _ chunkBytes: Int, _ body: (LiveEngine) throws -> Void
    ) throws -> Result {
        var (seconds, reverts): ([Double], [Double]) = ([], [])
        var storeBytes = 0
        for _ in 0..<Measurement.runs {
            let file = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
            let engine = try workspace.volume(on: file, chunkBytes: chunkBytes)
            try engine.snapshot(1)
            seconds.append(
                try Measurement(runs: 1, prepare: { _ in }) {
                    try body(engine)
                    try engine.flush()
                }.median)
            storeBytes = try engine.status().storeBytes
            let outcome = try engine.revert(
                RevertRequest(
                    id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                    safety: SnapshotRequest(
                        id: SnapshotID(rawValue: 2), description: SnapshotDescription(kind: .safety)
                    )))
            reverts.append(Double(outcome.usableAfterNanoseconds) / 1e9)
            try workspace.run(["rm", "-rf", file.path, engine.storeFolder.path])
        }
        return Result(
            seconds: Measurement(seconds: seconds).median, storeBytes: storeBytes,
            revertSeconds: Measurement(seconds: reverts).median)
    }

    private static func writeRandom(_ engine: LiveEngine, _ bytes: Int, _ count: Int) throws {
        var pattern = Pattern(seed: 5)
        var buffer = AlignedBuffer(count: bytes)
        pattern.fill(&buffer)
        for _ in 0..<count {
            try engine.write(buffer.bytes, at: pattern.below(volumeBytes / bytes) * bytes)
        }
    }

    private static func writeSequential(_ engine: LiveEngine) throws {
        var pattern = Pattern(seed: 6)
        var buffer = AlignedBuffer(count: 1 << 20)
        pattern.fill(&buffer)
        for offset in stride(from: 0, to: volumeBytes, by: buffer.count) {
            try engine.write(buffer.bytes, at: offset)
        }
    }
}

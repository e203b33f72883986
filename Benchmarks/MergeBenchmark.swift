import System
import MergeKit
import SnapshotModel

/// The merge of 1 GiB against `dd` of the same bytes and `qemu-img commit` of an overlay of the same
/// size, all with their flushes.
enum MergeBenchmark {
    private static let bytes = 1 << 30
    private static let chunkBytes = 64 << 10

    static func run(_ workspace: Workspace) throws {
        var (merge, withSafety, dd, commit): ([Double], [Double], [Double], [Double]) =
            ([], [], [], [])
        // In turn, so that a disk that gets slower or faster meanwhile does so for all.
        for _ in 0..<Measurement.runs {
            merge.append(try measureMerge(workspace, safety: false))
            withSafety.append(try measureMerge(workspace, safety: true))
            dd.append(try measureCopy(workspace))
            commit.append(try measureCommit(workspace))
        }
        let base = Measurement(seconds: dd).median
        var table = Table("what", "median s", "speed against dd")
        for (name, seconds) in [
            ("dd conv=fsync of 1 GiB", dd), ("qemu-img commit of 1 GiB", commit),
            ("merge of 1 GiB (every sibling has the chunks already)", merge),
            ("merge of 1 GiB with a safety snapshot: 2 GiB copied", withSafety),
        ] {
            let median = Measurement(seconds: seconds).median
            table.add(name, decimal(median, 3), decimal(base / median))
        }
        table.show()
    }

    private static func seconds(_ body: () throws -> Void) rethrows -> Double {
        try Measurement(runs: 1, prepare: { _ in }, body: body).median
    }

    private static func measureMerge(_ workspace: Workspace, safety: Bool) throws -> Double {
        let file = try workspace.filledFile("origin", byteCount: bytes, seed: 1)
        let engine = try workspace.volume(on: file, chunkBytes: chunkBytes)
        try engine.snapshot(1)
        var pattern = Pattern(seed: 2)
        var buffer = AlignedBuffer(count: 4 << 20)
        pattern.fill(&buffer)
        for offset in stride(from: 0, to: bytes, by: buffer.count) {
            try engine.write(buffer.bytes, at: offset)
        }
        try engine.flush()
        let request = RevertRequest(
            id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
            safety: safety
                ? SnapshotRequest(
                    id: SnapshotID(rawValue: 2), description: SnapshotDescription(kind: .safety))
                : nil)
        _ = try engine.revert(request)
        let result = try seconds {
            while try engine.mergeStep(byteLimit: 128 << 20) == .progressed {}
        }
        try engine.close()
        try workspace.run(["rm", "-rf", file.path, engine.storeFolder.path])
        return result
    }

    private static func measureCopy(_ workspace: Workspace) throws -> Double {
        let source = try workspace.filledFile("source", byteCount: bytes, seed: 3)
        let target = try workspace.filledFile("target", byteCount: bytes, seed: 4)
        let result = try seconds {
            try workspace.run([
                "dd", "if=\(source.path)", "of=\(target.path)", "bs=1M", "conv=notrunc,fsync",
                "status=none",
            ])
        }
        try workspace.run(["rm", source.path, target.path])
        return result
    }

    private static func measureCommit(_ workspace: Workspace) throws -> Double {
        let base = try workspace.filledFile("base", byteCount: bytes, seed: 5)
        let data = try workspace.filledFile("data", byteCount: bytes, seed: 6)
        let overlay = workspace.newPath("overlay")
        try workspace.run([
            "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base.path, overlay,
        ])
        try workspace.run([
            "qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", data.path, overlay,
        ])
        let result = try seconds { try workspace.run(["qemu-img", "commit", "-q", "-d", overlay]) }
        try workspace.run(["rm", base.path, data.path, overlay])
        return result
    }
}

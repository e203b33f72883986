import System
import MergeKit
import SnapshotModel

/// 4 KiB random I/O over NBD to chunks that are preserved already, against the same nbdkit with its
/// `file` plugin on the same file.
enum ServedBenchmark {
    private static let volumeBytes = 512 << 20
    private static let seconds = 4

    static func run(_ workspace: Workspace) throws {
        let file = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
        let engine = try workspace.volume(on: file, chunkBytes: 16 << 10)
        try engine.snapshot(1)
        var pattern = Pattern(seed: 2)
        var buffer = AlignedBuffer(count: 4 << 20)
        pattern.fill(&buffer)
        for offset in stride(from: 0, to: volumeBytes, by: buffer.count) {
            try engine.write(buffer.bytes, at: offset)
        }
        try engine.close()
        let ours = [try workspace.plugin(), "volume=bench:\(engine.storeFolder.path)"]
        let theirs = ["file", file.path]
        var table = Table("4 KiB, 16 in flight", "nbdkit file: IOPS", "snapmgr: IOPS", "ratio")
        for mode in ["randwrite", "randread"] {
            var (base, measured): ([Double], [Double]) = ([], [])
            // In turn, so that a noisy machine is noisy for both.
            for _ in 0..<Measurement.runs {
                base.append(try operationsPerSecond(workspace, theirs, mode))
                measured.append(try operationsPerSecond(workspace, ours, mode))
            }
            let (peer, own) = (median(base), median(measured))
            table.add(mode, decimal(peer, 0), decimal(own, 0), decimal(own / peer))
        }
        table.show()
    }

    private static func median(_ values: [Double]) -> Double {
        Measurement(seconds: values).median
    }

    private static func operationsPerSecond(
        _ workspace: Workspace, _ plugin: [String], _ mode: String
    ) throws -> Double {
        let server = try Server(workspace, plugin: plugin)
        defer { server.stop() }
        let result = workspace.newPath("fio")
        try workspace.run([
            "fio", "--name=bench", "--ioengine=nbd", "--uri=\(server.address)", "--rw=\(mode)",
            "--bs=4k", "--iodepth=16", "--size=\(volumeBytes)", "--time_based",
            "--runtime=\(seconds)", "--output-format=terse", "--output=\(result)",
        ])
        let text = try FileFolder(path: workspace.path).readFile(
            String(result.dropFirst(workspace.path.count + 1)), limitBytes: 1 << 20)
        let fields = String(decoding: text, as: UTF8.self).split(
            separator: ";", omittingEmptySubsequences: false)
        // fio(1), "terse version 3": reads' IOPS are field 8, writes' field 49, counted from 1.
        let field = mode == "randread" ? 7 : 48
        guard fields.count > field, let value = Double(fields[field]) else {
            throw IOFailure.inputOutput("understand the result of fio in", path: result)
        }
        return value
    }
}

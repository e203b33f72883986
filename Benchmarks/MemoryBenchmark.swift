import System
import MergeKit
import SnapshotModel

/// The memory of a server, and the time of its start, after 1 GiB of a volume has changed: the same
/// whatever the volume's size.
enum MemoryBenchmark {
    private static let changedBytes = 1 << 30
    private static let blockBytes = 64 << 10

    static func run(_ workspace: Workspace) throws {
        var table = Table(
            "volume", "changed", "exceptions", "open: ms", "revert usable after: ms",
            "server's peak memory: MiB")
        for size in [16 << 30, 1 << 40] {
            let origin = try FileDevice(path: workspace.newPath("sparse"), access: .create)
            try origin.resize(to: size)
            let engine = try workspace.volume(on: origin, chunkBytes: 16 << 10)
            try engine.snapshot(1)
            try scatter(engine, over: size)
            let exceptions = engine.snapshots().first?.exceptionCount ?? 0
            try engine.close()
            let store = engine.storeFolder
            let server = try Server(
                workspace, plugin: [try workspace.plugin(), "volume=bench:\(store.path)"])
            try workspace.run([
                "fio", "--name=memory", "--ioengine=nbd", "--uri=\(server.address)",
                "--rw=randrw", "--bs=64k", "--iodepth=16", "--size=\(size)", "--io_size=256m",
                "--output=\(workspace.newPath("fio"))",
            ])
            let peak = try server.peakResidentKibibytes()
            server.stop()
            let open = try Measurement(runs: 1, prepare: { _ in }) {
                _ = try LiveEngine.open(store: store, origin: origin)
            }
            let again = try LiveEngine.open(store: store, origin: origin)
            let outcome = try again.revert(
                RevertRequest(
                    id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                    safety: SnapshotRequest(
                        id: SnapshotID(rawValue: 2),
                        description: SnapshotDescription(kind: .safety))))
            table.add(
                "\(ByteCount(size))", "\(ByteCount(changedBytes))", "\(exceptions)",
                decimal(open.median * 1000, 1),
                decimal(Double(outcome.usableAfterNanoseconds) / 1e6, 1), "\(peak >> 10)")
            try workspace.run(["rm", "-rf", origin.path, store.path])
        }
        table.show()
    }

    /// Writes so many bytes in blocks all over the volume.
    private static func scatter(_ engine: LiveEngine, over size: Int) throws {
        var pattern = Pattern(seed: 3)
        var buffer = AlignedBuffer(count: blockBytes)
        pattern.fill(&buffer)
        for _ in 0..<changedBytes / blockBytes {
            try engine.write(buffer.bytes, at: pattern.below(size / blockBytes) * blockBytes)
        }
    }
}

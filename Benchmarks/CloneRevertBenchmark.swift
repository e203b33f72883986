import System
import MergeKit
import SnapshotModel

/// Reverts that take what was written to a clone.
enum CloneRevertBenchmark {
    /// The time until a volume reads as a clone, of which a part is not as in the snapshot.
    static func run(_ workspace: Workspace) throws {
        var table = Table("volume", "written to the clone", "revert with it: usable after ms")
        for (size, bytes) in [("1 GiB", 1 << 30), ("1 TiB", 1 << 40)] {
            for (name, count) in [("1 MiB", 16), ("32 MiB", 512)] {
                let times = try (0..<Measurement.runs).map { _ in
                    let origin = try FileDevice(
                        path: workspace.newPath("sparse"), access: .create)
                    try origin.resize(to: bytes)
                    let engine = try workspace.volume(on: origin, chunkBytes: 16 << 10)
                    try engine.snapshot(1)
                    let time = try usableAfter(engine, count)
                    try engine.close()
                    try workspace.run(["rm", "-rf", origin.path, engine.storeFolder.path])
                    return time
                }
                table.add(size, name, decimal(Measurement(seconds: times).median * 1000, 1))
            }
        }
        table.show()
    }

    /// Writes pieces to a clone, and reverts with it; in seconds.
    private static func usableAfter(_ engine: LiveEngine, _ count: Int) throws -> Double {
        var piece = AlignedBuffer(count: 64 << 10)
        var pattern = Pattern(seed: 3)
        pattern.fill(&piece)
        let id = SnapshotID(rawValue: 1)
        _ = try engine.createClone(CloneRequest(snapshot: id, name: "c"))
        let open = try engine.openClone("c")
        let stride = engine.geometry.volumeBytes / count
        for index in 0..<count {
            // Apart from each other, so that each is a run of the plan.
            let offset = index * stride / (64 << 10) * (64 << 10)
            try open.clone.write(piece.bytes, at: offset)
        }
        try open.clone.flush()
        open.close()
        let safety = SnapshotRequest(
            id: SnapshotID(rawValue: 2), description: SnapshotDescription(kind: .safety))
        let outcome = try engine.revert(
            RevertRequest(id: RevertID(rawValue: 1), target: id, safety: safety),
            with: CloneUse(name: "c", ends: false))
        return Double(outcome.usableAfterNanoseconds) / 1e9
    }
}

import Glibc
import SnapshotModel

/// The model test of the device-mapper driver on a real kernel. `SNAPMGR_MODEL_OPERATIONS` makes it
/// longer, `SNAPMGR_SEED` repeats a history.
enum ModelSuite {
    static let suite = GuestSuite(
        "model",
        machine: GuestMachine(
            diskMebibytes: [8, 256], modules: SlowOrigin.modules + ["dm-zero"], seconds: 3600),
        cases: shapes.map { shape in
            GuestCase(
                "random histories keep every snapshot and clone: \(shape.volumeBytes) bytes in chunks of "
                    + "\(shape.chunkBytes)"
            ) { context in
                let seed = number("SNAPMGR_SEED").map(UInt64.init) ?? .random(in: .min ... .max)
                let operations = (number("SNAPMGR_MODEL_OPERATIONS") ?? 360) / shapes.count
                Console.say("SNAPMGR_SEED=\(seed)")
                let origin = try SlowOrigin(disk: context.disks[0], mebibytes: 8)
                context.cleanUp { try origin.remove() }
                let rig = try DriverRig(
                    context, volumeBytes: shape.volumeBytes, chunkBytes: shape.chunkBytes,
                    originPath: origin.path)
                var history = ModelHistory(rig, origin, seed: seed)
                try history.run(operations)
                let counts = history.counts.sorted { $0.key < $1.key }
                Console.say(counts.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
            }
        })

    /// Volumes that are no multiple of the chunk, too.
    private static let shapes = [
        (volumeBytes: 1 << 20, chunkBytes: 4096), (volumeBytes: 3 << 20, chunkBytes: 16 << 10),
        (volumeBytes: (2 << 20) + 4096 * 3, chunkBytes: 64 << 10),
    ]

    private static func number(_ variable: String) -> Int? {
        getenv(variable).flatMap { Int(String(cString: $0)) }
    }
}

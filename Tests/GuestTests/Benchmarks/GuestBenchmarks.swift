import System
import DeviceDriver
import DeviceMapper
import Glibc
import MergeKit
import SnapshotModel
import TestKit

/// Measurements on a real kernel's device-mapper, in tables for docs/benchmarks.md. Ratios compare what
/// was measured in turn in one run; each figure is a median.
///
/// Disks: an origin of 512 MiB, the store's, one of 2 GiB for areas without a filesystem, and a sparse
/// origin of 100 GiB.
enum GuestBenchmarks {
    private static let tables: [(key: String, value: @Sendable (GuestContext) throws -> Void)] = [
        ("chain", { try ChainBenchmark.run($0) }), ("areas", { try AreaBenchmark.run($0) }),
        ("reverts", { try RevertBenchmark.run($0) }),
        ("merges", { try MergeBenchmark.run($0) }), ("windows", { try WindowBenchmark.run($0) }),
    ]

    /// Makes the tables with these names, or all.
    static func run(_ context: GuestContext, _ names: [String]) throws {
        for name in names where !tables.contains(where: { $0.key == name }) {
            throw Problem(.usage, "there is no table \(name): \(tables.map(\.key))")
        }
        for disk in context.disks.prefix(3) { try writeThrough(disk) }
        for (name, make) in tables where names.isEmpty || names.contains(name) {
            try make(context)
        }
    }

    /// Writes a whole disk, so that the file below has all its blocks, as a real disk has.
    private static func writeThrough(_ path: String) throws {
        let device = try DirectDevice(path: path)
        let buffer = AlignedBuffer(count: 4 << 20)
        var start = 0
        while start < (try device.byteCount()) {
            try device.write(buffer, at: start)
            start += buffer.count
        }
        try device.sync()
    }

    /// `$SNAPMGR_BENCH_ROUNDS`: how often each figure is taken.
    static let rounds = getenv("SNAPMGR_BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 5
    static let chunkBytes = 64 << 10
    static let volumeBytes = 256 << 20

    /// Runs `body` with a context of its own, and cleans up after it.
    static func with<Result>(
        _ context: GuestContext, _ body: (GuestContext) throws -> Result
    ) throws -> Result {
        let own = GuestContext(disks: context.disks)
        do {
            let result = try body(own)
            if let failure = own.end().first { throw failure }
            return result
        } catch {
            _ = own.end()
            throw error
        }
    }

    static func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let start = SystemClock().monotonicNanoseconds()
        try body()
        return Double(SystemClock().monotonicNanoseconds() - start) / 1e6
    }

    /// Lets the guest's filesystems and the host's disk end what was written before.
    static func settle() {
        sync()
        BackgroundThread.sleep(milliseconds: 500)
    }

    static func median(_ values: [Double]) -> Double { percentile(values, 50) }

    static func percentile(_ values: [Double], _ percent: Int) -> Double {
        let sorted = values.sorted()
        return sorted[min(sorted.count - 1, sorted.count * percent / 100)]
    }

    static func text(_ value: Double, _ digits: Int = 0) -> String {
        let scale = [1.0, 10, 100][digits]
        let rounded = (value * scale).rounded() / scale
        return digits == 0 ? String(Int(rounded)) : String(rounded)
    }

    /// Writes one chunk's bytes into each of so many chunks, so many at a time, past the page cache.
    /// Those of another `start` are others.
    static func firstWrites(
        _ count: Int, from start: Int = 0, to path: String, chunkBytes: Int, byte: UInt8,
        inFlight: Int = 1
    ) throws {
        let failure = Monitored<(any Error)?>(nil)
        WorkerThreads.run(inFlight) { thread in
            do {
                let device = try DirectDevice(path: path)
                var buffer = AlignedBuffer(count: chunkBytes)
                var bytes = buffer.mutableBytes
                _ = bytes.withUnsafeMutableBytes {
                    $0.initializeMemory(as: UInt8.self, repeating: byte)
                }
                // Scattered, and never the same chunk twice: 1021 is prime.
                for index in stride(from: start + thread, to: start + count, by: inFlight) {
                    try device.write(buffer, at: index * 1021 % 4096 * chunkBytes)
                }
            } catch { failure.change { $0 = error } }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}

/// First writes by what the area lies on.
private enum AreaBenchmark {
    private static let writes = 512
    private static let areaBytes = 512 << 20

    static func run(_ context: GuestContext) throws {
        Console.say("\n## areas\n")
        Console.say("| area | ms | against a raw disk |")
        Console.say("| --- | --- | --- |")
        var times: [String: [Double]] = [:]
        let kinds = ["no snapshot", "raw disk", "sparse file", "allocated file", "written file"]
        for _ in 0..<GuestBenchmarks.rounds {
            for kind in kinds { times[kind, default: []].append(try time(context, kind)) }
            times["snapmgr", default: []].append(try driver(context))
        }
        let raw = GuestBenchmarks.median(times["raw disk"] ?? [])
        for kind in kinds + ["snapmgr"] {
            let median = GuestBenchmarks.median(times[kind] ?? [])
            Console.say(
                "| \(kind) | \(GuestBenchmarks.text(median)) "
                    + "| \(GuestBenchmarks.text(median / raw, 2)) |")
        }
    }

    private static func time(_ context: GuestContext, _ kind: String) throws -> Double {
        try GuestBenchmarks.with(context) { context in
            let stack = PlainStack(context)
            try stack.makeOrigin(bytes: GuestBenchmarks.volumeBytes)
            switch kind {
            case "no snapshot": break
            case "raw disk": try stack.attachSnapshot(0, areaOffset: 0, areaBytes: areaBytes)
            default:
                try DriverRig.mountStore(context.disks[1], "ext4")
                context.cleanUp { _ = umount(DriverRig.mountPoint) }
                try stack.attachSnapshot(
                    onFile: DriverRig.mountPoint + "/area.cow", bytes: areaBytes, kind)
            }
            return try GuestBenchmarks.milliseconds {
                try GuestBenchmarks.firstWrites(
                    writes, to: stack.path, chunkBytes: GuestBenchmarks.chunkBytes, byte: 3)
            }
        }
    }

    private static func driver(_ context: GuestContext) throws -> Double {
        try GuestBenchmarks.with(context) { context in
            let rig = try DriverRig(
                context, volumeBytes: GuestBenchmarks.volumeBytes,
                chunkBytes: GuestBenchmarks.chunkBytes, isZeroed: false)
            try rig.takeSnapshot()
            return try GuestBenchmarks.milliseconds {
                try GuestBenchmarks.firstWrites(
                    writes, to: rig.devicePath, chunkBytes: GuestBenchmarks.chunkBytes, byte: 4)
            }
        }
    }
}

/// A revert with 10,000 exceptions, of a small and of a large origin.
private enum RevertBenchmark {
    private static let exceptions = 10_000
    private static let chunkBytes = 4096

    static func run(_ context: GuestContext) throws {
        Console.say("\n## reverts\n")
        Console.say("| origin | exceptions | usable after: ms (median, worst) |")
        Console.say("| --- | --- | --- |")
        for (disk, bytes) in [(0, 100 << 20), (3, 100 << 30)] {
            let times = try (0..<GuestBenchmarks.rounds).map { _ in
                try revert(context, disk: disk, bytes: bytes)
            }
            Console.say(
                "| \(ByteCount(bytes)) | \(exceptions) | "
                    + "\(GuestBenchmarks.text(GuestBenchmarks.median(times))), "
                    + "\(GuestBenchmarks.text(times.max() ?? 0)) |")
        }
    }

    private static func revert(
        _ context: GuestContext, disk: Int, bytes: Int
    ) throws -> Double {
        try GuestBenchmarks.with(GuestContext(disks: [context.disks[disk], context.disks[1]])) {
            context in
            let rig = try DriverRig(
                context, volumeBytes: bytes, chunkBytes: chunkBytes, isZeroed: false)
            let id = try rig.takeSnapshot()
            try rig.withDevice { device in
                // In pieces of four chunks: 2,500 runs all over the first 100 MiB.
                let piece = 4 * chunkBytes
                var buffer = AlignedBuffer(count: piece)
                var span = buffer.mutableBytes
                _ = span.withUnsafeMutableBytes {
                    $0.initializeMemory(as: UInt8.self, repeating: 5)
                }
                for index in 0..<exceptions / 4 {
                    try device.write(buffer, at: index * 2 * piece)
                }
            }
            let milliseconds = try GuestBenchmarks.milliseconds { try rig.revert(to: id) }
            try rig.finishMerge()
            return milliseconds
        }
    }
}

/// The merge of a revert, against the kernel's plain snapshot-merge of as many exceptions.
private enum MergeBenchmark {
    private static let writes = 2048

    static func run(_ context: GuestContext) throws {
        Console.say("\n## merges\n")
        Console.say("| merge of \((writes * GuestBenchmarks.chunkBytes) >> 20) MiB | ms | speed |")
        Console.say("| --- | --- | --- |")
        var (plain, ours, safe): ([Double], [Double], [Double]) = ([], [], [])
        for _ in 0..<GuestBenchmarks.rounds {
            plain.append(try plainMerge(context))
            ours.append(try revert(context, takingSafety: false))
            safe.append(try revert(context, takingSafety: true))
        }
        let base = GuestBenchmarks.median(plain)
        for (name, times) in [
            ("snapshot-merge", plain), ("snapmgr, without a safety snapshot", ours),
            ("snapmgr, with one: everything is copied twice", safe),
        ] {
            let median = GuestBenchmarks.median(times)
            Console.say(
                "| \(name) | \(GuestBenchmarks.text(median)) "
                    + "| \(GuestBenchmarks.text(base / median, 2)) |")
        }
    }

    private static func revert(_ context: GuestContext, takingSafety: Bool) throws -> Double {
        try GuestBenchmarks.with(context) { context in
            let rig = try DriverRig(
                context, volumeBytes: GuestBenchmarks.volumeBytes,
                chunkBytes: GuestBenchmarks.chunkBytes, isZeroed: false)
            let id = try rig.takeSnapshot()
            try GuestBenchmarks.firstWrites(
                writes, to: rig.devicePath, chunkBytes: GuestBenchmarks.chunkBytes, byte: 6)
            return try GuestBenchmarks.milliseconds {
                try rig.revert(to: id, takingSafety: takingSafety)
                try rig.finishMerge()
            }
        }
    }

    private static func plainMerge(_ context: GuestContext) throws -> Double {
        try GuestBenchmarks.with(context) { context in
            let stack = PlainStack(context)
            try stack.makeOrigin(bytes: GuestBenchmarks.volumeBytes)
            try DriverRig.mountStore(context.disks[1], "ext4")
            context.cleanUp { _ = umount(DriverRig.mountPoint) }
            try stack.attachSnapshot(
                onFile: DriverRig.mountPoint + "/area.cow", bytes: 512 << 20, "sparse file")
            try GuestBenchmarks.firstWrites(
                writes, to: stack.path, chunkBytes: GuestBenchmarks.chunkBytes, byte: 7)
            return try GuestBenchmarks.milliseconds { try stack.merge() }
        }
    }
}

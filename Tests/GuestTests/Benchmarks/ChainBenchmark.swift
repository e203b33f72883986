import System
import DeviceMapper
import SnapshotModel
import TestKit

/// First writes with more and more snapshots: ours, and one `snapshot` target for each on one origin.
enum ChainBenchmark {
    private static let writes = 512
    private static let counts = [1, 16, 64]
    private static let theirMaximum = 16
    private static let loads = [1, 16]

    /// A row of the table.
    private struct Row: Hashable {
        var inFlight: Int
        var count: Int
        /// After all older snapshots were deleted: what differs from the first row is the disk, and
        /// what differs from the one before is the chain.
        var isAgain = false
    }

    static func run(_ context: GuestContext) throws {
        Console.say("\n## first writes\n")
        Console.say(
            "| chunks of | in flight | snapshots | snapmgr: ms | against 1 again | a target each: ms "
                + "| snapmgr is faster by |")
        Console.say("| --- | --- | --- | --- | --- | --- | --- |")
        for chunkBytes in [4096, GuestBenchmarks.chunkBytes] { try run(context, chunkBytes) }
    }

    private static func run(_ context: GuestContext, _ chunkBytes: Int) throws {
        var (ours, theirs): ([Row: [Double]], [Row: [Double]]) = ([:], [:])
        for _ in 0..<GuestBenchmarks.rounds {
            try chain(context, chunkBytes) { ours[$0, default: []].append($1) }
            for count in counts where count <= theirMaximum {
                try targets(context, count, chunkBytes) { theirs[$0, default: []].append($1) }
            }
        }
        for inFlight in loads {
            let again = Row(inFlight: inFlight, count: 1, isAgain: true)
            let one = GuestBenchmarks.median(ours[again] ?? [])
            for row in counts.map({ Row(inFlight: inFlight, count: $0) }) + [again] {
                let time = GuestBenchmarks.median(ours[row] ?? [])
                let other = theirs[row].map(GuestBenchmarks.median)
                Console.say(
                    "| \(ByteCount(chunkBytes)) | \(inFlight) "
                        + "| \(row.count)\(row.isAgain ? " again" : "") "
                        + "| \(GuestBenchmarks.text(time)) "
                        + "| \(GuestBenchmarks.text(time / one, 2)) "
                        + "| \(other.map { GuestBenchmarks.text($0) } ?? "-") "
                        + "| \(other.map { GuestBenchmarks.text($0 / time, 1) } ?? "-") |")
            }
        }
    }

    /// One chain that grows, by a snapshot and as many first writes as are measured: with so many snapshots in it, the newest takes the first writes. The loads
    /// have a snapshot each, so that it is one more for the later one.
    private static func chain(
        _ context: GuestContext, _ chunkBytes: Int, _ report: (Row, Double) -> Void
    ) throws {
        try GuestBenchmarks.with(context) { context in
            let rig = try DriverRig(
                context, volumeBytes: GuestBenchmarks.volumeBytes, chunkBytes: chunkBytes,
                isZeroed: false)
            var ids: [SnapshotID] = []
            func measure(_ row: Row) throws {
                ids.append(try rig.takeSnapshot())
                GuestBenchmarks.settle()
                report(
                    row,
                    try GuestBenchmarks.milliseconds {
                        try GuestBenchmarks.firstWrites(
                            writes, to: rig.devicePath, chunkBytes: chunkBytes, byte: 1,
                            inFlight: row.inFlight)
                    })
            }
            for count in counts {
                while ids.count < count - 1 {
                    ids.append(try rig.takeSnapshot())
                    try GuestBenchmarks.firstWrites(
                        writes, from: writes, to: rig.devicePath, chunkBytes: chunkBytes,
                        byte: UInt8(ids.count), inFlight: 16)
                }
                for inFlight in loads { try measure(Row(inFlight: inFlight, count: count)) }
            }
            for inFlight in loads {
                try rig.delete(ids)
                ids = []
                try measure(Row(inFlight: inFlight, count: 1, isAgain: true))
            }
        }
    }

    /// What LVM does: each snapshot has a `snapshot` target on the origin, and an area of its own.
    private static func targets(
        _ context: GuestContext, _ count: Int, _ chunkBytes: Int,
        _ report: (Row, Double) -> Void
    ) throws {
        try GuestBenchmarks.with(context) { context in
            let stack = PlainStack(context, chunkBytes: chunkBytes)
            try stack.makeOrigin(bytes: GuestBenchmarks.volumeBytes)
            let room = 96 << 20
            for index in 0..<count {
                try stack.attachSnapshot(index, areaOffset: index * room, areaBytes: room)
            }
            for (index, inFlight) in loads.enumerated() {
                GuestBenchmarks.settle()
                report(
                    Row(inFlight: inFlight, count: count),
                    try GuestBenchmarks.milliseconds {
                        try GuestBenchmarks.firstWrites(
                            writes, from: index * writes, to: stack.path,
                            chunkBytes: chunkBytes, byte: 2, inFlight: inFlight)
                    })
            }
        }
    }
}

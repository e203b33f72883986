import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel

/// What the number of snapshots costs those who read: a chain of `SNAPMGR_BENCH_SNAPSHOTS` (2000)
/// snapshots, three random writes before each, read without the index of views and with indices of
/// several fan-outs.
enum ChainBenchmark {
    private static let volumeBytes = 512 << 20
    private static let chunkBytes = 16 << 10
    private static let blockBytes = 4 << 10

    private static var snapshotCount: Int {
        getenv("SNAPMGR_BENCH_SNAPSHOTS").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    static func run(_ workspace: Workspace) throws {
        let origin = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
        let engine = try workspace.volume(on: origin, chunkBytes: chunkBytes)
        let store = engine.storeFolder
        try grow(engine)
        try engine.close()
        var table = Table(
            "\(snapshotCount) snapshots", "index: s", "MiB", "files", "open: ms",
            "first read of the oldest: ms", "of one in the middle: ms",
            "next read after a snapshot: ms", "4 KiB reads of the oldest against live",
            "revert's preview: ms")
        for fanOut in [nil, 4, 8] as [Int?] {
            try removeIndex(store, workspace)
            try measure(fanOut, store, origin, workspace, &table)
        }
        table.show()
        try workspace.run(["rm", "-rf", origin.path, store.path])
    }

    private static func open(
        _ fanOut: Int?, _ store: any Folder, _ origin: any BlockDevice
    ) throws -> LiveEngine {
        try LiveEngine.open(
            store: store, origin: origin,
            options: EngineOptions(indexShape: fanOut.map(IndexShape.init)))
    }

    /// Three writes of 4 to 64 KiB anywhere before each snapshot.
    private static func grow(_ engine: LiveEngine) throws {
        var pattern = Pattern(seed: 2)
        var buffer = AlignedBuffer(count: 64 << 10)
        pattern.fill(&buffer)
        for id in 1...snapshotCount {
            try engine.snapshot(id)
            for _ in 0..<3 {
                let count = (1 + pattern.below(16)) * blockBytes
                let place = pattern.below((volumeBytes - count) / blockBytes) * blockBytes
                try engine.write(buffer.bytes(in: 0..<count), at: place)
            }
        }
    }

    private static func removeIndex(_ store: any Folder, _ workspace: Workspace) throws {
        try workspace.run(["rm", "-rf", store.path + "/" + StoreLayout.index])
    }

    private static func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let start = SystemClock().monotonicNanoseconds()
        try body()
        return Double(SystemClock().monotonicNanoseconds() - start) / 1e6
    }

    private static func measure(
        _ fanOut: Int?, _ store: any Folder, _ origin: any BlockDevice, _ workspace: Workspace,
        _ table: inout Table
    ) throws {
        let building = try open(fanOut, store, origin)
        let build = milliseconds { while building.extendIndex() {} }
        try building.close()
        let files = (try? store.list(StoreLayout.index)) ?? []
        let bytes = try files.reduce(0) { sum, name in
            try sum + store.openFile(StoreLayout.index + "/" + name, writable: false).byteCount()
        }
        var (opens, firsts, middles, previews): ([Double], [Double], [Double], [Double])
        (opens, firsts, middles, previews) = ([], [], [], [])
        for _ in 0..<Measurement.runs {
            var engine: LiveEngine?
            opens.append(try milliseconds { engine = try open(fanOut, store, origin) })
            guard let engine else { return }
            firsts.append(try milliseconds { try readOnce(engine, 1) })
            middles.append(try milliseconds { try readOnce(engine, snapshotCount / 2 + 3) })
            previews.append(
                try milliseconds {
                    _ = try engine.previewRevert(to: SnapshotID(rawValue: 1))
                })
        }
        let engine = try open(fanOut, store, origin)
        let view = try engine.openView(of: SnapshotID(rawValue: 1))
        let ratio = try ratio(view, engine)
        let next = try nextRead(view, engine)
        view.close()
        try engine.close()
        func median(_ values: [Double]) -> String {
            decimal(Measurement(seconds: values).median, 2)
        }
        table.add(
            fanOut.map { "fan-out \($0)" } ?? "no index", decimal(build / 1000, 1),
            decimal(Double(bytes) / Double(1 << 20), 1), "\(files.count)", median(opens),
            median(firsts), median(middles), median(next), decimal(ratio), median(previews))
    }

    private static func readOnce(_ engine: LiveEngine, _ id: Int) throws {
        let view = try engine.openView(of: SnapshotID(rawValue: Int64(id)))
        defer { view.close() }
        try read(view, at: 0)
    }

    private static func read(_ view: SnapshotView, at offset: Int) throws {
        var buffer = AlignedBuffer(count: blockBytes)
        var bytes = buffer.mutableBytes
        try view.read(into: &bytes, at: offset)
    }

    /// The reads of a view per second against those of the volume.
    private static func ratio(_ view: SnapshotView, _ engine: LiveEngine) throws -> Double {
        var ratios: [Double] = []
        for run in 0...Measurement.runs {
            let (own, live) = try (
                reads(seed: run) { try read(view, at: $0) },
                reads(seed: run) { offset in
                    var buffer = AlignedBuffer(count: blockBytes)
                    var bytes = buffer.mutableBytes
                    try engine.read(into: &bytes, at: offset)
                }
            )
            // The first run opens files.
            if run > 0 { ratios.append(live / own) }
        }
        return Measurement(seconds: ratios).median
    }

    /// The milliseconds of many random reads.
    private static func reads(seed: Int, _ body: (Int) throws -> Void) throws -> Double {
        var pattern = Pattern(seed: UInt64(seed + 10))
        return try milliseconds {
            for _ in 0..<50_000 {
                try body(pattern.below(volumeBytes / blockBytes) * blockBytes)
            }
        }
    }

    /// The milliseconds of a view's first reads after snapshots, each taken back afterwards but for what
    /// it leaves in the chain.
    private static func nextRead(_ view: SnapshotView, _ engine: LiveEngine) throws -> [Double] {
        var results: [Double] = []
        for run in 0..<Measurement.runs {
            let id = (engine.snapshots().last?.manifest.id.rawValue ?? 0) + 1
            try engine.snapshot(Int(id))
            var buffer = AlignedBuffer(count: blockBytes)
            var bytes = buffer.mutableBytes
            bytes.zero()
            try engine.write(buffer.bytes, at: run * chunkBytes)
            while engine.extendIndex() {}
            results.append(try milliseconds { try read(view, at: 0) })
        }
        return results
    }
}

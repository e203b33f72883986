import System
import MergeKit
import StoreFormat
import SnapshotModel

/// What the index of views is worth on the chain of ``ScaleChain``, below the server: the same chain
/// read without an index, and with indices of several fan-outs, in turn.
enum ChainBenchmark {
    private static let volumeBytes = ScaleChain.volumeBytes
    private static let chunkBytes = ScaleChain.chunkBytes
    private static let blockBytes = 4 << 10

    private static var snapshotCount: Int { ScaleBenchmark.many }

    static func run(_ workspace: Workspace) throws {
        let origin = try workspace.filledFile("origin", byteCount: volumeBytes, seed: 1)
        let engine = try workspace.volume(on: origin, chunkBytes: chunkBytes)
        let store = engine.storeFolder
        try ScaleChain.grow(engine, count: snapshotCount)
        try engine.close()
        var table = Table(
            "\(snapshotCount) snapshots", "index: s", "MiB", "files", "open: ms",
            "first read of the oldest: ms", "of one in the middle: ms",
            "next read after a snapshot: ms", "4 KiB reads of the oldest against live",
            "revert's preview: ms")
        var variants = try [nil, 4, 8].map { fanOut throws in
            try Variant(fanOut, store, origin, workspace)
        }
        // In turn, so that a noisy machine is noisy for all.
        for _ in 0..<Measurement.runs {
            for index in variants.indices {
                try variants[index].measure(store, origin, workspace)
            }
        }
        for variant in variants { variant.add(to: &table) }
        table.show()
        try workspace.run(["rm", "-rf", origin.path, store.path])
    }

    /// One way to have an index, or none, and what was measured with it.
    private struct Variant {
        let fanOut: Int?
        private let index: (seconds: Double, bytes: Int, files: Int)
        private var opens: [Double] = []
        private var firsts: [Double] = []
        private var middles: [Double] = []
        private var nexts: [Double] = []
        private var ratios: [Double] = []
        private var previews: [Double] = []

        /// Makes the index, and puts it where the next one is not in its way.
        init(
            _ fanOut: Int?, _ store: any Folder, _ origin: any BlockDevice, _ workspace: Workspace
        ) throws {
            self.fanOut = fanOut
            let engine = try ChainBenchmark.open(fanOut, store, origin)
            let milliseconds = ChainBenchmark.milliseconds { while engine.extendIndex() {} }
            try engine.close()
            let files = (try? store.list(StoreLayout.index)) ?? []
            let bytes = try files.reduce(0) { sum, name in
                let path = StoreLayout.index + "/" + name
                return try sum + store.openFile(path, writable: false).byteCount()
            }
            index = (milliseconds / 1000, bytes, files.count)
            if fanOut != nil { try store.rename(StoreLayout.index, to: place) }
        }

        private var place: String { "index-\(fanOut ?? 0)" }

        mutating func measure(
            _ store: any Folder, _ origin: any BlockDevice, _ workspace: Workspace
        ) throws {
            if fanOut != nil { try store.rename(place, to: StoreLayout.index) }
            var opened: LiveEngine?
            opens.append(
                try ChainBenchmark.milliseconds {
                    opened = try ChainBenchmark.open(fanOut, store, origin)
                })
            guard let engine = opened else { return }
            let view = try engine.openView(of: SnapshotID(rawValue: 1))
            firsts.append(try ChainBenchmark.milliseconds { try ChainBenchmark.read(view, at: 0) })
            middles.append(
                try ChainBenchmark.milliseconds {
                    try ChainBenchmark.readOnce(engine, snapshotCount / 2 + 3)
                })
            previews.append(
                try ChainBenchmark.milliseconds {
                    _ = try engine.previewRevert(to: SnapshotID(rawValue: 1))
                })
            ratios.append(try ChainBenchmark.ratio(view, engine))
            nexts.append(try ChainBenchmark.nextRead(view, engine))
            view.close()
            try engine.close()
            if fanOut != nil { try store.rename(StoreLayout.index, to: place) }
        }

        func add(to table: inout Table) {
            func median(_ values: [Double]) -> String {
                decimal(Measurement(seconds: values).median, 2)
            }
            table.add(
                fanOut.map { "fan-out \($0)" } ?? "no index", decimal(index.seconds, 1),
                decimal(Double(index.bytes) / Double(1 << 20), 1), "\(index.files)",
                median(opens), median(firsts), median(middles), median(nexts), median(ratios),
                median(previews))
        }
    }

    private static func open(
        _ fanOut: Int?, _ store: any Folder, _ origin: any BlockDevice
    ) throws -> LiveEngine {
        try LiveEngine.open(
            store: store, origin: origin,
            options: EngineOptions(indexShape: fanOut.map { IndexShape(fanOut: $0) }))
    }

    private static func milliseconds(_ body: () throws -> Void) rethrows -> Double {
        let start = SystemClock().monotonicNanoseconds()
        try body()
        return Double(SystemClock().monotonicNanoseconds() - start) / 1e6
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
        // The first time opens files.
        _ = try reads { try read(view, at: $0) }
        let own = try reads { try read(view, at: $0) }
        let live = try reads { offset in
            var buffer = AlignedBuffer(count: blockBytes)
            var bytes = buffer.mutableBytes
            try engine.read(into: &bytes, at: offset)
        }
        return live / own
    }

    /// The milliseconds of many random reads.
    private static func reads(_ body: (Int) throws -> Void) throws -> Double {
        var pattern = Pattern(seed: 10)
        return try milliseconds {
            for _ in 0..<20_000 {
                try body(pattern.below(volumeBytes / blockBytes) * blockBytes)
            }
        }
    }

    /// The milliseconds of a view's first read after another snapshot.
    private static func nextRead(_ view: SnapshotView, _ engine: LiveEngine) throws -> Double {
        let id = (engine.snapshots().last?.manifest.id.rawValue ?? 0) + 1
        try engine.snapshot(Int(id))
        var buffer = AlignedBuffer(count: blockBytes)
        var bytes = buffer.mutableBytes
        bytes.zero()
        try engine.write(buffer.bytes, at: 0)
        while engine.extendIndex() {}
        return try milliseconds { try read(view, at: chunkBytes) }
    }
}

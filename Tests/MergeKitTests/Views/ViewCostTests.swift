import System
import SnapshotModel
import TestKit
import Testing

@testable import MergeKit

/// Counted, not timed.
@Suite("What a snapshot's reader costs follows the exceptions, never the volume's size")
struct ViewCostTests {
    private static let chunk = EngineFixture.chunkBytes

    /// All extents of a view.
    private func extents(_ view: SnapshotView) throws -> [Extent] {
        var result: [Extent] = []
        var position = 0
        while position < view.byteCount {
            let part = try view.extents(in: position..<view.byteCount, limit: 64)
            result += part
            position = try #require(part.last).range.upperBound
        }
        return result
    }

    /// As extents of data, in chunks.
    private func data(_ extents: [Extent]) -> [Range<Int>] {
        extents.filter { !$0.isHole }.map {
            $0.range.lowerBound / Self.chunk..<$0.range.upperBound / Self.chunk
        }
    }

    @Test(
        "an almost empty volume of a million chunks is looked up a few times, in every kind of chain"
    )
    func hugeVolume() throws {
        let chunks = 1 << 20
        let volume = try EngineFixture(chunks: chunks)
        let places = [0, 5, 6, 7, 1 << 12, chunks / 2, chunks - 1]
        for place in places { try volume.write(1, to: place) }
        try volume.snapshot(1)
        for place in places.reversed() { try volume.write(2, to: place) }
        let expected =
            [0..<1, 5..<8, 4096..<4097, chunks / 2..<chunks / 2 + 1]
            + [chunks - 1..<chunks]
        func check(_ id: Int64) throws {
            let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
            defer { view.close() }
            #expect(try data(extents(view)) == expected)
            #expect(view.lookUpCount < 100)
        }
        try check(1)
        try volume.snapshot(2)
        try volume.write(3, to: 6)
        for id in [1, 2] as [Int64] { try check(id) }
        // In mid-merge, with a snapshot taken since: two areas grow, with frozen ones between them.
        try volume.revert(1, to: 1, safety: 3)
        try volume.write(4, to: 5)
        try volume.snapshot(4)
        try volume.snapshot(5)
        try volume.write(5, to: 7)
        for id in 1...5 as ClosedRange<Int64> { try check(id) }
        try volume.merge()
        for id in 1...5 as ClosedRange<Int64> { try check(id) }
    }

    @Test("R16: sorting what a reader looks for keeps no writer waiting")
    func sortsBesideWriters() throws {
        let volume = try EngineFixture(chunks: 64)
        try volume.snapshot(1)
        try volume.write(1, to: 0..<8)
        let area = try #require(volume.engine.chain.active)
        let isDone = Monitored(false)
        area.order.withLock { _ in
            // Waits for the order, as for one that takes long to make.
            let isReading = Monitored(false)
            let reader = BackgroundThread.start(name: "reader") {
                isReading.change { $0 = true }
                let view = try? volume.engine.openView(of: SnapshotID(rawValue: 1))
                _ = try? view?.extents(in: 0..<64 * Self.chunk, limit: 64)
            }
            let writer = BackgroundThread.start(name: "writer") {
                _ = isReading.wait { $0 ? true : nil }
                BackgroundThread.sleep(milliseconds: 200)
                try? volume.write(2, to: 32)
                isDone.change { $0 = true }
            }
            #expect(isDone.wait(milliseconds: 300_000) { $0 ? true : nil } == true)
            withExtendedLifetime((reader, writer)) {}
        }
    }

    @Test("an export reads the chunks that there are")
    func export() throws {
        let volume = try EngineFixture(chunks: 1 << 20)
        try volume.write(1, to: 3, 1 << 19)
        try volume.snapshot(1)
        try volume.write(2, to: 3)
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
        let target = try volume.disk.createFile("copy", byteCount: 0)
        try SnapshotExporter.export(view, to: target)
        #expect(try target.byteCount() == (1 << 20) * Self.chunk)
        #expect(try target.allocatedBytes() == 2 * Self.chunk)
        for chunk in [3, 1 << 19] {
            let bytes = try target.content(chunk * Self.chunk..<(chunk + 1) * Self.chunk)
            #expect(bytes == [UInt8](repeating: 1, count: Self.chunk))
        }
        #expect(view.lookUpCount < 100)
    }

    @Test(
        "runs are found as they lie, whatever the order of writing",
        arguments: 0..<8 as Range<UInt64>)
    func runs(seed: UInt64) throws {
        let chunks = 4096
        let volume = try EngineFixture(chunks: chunks)
        try volume.snapshot(1)
        var random = SeededGenerator(seed: seed)
        var written: Set<Int> = []
        let device = volume.disk
        for round in 0..<12 {
            for _ in 0..<random.below(40) {
                let first = random.below(chunks)
                let range = first..<min(chunks, first + 1 + random.below(9))
                try volume.write(UInt8(round + 1), to: range)
                written.formUnion(range)
            }
            // The snapshot held zeroes: what is read must be, from whichever side it comes.
            let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
            defer { view.close() }
            #expect(try extents(view).map(\.isHole) == [true])
            let before = view.lookUpCount
            _ = try EngineFixture.content(of: view)
            // As many runs as gaps at most, and each gap is read and looked up again.
            #expect(view.lookUpCount - before <= 6 * (written.count + 1))
        }
        #expect(device.operations > 0)
        let map = try #require(volume.engine.snapshots().first)
        #expect(map.exceptionCount == written.count)
    }
}

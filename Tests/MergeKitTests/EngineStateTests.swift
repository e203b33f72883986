import System
import MergeKit
import SnapshotModel
import StoreFormat
import TestKit
import Testing

@Suite("An engine knows of its volume what the store tells to who reads it afresh")
struct EngineStateTests {
    /// Snapshots 1, 2 and 3, each with exceptions.
    private func makeVolume(_ policy: StoreFullPolicy = .breakWrites) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 8, policy: policy)
        try volume.write(8, to: 0..<8)
        for id in 1...3 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id), to: 0..<id)
        }
        return volume
    }

    private func expectEqual(
        _ volume: EngineFixture, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try volume.engine.stateMismatch() == nil, sourceLocation: sourceLocation)
        let again = try volume.reopened()
        #expect(try again.engine.stateMismatch() == nil, sourceLocation: sourceLocation)
        #expect(
            volume.engine.volumeState.mismatch(again.engine.volumeState) == nil,
            sourceLocation: sourceLocation)
    }

    @Test("after snapshots, deletions, collections and changes of size")
    func snapshots() throws {
        let volume = try EngineFixture(chunks: 8)
        try expectEqual(volume)
        for id in 1...4 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id), to: 0..<id)
            try expectEqual(volume)
        }
        try volume.delete(2)
        try expectEqual(volume)
        _ = try volume.engine.collect()
        try expectEqual(volume)
        try volume.engine.resize(to: 10 * EngineFixture.chunkBytes)
        try expectEqual(volume)
        try volume.delete(1, 3, 4)
        _ = try volume.engine.collect()
        try expectEqual(volume)
    }

    @Test("an open asks four things of each frozen snapshot, and none of them twice")
    func openAsks() throws {
        let disk = try makeVolume().crashed(.keepAll)
        let asked = Monitored<[String]>([])
        disk.observer = { operation in
            let kinds: [DiskOperation.Kind] = [.look, .open, .list, .read, .syncFolder]
            guard kinds.contains(operation.kind) else { return }
            let parts = operation.path.split(separator: "/").suffix(2)
            if parts.contains("000002") {
                asked.change { $0.append("\(operation.kind) \(parts.last ?? "")") }
            }
        }
        _ = try EngineFixture(opening: disk)
        #expect(
            asked.withLock { $0.sorted() } == [
                "look broken", "look deleted", "open area.cow", "read area.cow",
                "read manifest.json",
            ])
    }

    @Test("at each step of a revert's merge, paused, throttled, displaced and ended")
    func merge() throws {
        let volume = try makeVolume()
        try volume.revert(1, to: 1, safety: 4)
        #expect(volume.engine.volumeState.revert?.phase == .committed)
        try expectEqual(volume)
        _ = try volume.engine.mergeStep(byteLimit: EngineFixture.chunkBytes)
        #expect(volume.engine.volumeState.revert?.phase == .begun)
        try expectEqual(volume)
        try volume.engine.pauseMerge()
        #expect(volume.engine.volumeState.revert?.phase == .paused)
        try expectEqual(volume)
        try volume.engine.throttleMerge(bytesPerSecond: 1 << 30)
        try expectEqual(volume)
        try volume.engine.resumeMerge()
        _ = try volume.engine.cancelMerge(RevertID(rawValue: 2))
        try expectEqual(volume)
        try volume.snapshot(5)
        try volume.write(9, to: 7)
        #expect(volume.engine.volumeState.second?.id.rawValue == 4)
        try expectEqual(volume)
        try volume.merge()
        #expect(volume.engine.volumeState.revert == nil)
        try expectEqual(volume)
    }

    @Test("when exceptions were lost, also when those who lost them are deleted and collected")
    func broken() throws {
        let volume = try makeVolume(.breakSnapshots)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        try volume.write(9, to: 0..<8)
        #expect(volume.engine.volumeState.lostThrough?.rawValue == 3)
        try expectEqual(volume)
        volume.disk.capacityBytes = nil
        try volume.snapshot(4)
        try volume.write(10, to: 0)
        try expectEqual(volume)
        try volume.delete(3)
        _ = try volume.engine.collect()
        try expectEqual(volume)
        #expect(
            try volume.reopened().engine.snapshots().prefix(2).map(\.state) == [.broken, .broken])
        try volume.delete(1, 2)
        _ = try volume.engine.collect()
        try expectEqual(volume)
    }

    @Test("a snapshot whose empty area was given up stays as long as an older one is there")
    func emptyBroken() throws {
        let volume = try EngineFixture(chunks: 8, policy: .breakSnapshots)
        try volume.write(8, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        try volume.write(2, to: 0..<8)
        volume.disk.capacityBytes = nil
        try volume.snapshot(3)
        try volume.delete(2)
        _ = try volume.engine.collect()
        try expectEqual(volume)
        let again = try volume.reopened()
        #expect(again.engine.snapshots().first?.state == .broken)
        try again.delete(1)
        _ = try again.engine.collect()
        #expect(again.engine.snapshots().map(\.manifest.id.rawValue) == [3])
        try expectEqual(again)
    }

    @Test("while a manifest, a deleted snapshot's area or a header is not to be found")
    func doubt() throws {
        let files = [StoreLayout.manifest(SnapshotOrdinal(rawValue: 2)), EngineFixture.area(2)]
        for (index, file) in files.enumerated() {
            let volume = try makeVolume()
            if index == 1 { try volume.delete(2) }
            let disk = volume.crashed(.keepAll)
            try disk.removeFile(file)
            let open = try EngineFixture(opening: disk)
            #expect(open.engine.volumeState.unreachableThrough?.rawValue == 1)
            #expect(open.engine.volumeState.lostThrough == nil)
            #expect(open.engine.snapshots().first?.state == .broken)
            try expectEqual(open)
            try open.snapshot(4)
            try expectEqual(open)
            // Nobody needs it any more.
            try open.delete(1)
            #expect(open.engine.volumeState.brokenThrough == nil)
            #expect(try open.engine.stateMismatch() == nil)
        }
        let disk = try makeVolume().crashed(.keepAll)
        try disk.openFile(EngineFixture.area(2), writable: true).write([9], at: 0)
        let open = try EngineFixture(opening: disk)
        #expect(open.engine.volumeState.losses.unread.map(\.rawValue) == [2])
        try expectEqual(open)
    }
}

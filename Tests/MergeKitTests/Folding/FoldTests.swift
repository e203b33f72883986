import Glibc
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("Folding: what deleted snapshots hold for an older one moves into its area")
struct FoldTests {
    private static let narrow = IndexShape(fanOut: 2)

    /// Snapshots 1 to `count`, and after each a write to four chunks: one that is written each time, two of
    /// its own, and one of the one before.
    private func chain(_ count: Int, shape: IndexShape = narrow) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 2 * count, indexShape: shape)
        try volume.write(100, to: 0..<2 * count)
        for number in 1...count {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(number), to: 0, number, number - 1, count + number - 1)
        }
        return volume
    }

    /// What snapshot `number` of ``chain(_:shape:)`` holds.
    private func content(_ number: Int, of count: Int) -> [UInt8?] {
        var content = [UInt8?](repeating: 100, count: 2 * count)
        for earlier in 1..<number {
            content[0] = UInt8(earlier)
            content[earlier] = UInt8(earlier)
            content[earlier - 1] = UInt8(earlier)
            content[count + earlier - 1] = UInt8(earlier)
        }
        return content
    }

    private func fold(_ volume: EngineFixture, chunks: Int = 1000) throws {
        while try volume.engine.fold(byteLimit: chunks * EngineFixture.chunkBytes) {}
    }

    private func faults(_ volume: EngineFixture) throws -> [String] {
        try volume.check(readData: true, indexShape: Self.narrow)
            .filter { $0.severity != .note }.map { "\($0.object): \($0.message)" }
    }

    private func folders(_ disk: SimulatedDisk) throws -> [Int] {
        try Store(folder: disk).snapshotFolders().map(\.rawValue)
    }

    @Test(
        "a chain has as many areas as live snapshots, whatever was taken, and each reads as before",
        arguments: [1, 3, 1000])
    func asManyAsLive(chunks: Int) throws {
        let volume = try chain(12)
        try volume.delete(2, 3, 4, 5, 7, 8, 10)
        _ = try volume.engine.collect()
        #expect(try folders(volume.disk).count == 12, "each of them holds a chunk for an older one")
        try fold(volume, chunks: chunks)
        #expect(try folders(volume.disk) == [1, 6, 9, 11, 12])
        for number in [1, 6, 9, 11, 12] {
            #expect(try volume.content(Int64(number)) == content(number, of: 12))
        }
        let reopened = try volume.reopened(indexShape: Self.narrow)
        for number in [1, 6, 9, 11, 12] {
            #expect(try reopened.content(Int64(number)) == content(number, of: 12))
        }
        #expect(try faults(volume) == [])
        #expect(try !volume.engine.fold(byteLimit: 1 << 20), "nothing is left to do")
    }

    @Test("a view that was open all the while reads the same, with maps of the index from before")
    func openViews() throws {
        let volume = try chain(16)
        while volume.engine.extendIndex() {}
        let ids: [Int64] = [1, 5, 9, 16]
        let views = try ids.map { try volume.engine.openView(of: SnapshotID(rawValue: $0)) }
        defer { for view in views { view.close() } }
        func check() throws {
            for (id, view) in zip(ids, views) {
                #expect(try EngineFixture.content(of: view) == content(Int(id), of: 16))
            }
        }
        try check()
        try volume.delete(2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15)
        func fold() throws -> Bool {
            // Also by who looks while something is moved, and again when it was freed where it had been.
            try volume.engine.fold(byteLimit: EngineFixture.chunkBytes) {
                #expect(throws: Never.self) { try check() }
                return true
            }
        }
        while try fold() { try check() }
        while volume.engine.extendIndex() { try check() }
        #expect(try folders(volume.disk).count == 4)
        #expect(try faults(volume) == [])
    }

    @Test(
        "what was moved goes on to be moved when the snapshot that took it is deleted in its turn")
    func again() throws {
        let volume = try chain(10)
        for id: Int64 in [9, 8, 7, 6, 5, 4, 3, 2] {
            try volume.delete(id)
            try fold(volume)
            #expect(try folders(volume.disk).count == Int(id))
            #expect(try volume.content(1) == content(1, of: 10))
            #expect(try volume.content(10) == content(10, of: 10))
        }
    }

    @Test("nothing is moved during a merge, and what was moved before it began is freed after it")
    func merge() throws {
        let volume = try chain(8)
        try volume.delete(3, 4, 5)
        // Half of it: the plan of the merge is made of both.
        _ = try volume.engine.fold(byteLimit: EngineFixture.chunkBytes)
        try volume.revert(1, to: 2, safety: 9)
        #expect(try !volume.engine.fold(byteLimit: 1 << 20))
        try volume.merge(chunksAtOnce: 1)
        #expect(try volume.content() == content(2, of: 8))
        try fold(volume)
        #expect(try folders(volume.disk) == [1, 2, 6, 7, 8, 9])
        for number in [1, 2, 6, 7, 8] {
            #expect(try volume.content(Int64(number)) == content(number, of: 8))
        }
    }

    @Test("a merge that begins while something is moved finds all that its plan names")
    func mergeBegins() throws {
        let volume = try chain(8)
        try volume.delete(3, 4, 5)
        var isFirst = true
        _ = try volume.engine.fold(byteLimit: 1 << 20) {
            guard isFirst else { return true }
            isFirst = false
            // Of somebody else, who need not wait for it.
            WorkerThreads.run(1) { _ in _ = try? volume.revert(1, to: 2, safety: 9) }
            return true
        }
        #expect(volume.engine.mergeProgress() != nil)
        try volume.merge(chunksAtOnce: 1)
        #expect(try volume.content() == content(2, of: 8))
        try fold(volume)
        _ = try volume.engine.collect()
        #expect(try volume.content(2) == content(2, of: 8))
        #expect(try folders(volume.disk) == [1, 2, 6, 7, 8, 9])
    }

    @Test("snapshots of other sizes, lost ones and the area that grows are left alone")
    func leftAlone() throws {
        let volume = try chain(4)
        try volume.delete(4)
        try fold(volume)
        #expect(try folders(volume.disk) == [1, 2, 3, 4], "it grows")
        try volume.engine.resize(to: 6 * EngineFixture.chunkBytes)
        try volume.snapshot(5)
        try volume.write(5, to: 0..<6)
        try volume.snapshot(6)
        try volume.delete(5)
        try fold(volume)
        let left = try folders(volume.disk)
        #expect(left.contains(5), "it has another size than the one before it")
        #expect(try volume.content(3) == content(3, of: 4))
    }

    @Test(
        "syncs that fail in a fold lose nothing, whatever is freed afterwards and by whom",
        arguments: 0..<24, [false, true])
    func lostSync(number: Int, isPermanent: Bool) throws {
        let disk = try chain(6).crashed(.keepAll)
        let volume = try EngineFixture(opening: disk, indexShape: Self.narrow)
        try volume.delete(3, 4, 5)
        disk.faults = FaultPlan(
            .lostSync, kinds: [.sync], after: number, isPermanent: isPermanent)
        _ = try? volume.engine.fold(byteLimit: 1 << 20)
        disk.faults = nil
        // As after a kill: the page cache shows what the disk may not hold.
        let next = try EngineFixture(opening: disk, indexShape: Self.narrow)
        _ = try next.engine.collect()
        for mode in CrashMode.allCases {
            let after = try EngineFixture(
                opening: next.crashed(mode, seed: UInt64(number)), indexShape: Self.narrow)
            for id in [1, 2, 6] { #expect(try after.content(Int64(id)) == content(id, of: 6)) }
        }
    }

    @Test(
        "an area that a cut fold has left, and that is damaged since, keeps its own and nothing else"
    )
    func damagedSince() throws {
        let volume = try chain(9)
        try volume.delete(3, 4, 7, 8)
        let target = SnapshotOrdinal(rawValue: 2)
        try Store(folder: volume.disk).writeMark(StoreLayout.extendedMark(target))
        let area = try volume.disk.openFile(EngineFixture.area(2), writable: true)
        try area.write([UInt8](repeating: 0xEE, count: 64).span.bytes, at: 4096)
        let next = try EngineFixture(opening: volume.disk, indexShape: Self.narrow)
        // Nothing of the first stretch goes, however often it is tried; the second one is collected.
        let report = try next.engine.collect()
        #expect(report.punchedBytes > 0)
        _ = try? fold(next)
        try fold(next)
        #expect(try folders(next.disk) == [1, 2, 3, 4, 5, 6, 9])
        for id in [5, 6, 9] { #expect(try next.content(Int64(id)) == content(id, of: 9)) }
        #expect(try next.disk.exists(StoreLayout.extendedMark(target)))
    }

    @Test("with too little room in the store nothing is moved, and nothing is lost")
    func noRoom() throws {
        let volume = try chain(6)
        try volume.delete(3, 4, 5)
        _ = try volume.engine.collect()
        volume.disk.capacityBytes = volume.disk.allocatedBytes + 2 * EngineFixture.chunkBytes
        #expect(try !volume.engine.fold(byteLimit: 8 * EngineFixture.chunkBytes))
        volume.disk.capacityBytes = nil
        #expect(try volume.content(2) == content(2, of: 6))
        try fold(volume)
        #expect(try folders(volume.disk) == [1, 2, 6])
    }

    @Test("an area that cannot be read is told once, and the others are folded all the same")
    func unreadable() throws {
        let volume = try chain(9).reopened(indexShape: Self.narrow)
        try volume.delete(3, 4, 7, 8)
        let bad = volume.disk.path + "/" + EngineFixture.area(4)
        volume.disk.observer = { [disk = volume.disk] operation in
            disk.faults =
                operation.path == bad && operation.kind == .read
                ? FaultPlan(.error(EIO), kinds: [.read], after: 0, isPermanent: false) : nil
        }
        #expect(throws: Problem.self) { try fold(volume) }
        try fold(volume)
        volume.disk.observer = nil
        volume.disk.faults = nil
        #expect(try folders(volume.disk) == [1, 2, 3, 4, 5, 6, 9])
        for id in [1, 2, 5, 6, 9] {
            #expect(try volume.content(Int64(id)) == content(id, of: 9))
        }
    }
}

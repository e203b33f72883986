import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("The index of views: what making a map costs, and when it is given up")
struct IndexBuildTests {
    /// A volume with so many snapshots, each with two chunks of its own.
    private func chain(_ count: Int, _ shape: IndexShape) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 1024, indexShape: shape)
        for number in 1...count {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(truncatingIfNeeded: number), to: 4 * number, 4 * number + 2)
        }
        return volume
    }

    /// How many areas and maps each call of the builder opened or read, until nothing was left to do.
    private func opened(_ volume: EngineFixture) -> [Int] {
        var counts: [Int] = []
        while true {
            let paths = Monitored<Set<String>>([])
            volume.disk.observer = { operation in
                guard [.open, .read].contains(operation.kind) else { return }
                paths.withLock { _ = $0.insert(operation.path) }
            }
            defer { volume.disk.observer = nil }
            guard volume.engine.extendIndex() else { return counts }
            counts.append(paths.withLock { $0 }.count { $0.hasSuffix(".cow") })
        }
    }

    private func levels(_ volume: EngineFixture, _ shape: IndexShape) throws -> Set<Int> {
        Set(try Store(folder: volume.disk).indexBlocks(shape).map(\.level))
    }

    @Test(
        "of blocks that are too large no map is made, and no larger block reads their areas instead"
    )
    func tooLarge() throws {
        // Four areas with two runs each: 12 items.
        let shape = IndexShape(fanOut: 4, itemsMaximum: 11)
        let volume = try chain(140, shape)
        let counts = opened(volume)
        #expect(counts.count > 30)
        #expect(counts.allSatisfy { $0 <= shape.fanOut })
        // The first block has three areas.
        let names = try Store(folder: volume.disk).indexBlocks(shape).map(\.description)
        #expect(names == ["1-0"])
        #expect(try volume.content(1) == [UInt8](repeating: 0, count: 1024))
    }

    @Test("of a block whose maps are too large together there is none, and those stay")
    func tooLargeTogether() throws {
        let shape = IndexShape(fanOut: 4, itemsMaximum: 20)
        let volume = try chain(140, shape)
        let counts = opened(volume)
        #expect(counts.allSatisfy { $0 <= shape.fanOut })
        #expect(try levels(volume, shape) == [1])
        #expect(try volume.check(indexShape: shape).isEmpty)
    }

    @Test("an area with very many exceptions is read no further than these count, and is in no map")
    func largeArea() throws {
        let shape = IndexShape(fanOut: 2, itemsMaximum: 32)
        let volume = try EngineFixture(chunks: 1024, indexShape: shape)
        for id in 1...4 as ClosedRange<Int64> {
            try volume.snapshot(id)
            // One run, but more exceptions than are read.
            if id == 2 { try volume.write(1, to: 0..<shape.exceptionsMaximum + 1) }
        }
        while volume.engine.extendIndex() {}
        #expect(try levels(volume, shape).isEmpty)
        let other = try EngineFixture(chunks: 1024, indexShape: shape)
        for id in 1...4 as ClosedRange<Int64> {
            try other.snapshot(id)
            if id == 2 { try other.write(1, to: 0..<shape.exceptionsMaximum) }
        }
        while other.engine.extendIndex() {}
        #expect(try levels(other, shape) == [1, 2])
    }

    @Test("an area with more runs than there is room for is in no map, though older ones hide them")
    func scatteredArea() throws {
        let shape = IndexShape(fanOut: 2, itemsMaximum: 5)
        let volume = try EngineFixture(chunks: 64, indexShape: shape)
        for id in 1...4 as ClosedRange<Int64> {
            try volume.snapshot(id)
            if id == 2 { try volume.write(1, to: 0..<8) }
            if id == 3 { try volume.write(2, to: 1, 3, 5, 7) }
        }
        while volume.engine.extendIndex() {}
        #expect(try levels(volume, shape).isEmpty)
    }

    @Test("on a full store each block is tried once, and reads no more than its own parts")
    func fullStore() throws {
        let shape = IndexShape(fanOut: 4)
        let volume = try chain(140, shape)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        let counts = opened(volume)
        #expect(counts.allSatisfy { $0 <= shape.fanOut })
        #expect(counts.count <= 35 + 8 + 2)
        #expect(try levels(volume, shape).isEmpty)
    }

    @Test("a damaged area leaves its blocks without maps, and the others have theirs")
    func damagedArea() throws {
        let shape = IndexShape(fanOut: 4)
        let volume = try chain(70, shape)
        let disk = volume.crashed(.keepAll)
        try disk.openFile(EngineFixture.area(6), writable: true).resize(to: 1)
        let again = try EngineFixture(opening: disk, indexShape: shape)
        #expect(opened(again).allSatisfy { $0 <= shape.fanOut })
        let names = Set(try Store(folder: disk).indexBlocks(shape).map(\.description))
        #expect(names.isDisjoint(with: ["1-1", "2-0", "3-0"]))
        #expect(names.isSuperset(of: ["1-0", "1-2", "2-1", "2-2", "2-3"]))
    }

    @Test("areas that are left in a lower block are read by its map, in all higher ones")
    func sparse() throws {
        let shape = IndexShape(fanOut: 2)
        let volume = try chain(40, shape)
        // Of the first 16 ordinals three are left, in one block of four.
        for id in 1...12 as ClosedRange<Int64> { try volume.delete(id) }
        _ = try volume.engine.collect()
        #expect(opened(volume).allSatisfy { $0 <= shape.fanOut })
        let names = Set(try Store(folder: volume.disk).indexBlocks(shape).map(\.description))
        #expect(names.isSuperset(of: ["2-3", "4-1", "5-0"]))
        #expect(names.isDisjoint(with: ["3-1", "4-0"]))
        #expect(try volume.check(indexShape: shape).isEmpty)
    }

    @Test("a map that nobody wants to wait for any more is left for later, and made then")
    func interrupted() throws {
        let shape = IndexShape(fanOut: 4)
        let volume = try chain(20, shape)
        for _ in 0..<3 {
            #expect(volume.engine.extendIndex { false })
            #expect(try levels(volume, shape).isEmpty)
        }
        // In the middle of the second part.
        let asked = Monitored(0)
        #expect(volume.engine.extendIndex { asked.counted() < 2 })
        #expect(asked.withLock { $0 } == 2)
        #expect(try levels(volume, shape).isEmpty)
        while volume.engine.extendIndex() {}
        #expect(try levels(volume, shape) == [1, 2])
    }

    @Test("opening removes drafts, and maps of blocks that have no two areas")
    func leftBehind() throws {
        let shape = IndexShape(fanOut: 2)
        let volume = try chain(9, shape)
        while volume.engine.extendIndex() {}
        let disk = volume.crashed(.keepAll)
        let file = try disk.readFile("index/1-000001.map", limitBytes: 1 << 20)
        try disk.writeFile("index/1-000001.map.new", file)
        try disk.writeFile("index/1-000000.map", file)
        _ = try EngineFixture(opening: disk, indexShape: shape)
        #expect(try !disk.exists("index/1-000001.map.new"))
        #expect(try !disk.exists("index/1-000000.map"))
        #expect(try disk.exists("index/1-000001.map"))
    }

    @Test("a folder with the name of a map is in nobody's way, and stays when the store is removed")
    func folderInTheWay() throws {
        let shape = IndexShape(fanOut: 2)
        let volume = try chain(6, shape)
        try volume.disk.makeFolder("index")
        try volume.disk.makeFolder("index/1-000900.map")
        let again = try volume.reopened(indexShape: shape)
        while again.engine.extendIndex() {}
        #expect(try again.content(1) == volume.content(1))
        let removal = try Store(folder: again.disk).removeAll(uuid: "u")
        #expect(removal == .removed(leaving: ["index/1-000900.map"]))
    }

    @Test("maps of removed areas that could not be removed go with the next collection")
    func removedLater() throws {
        let shape = IndexShape(fanOut: 2)
        let volume = try chain(9, shape)
        while volume.engine.extendIndex() {}
        for id in 1...6 as ClosedRange<Int64> { try volume.delete(id) }
        let disk = volume.disk
        disk.observer = { operation in
            guard operation.kind == .remove, operation.path.hasSuffix(".map") else { return }
            disk.faults = FaultPlan(.error(5), kinds: [.remove], after: 0, isPermanent: false)
        }
        _ = try volume.engine.collect()
        disk.observer = nil
        disk.faults = nil
        #expect(try disk.exists("index/1-000001.map"))
        try volume.delete(7)
        _ = try volume.engine.collect()
        #expect(try Store(folder: disk).indexBlocks(shape).isEmpty)
    }
}

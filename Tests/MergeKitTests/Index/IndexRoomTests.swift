import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("The index of views: what it leaves to others, and what it takes up again")
struct IndexRoomTests {
    private static let shape = IndexShape(fanOut: 2)

    /// A volume with ten snapshots, each with two chunks of its own.
    private func chain(
        _ policy: StoreFullPolicy = .breakSnapshots, reserve: Int = 0
    ) throws -> EngineFixture {
        let volume = try EngineFixture(
            chunks: 64, policy: policy, indexShape: Self.shape, indexReserve: reserve)
        // The simulated disk holds the origin, too.
        try volume.write(255, to: 0..<64)
        for number in 1...10 {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(number), to: 4 * number, 4 * number + 2)
        }
        return volume
    }

    private func maps(_ volume: EngineFixture) throws -> Set<String> {
        Set(try Store(folder: volume.disk).indexBlocks(Self.shape).map(\.description))
    }

    /// Makes the disk so full that it has so many bytes left.
    private func leave(_ bytes: Int, on disk: SimulatedDisk) {
        disk.capacityBytes = disk.allocatedBytes + bytes
    }

    @Test("no map is made where it would leave too little for exceptions")
    func leavesReserve() throws {
        let reserve = 1 << 20
        let volume = try chain(reserve: reserve)
        leave(reserve + IndexMapCodec.bytesMaximum - 1, on: volume.disk)
        #expect(!volume.engine.extendIndex())
        #expect(try maps(volume).isEmpty)
        leave(reserve + IndexMapCodec.bytesMaximum, on: volume.disk)
        #expect(volume.engine.extendIndex())
        #expect(try maps(volume).count == 1)
    }

    @Test("maps go where less than half of what they should leave is left")
    func makesRoom() throws {
        let reserve = 1 << 20
        let volume = try chain(reserve: reserve)
        #expect(volume.engine.extendIndex())
        leave(reserve / 2, on: volume.disk)
        #expect(!volume.engine.extendIndex())
        #expect(try maps(volume).count == 1)
        leave(reserve / 2 - 1, on: volume.disk)
        #expect(!volume.engine.extendIndex())
        #expect(try maps(volume).isEmpty)
        volume.disk.capacityBytes = nil
        while volume.engine.extendIndex() {}
        #expect(try maps(volume).count > 4)
        #expect(try volume.check(indexShape: Self.shape).isEmpty)
    }

    @Test(
        "a write that finds the store full gets the index's space, before snapshots or it are lost",
        arguments: [StoreFullPolicy.breakSnapshots, .breakWrites])
    func givesSpace(_ policy: StoreFullPolicy) throws {
        let volume = try chain(policy)
        while volume.engine.extendIndex() {}
        let before = try volume.content(1)
        leave(0, on: volume.disk)
        try volume.write(99, to: 60)
        #expect(try maps(volume).isEmpty)
        #expect(try volume.content(1) == before)
        #expect(volume.engine.chain.brokenThrough == nil)
    }

    @Test("whoever finds that another has just given the index's space tries again, too")
    func givenByAnother() throws {
        let volume = try chain()
        while volume.engine.extendIndex() {}
        let index = try #require(volume.engine.index)
        var attempts = 0
        let result = try volume.engine.makingRoom { () throws(IOFailure) -> Int in
            attempts += 1
            guard attempts == 1 else { return 7 }
            _ = index.giveBack(unlessSince: index.givenBackCount)
            throw IOFailure("write", path: "area", code: 28)
        }
        #expect(result == 7)
        #expect(attempts == 2)
    }

    @Test("a map that could not be written is made after some more snapshots")
    func madeLater() throws {
        let volume = try chain()
        let disk = volume.disk
        disk.observer = { operation in
            guard operation.path.hasSuffix("1-000001.map.new"), disk.faults == nil else { return }
            disk.faults = FaultPlan(
                .error(5), kinds: [operation.kind], after: 0, isPermanent: false)
        }
        while volume.engine.extendIndex() {}
        disk.observer = nil
        disk.faults = nil
        #expect(try maps(volume).isDisjoint(with: ["1-1", "2-0"]))
        #expect(!volume.engine.extendIndex())
        for id in 11...12 as ClosedRange<Int64> { try volume.snapshot(id) }
        while volume.engine.extendIndex() {}
        #expect(try maps(volume).isSuperset(of: ["1-1", "2-0"]))
    }

    @Test("layers with far more runs than the volume has chunks become one, which shows the same")
    func overlaid() throws {
        let shape = IndexShape(fanOut: 2, itemsMaximum: 24)
        let volume = try EngineFixture(chunks: 24, indexShape: shape)
        for number in 1...40 {
            try volume.snapshot(Int64(number))
            for chunk in 0..<8 {
                try volume.write(UInt8(number), to: (3 * chunk + number) % 24)
            }
        }
        let before = try (1...40).map { try volume.content($0) }
        while volume.engine.extendIndex() {}
        let engine = volume.engine
        let layers = try engine.frozenLayers(0..<39, of: engine.chain)
        #expect(layers.count == 1)
        #expect(layers.first?.overlay.member(SnapshotOrdinal(rawValue: 5)) != nil)
        #expect(try (1...40).map { try volume.content($0) } == before)
    }
}

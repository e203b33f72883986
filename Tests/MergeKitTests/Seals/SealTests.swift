import Glibc
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("Seals: what a frozen area held, and what a check finds of it")
struct SealTests {
    @Test("each area is sealed once it has frozen, and none that grows")
    func frozenOnes() throws {
        let volume = try SealFixture.chain(4, isSealed: false)
        #expect(try SealFixture.sealed(volume.disk) == [])
        try SealFixture.seal(volume)
        #expect(try SealFixture.sealed(volume.disk) == [1, 2, 3])
        try volume.snapshot(5)
        try SealFixture.seal(volume)
        #expect(try SealFixture.sealed(volume.disk) == [1, 2, 3, 4])
        #expect(try SealFixture.faults(volume.disk) == [])
    }

    @Test("a seal is the same, however its making was cut")
    func steps() throws {
        let volume = try SealFixture.chain(3, isSealed: false)
        let other = try SealFixture.chain(3, isSealed: false)
        while try volume.engine.sealStep(byteLimit: 1) {}
        try SealFixture.seal(other)
        for ordinal in [1, 2] {
            let name = StoreLayout.seal(SnapshotOrdinal(rawValue: ordinal))
            let bytes = try volume.disk.readFile(name, limitBytes: 1 << 20)
            #expect(try bytes == other.disk.readFile(name, limitBytes: 1 << 20))
            #expect(bytes.count == SealFormat.fileBytes(ordinal == 1 ? 3 : 4))
        }
    }

    @Test("every flipped bit of a frozen area is found, wherever it is")
    func everyBit() throws {
        let volume = try SealFixture.chain(4)
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(2), writable: true)
        // Header, list, and the four exceptions.
        let end = 6 * EngineFixture.chunkBytes
        for offset in stride(from: 0, to: end, by: SealFixture.stride) {
            try SealFixture.flip(area, at: offset)
            #expect(try SealFixture.faults(disk) != [], "byte \(offset)")
            try SealFixture.flip(area, at: offset)
        }
        #expect(try SealFixture.faults(disk) == [])
    }

    @Test("what is found names the snapshots that read it, and where in the volume it is")
    func readers() throws {
        let volume = try SealFixture.chain(4)
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(3), writable: true)
        // The exceptions of area 3: chunk 0, which each area has; 2, which area 2 has; 3; and one of its own.
        let chunk = EngineFixture.chunkBytes
        let expected: [(chunk: Int, readers: [Int64])] = [
            (0, [3]), (2, [3]), (3, [1, 2, 3]), (6, [1, 2, 3]),
        ]
        let map = try AreaLibrary.read(
            area, format: AreaFormat(chunkBytes: chunk), ordinal: SnapshotOrdinal(rawValue: 3),
            volumeBytes: 8 * chunk)
        for (origin, readers) in expected {
            let place = try #require(map.areaChunk(for: ChunkIndex(origin)))
            try SealFixture.flip(area, at: place.rawValue * chunk + 17)
            let found = try SealFixture.findings(disk).filter { $0.severity == .damage }
            #expect(found.map(\.object) == ["snapshot 3"])
            #expect(found.first?.snapshots == readers.map(SnapshotID.init(rawValue:)))
            #expect(found.first?.ranges == [origin * chunk..<(origin + 1) * chunk])
            try SealFixture.flip(area, at: place.rawValue * chunk + 17)
        }
    }

    @Test("every flipped bit of a seal is found, and no seal is made over it")
    func everyBitOfSeal() throws {
        let disk = try SealFixture.chain(4).crashed(.keepAll)
        let name = StoreLayout.seal(SnapshotOrdinal(rawValue: 2))
        let file = try disk.openFile(name, writable: true)
        for offset in 0..<(try file.byteCount()) {
            try SealFixture.flip(file, at: offset)
            #expect(try SealFixture.faults(disk) != [], "byte \(offset)")
            try SealFixture.flip(file, at: offset)
        }
        try SealFixture.flip(file, at: 300)
        let damaged = try disk.readFile(name, limitBytes: 1 << 20)
        let again = try EngineFixture(opening: disk)
        try SealFixture.seal(again)
        #expect(try disk.readFile(name, limitBytes: 1 << 20) == damaged)
        // Until somebody asks for it, and then it says that it is late.
        _ = try again.check(readData: true, repair: true)
        let third = try again.reopened()
        try SealFixture.seal(third)
        #expect(try SealFixture.faults(third.disk) == [])
        #expect(try SealFixture.header(third.disk, 2).isLate)
    }

    @Test("a seal from the future is told, neither used nor written over")
    func future() throws {
        let disk = try SealFixture.chain(3).crashed(.keepAll)
        let name = StoreLayout.seal(SnapshotOrdinal(rawValue: 1))
        var bytes = try disk.readFile(name, limitBytes: 1 << 20)
        bytes[4] = 2
        let checksum = CRC32C.checksum(bytes[0..<252])
        for index in 0..<4 {
            bytes[252 + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index))
        }
        let file = try disk.openFile(name, writable: true)
        try file.write(bytes.span.bytes, at: 0)
        let volume = try EngineFixture(opening: disk)
        try SealFixture.seal(volume)
        #expect(try disk.readFile(name, limitBytes: 1 << 20) == bytes)
        let faults = try SealFixture.faults(disk)
        #expect(faults.count == 1)
        #expect(faults.first?.contains("version 2") == true)
    }

    @Test("an area that was there before is sealed as it is, which its seal says")
    func late() throws {
        let volume = try SealFixture.chain(4, isSealed: false).reopened()
        try volume.snapshot(5)
        try SealFixture.seal(volume)
        #expect(try SealFixture.header(volume.disk, 3).isLate)
        #expect(try !SealFixture.header(volume.disk, 4).isLate)
    }

    @Test("a list of exceptions that was altered is damage, also where it is sound by itself")
    func otherEntry() throws {
        let disk = try SealFixture.chain(4).crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(2), writable: true)
        // A fifth exception, as whoever knows no seals might add it.
        var entry = AlignedBuffer(count: 16)
        var bytes = entry.mutableBytes
        bytes.store(littleEndian: UInt64(7), at: 0)
        bytes.store(littleEndian: UInt64(6), at: 8)
        try area.write(entry.bytes, at: EngineFixture.chunkBytes + 4 * 16)
        let found = try SealFixture.findings(disk).filter { $0.severity == .damage }
        #expect(found.map(\.object) == ["snapshot 2"])
        #expect(found.first?.message.contains("more exceptions") == true)
        #expect(found.first?.snapshots == [1, 2].map(SnapshotID.init(rawValue:)))
    }

    @Test("what no snapshot needs any more may be punched out, and is no damage")
    func garbage() throws {
        let volume = try SealFixture.chain(6)
        try volume.delete(3, 4)
        _ = try volume.engine.collect()
        #expect(try SealFixture.faults(volume.disk) == [])
        try volume.delete(1, 2)
        _ = try volume.engine.collect()
        #expect(try SealFixture.sealed(volume.disk) == [5])
        #expect(try SealFixture.faults(volume.disk) == [])
    }

    @Test("the area that a merge preserves into is sealed when the merge has ended")
    func merge() throws {
        let volume = try SealFixture.chain(4)
        try volume.revert(1, to: 2, safety: 5)
        try volume.snapshot(6)
        try SealFixture.seal(volume)
        #expect(try SealFixture.sealed(volume.disk) == [1, 2, 3, 4])
        try volume.merge(chunksAtOnce: 1)
        try SealFixture.seal(volume)
        #expect(try SealFixture.sealed(volume.disk) == [1, 2, 3, 4, 5])
        #expect(try SealFixture.faults(volume.disk) == [])
    }

    @Test("no seal is made where it would leave too little for exceptions")
    func fullStore() throws {
        let reserve = 1 << 20
        let volume = try SealFixture.chain(4, isSealed: false, reserve: reserve)
        volume.disk.capacityBytes = volume.disk.allocatedBytes + reserve
        #expect(try !volume.engine.sealStep(byteLimit: 1 << 20))
        #expect(try SealFixture.sealed(volume.disk) == [])
        try volume.write(9, to: 0..<8)
        #expect(try SealFixture.faults(volume.disk) == [])
    }

    @Test(
        "an area that cannot be read is not sealed, nothing is left of the try, and it is tried again"
    )
    func unreadable() throws {
        let volume = try SealFixture.chain(4, isSealed: false)
        volume.disk.faults = FaultPlan(.error(EIO), kinds: [.read], after: 0, isPermanent: true)
        #expect(throws: Problem.self) { while try volume.engine.sealStep(byteLimit: 1 << 20) {} }
        #expect(try SealFixture.sealed(volume.disk) == [])
        volume.disk.faults = nil
        try SealFixture.seal(volume)
        #expect(try SealFixture.sealed(volume.disk) == [1, 2, 3])
        #expect(try volume.disk.list(StoreLayout.seals).count == 3)
    }

    @Test("whatever fails while areas are sealed, no wrong seal is left", arguments: 0..<40)
    func failures(countdown: Int) throws {
        for kind in [DiskOperation.Kind.write, .sync, .create, .rename, .open, .makeFolder] {
            let volume = try SealFixture.chain(3, isSealed: false)
            volume.disk.faults = FaultPlan(
                kind == .sync ? .lostSync : .tornWrite, kinds: [kind], after: countdown,
                isPermanent: false)
            for _ in 0..<10 { _ = try? volume.engine.sealStep(byteLimit: 1 << 20) }
            volume.disk.faults = nil
            #expect(try SealFixture.faults(volume.disk) == [])
            #expect(try SealFixture.faults(volume.crashed(.dropAll)) == [])
            try SealFixture.seal(volume)
            #expect(try SealFixture.sealed(volume.disk) == [1, 2])
        }
    }

    @Test("a seal of an area that grows is another chain's, and goes when the volume is opened")
    func copiedBack() throws {
        let volume = try SealFixture.chain(3, isSealed: false)
        let before = volume.crashed(.keepAll)
        try volume.snapshot(4)
        try SealFixture.seal(volume)
        let name = StoreLayout.seal(SnapshotOrdinal(rawValue: 3))
        let seal = try volume.disk.readFile(name, limitBytes: 1 << 20)
        try before.makeFolder(StoreLayout.seals)
        try before.writeFile(name, seal)
        let again = try EngineFixture(opening: before)
        #expect(try SealFixture.sealed(before) == [])
        try again.write(77, to: 5)
        try again.snapshot(4)
        try SealFixture.seal(again)
        #expect(try SealFixture.faults(before) == [])
    }

    @Test("wherever reading fails, no scrub ends as if all were well")
    func neverSilent() throws {
        let disk = try SealFixture.chain(4).crashed(.keepAll)
        let reads = Monitored(0)
        disk.observer = { operation in
            guard operation.kind == .read else { return }
            _ = reads.counted()
        }
        #expect(try StoreVerifier.scrubAll(disk, repair: false, proceed: {}) == [])
        disk.observer = nil
        for count in 0..<reads.withLock({ $0 }) {
            disk.faults = FaultPlan(.error(EIO), kinds: [.read], after: count, isPermanent: true)
            if let found = try? StoreVerifier.scrubAll(disk, repair: false, proceed: {}) {
                #expect(found.contains { $0.severity == .damage }, "read \(count)")
            }
        }
        disk.faults = nil
    }
}

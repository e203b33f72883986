import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

@Suite("Full disks, failing disks, other people's hands, other sizes")
struct BadLuckTests {
    private func problem(_ body: () throws -> Void) -> Problem? {
        do {
            try body()
            return nil
        } catch { return error as? Problem }
    }

    // MARK: the store is full

    @Test("break-writes: the write fails, every snapshot stays whole, and space heals it")
    func breakWrites() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        volume.disk.capacityBytes = volume.disk.allocatedBytes + 2 * 4096
        try volume.write(2, to: 0)
        let refused = problem { try volume.write(2, to: 0..<8) }
        #expect(refused?.code == .noSpace)
        #expect(refused?.message.contains("write was refused") == true)
        // What is preserved already can be overwritten on.
        try volume.write(3, to: 0)
        #expect(try volume.content() == [3, 1, 1, 1, 1, 1, 1, 1])
        #expect(try volume.content(1) == [UInt8](repeating: 1, count: 8))
        let again = try volume.reopened()
        #expect(try again.content(1) == [UInt8](repeating: 1, count: 8))
        again.disk.capacityBytes = nil
        try again.write(2, to: 0..<8)
        #expect(try again.content(1) == [UInt8](repeating: 1, count: 8))
        #expect(again.engine.snapshots().first?.state == .active)
    }

    @Test("break-snapshots: the write succeeds, the chain is broken for good, a later one is whole")
    func breakSnapshots() throws {
        let volume = try EngineFixture(chunks: 8, policy: .breakSnapshots)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 0)
        try volume.snapshot(2)
        // The simulated disk reserves nothing: an entry gives area 2 its metadata block.
        try volume.write(2, to: 0)
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 2))
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        try volume.write(3, to: 0..<8)
        #expect(try volume.content() == [UInt8](repeating: 3, count: 8))
        #expect(problem { _ = try EngineFixture.content(of: view) }?.code == .broken)
        #expect(problem { _ = try volume.content(1) }?.code == .broken)
        #expect(problem { try volume.revert(1, to: 1, safety: 9) }?.code == .broken)
        #expect(volume.engine.warnings.contains { $0.description.contains("break-snapshots") })
        let again = try volume.reopened()
        #expect(again.engine.snapshots().map(\.state) == [.broken, .broken])
        again.disk.capacityBytes = nil
        try again.snapshot(3)
        try again.write(4, to: 0)
        let last = try again.reopened()
        #expect(last.engine.snapshots().map(\.state) == [.broken, .broken, .active])
        #expect(try last.content(3) == [UInt8](repeating: 3, count: 8))
        try last.delete(1, 2)
        _ = try last.engine.collect()
        #expect(last.engine.snapshots().map(\.manifest.id.rawValue) == [3])
    }

    @Test(
        "R10: what an area's header alone calls broken is so for the engine, and for who only reads"
    )
    func brokenByHeader() throws {
        let volume = try EngineFixture(chunks: 4)
        for id in 1...3 as ClosedRange<Int64> {
            try volume.snapshot(id)
            try volume.write(UInt8(id), to: 0..<4)
        }
        try volume.engine.flush()
        let disk = volume.crashed(.keepAll)
        // The second word says whether the area is valid: it is all that the kernel writes.
        try disk.openFile(EngineFixture.area(2), writable: true).write([0, 0, 0, 0], at: 4)
        #expect(try StoreReader(folder: disk).state().brokenThrough?.rawValue == 2)
        let opened = try EngineFixture(opening: disk)
        #expect(opened.engine.snapshots().map(\.state) == [.broken, .broken, .active])
    }

    @Test("H4: a full disk gets its space back when the last snapshot goes, its growing area too")
    func emptied() throws {
        let volume = try EngineFixture(chunks: 600)
        try volume.write(1, to: 0..<600)
        try volume.snapshot(1)
        let unused = volume.disk.allocatedBytes
        // More entries than a metadata block has.
        try volume.write(2, to: 0..<600)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        #expect(problem { try volume.snapshot(2) }?.code == .noSpace)
        try volume.delete(1)
        let before = volume.disk.allocatedBytes
        let report = try volume.engine.collect()
        #expect(report.freedBytes == before - volume.disk.allocatedBytes)
        #expect(report.freedBytes ?? 0 >= 600 * 4096)
        #expect(volume.disk.allocatedBytes <= unused + 4096)
        #expect(try volume.engine.collect() == CollectReport(freedBytes: 0))
        #expect(try volume.check(readData: true).isEmpty)
        try volume.snapshot(2)
        try volume.write(3, to: 0..<500)
        let twos = [UInt8](repeating: 2, count: 600)
        #expect(try volume.content(2) == twos)
        _ = try volume.engine.collect()
        #expect(volume.engine.snapshots().map(\.manifest.ordinal.rawValue) == [2])
        let again = try volume.reopened()
        #expect(try again.content(2) == twos)
        #expect(try again.check(readData: true).allSatisfy { $0.severity == .note })
    }

    @Test("H4: an emptied area may go on to grow after a snapshot that was taken back")
    func emptiedAndRolledBack() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<8)
        try volume.delete(1)
        _ = try volume.engine.collect()
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareSnapshot(EngineFixture.request(2))
        try barrier.holdIO()
        _ = try barrier.commit()
        try barrier.rollBack()
        barrier.releaseIO()
        try volume.write(3, to: 0..<8)
        try volume.snapshot(3)
        try volume.write(4, to: 0..<4)
        let again = try volume.reopened()
        #expect(try again.content(3) == [UInt8](repeating: 3, count: 8))
        #expect(try again.check(readData: true).allSatisfy { $0.severity == .note })
    }

    @Test("H4: what only the newest snapshot needed is freed when it goes, while its area grows")
    func newestGoes() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<4)
        try volume.snapshot(2)
        try volume.write(3, to: 0..<8)
        try volume.delete(2)
        let before = volume.disk.allocatedBytes
        #expect(try volume.engine.collect().freedBytes == 4 * 4096)
        #expect(before - volume.disk.allocatedBytes == 4 * 4096)
        try volume.write(4, to: 0..<8)
        let ones = [UInt8](repeating: 1, count: 8)
        #expect(try volume.content(1) == ones)
        try volume.snapshot(3)
        try volume.write(5, to: 0..<8)
        let again = try volume.reopened()
        #expect(try again.content(1) == ones)
        #expect(try again.content(3) == [UInt8](repeating: 4, count: 8))
        #expect(try again.check(readData: true).allSatisfy { $0.severity == .note })
        try again.revert(1, to: 1, safety: 4)
        try again.merge()
        #expect(try again.content() == ones)
    }

    @Test("deleting and collecting work on a full disk, and make room")
    func fullDisk() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<8)
        try volume.snapshot(2)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        #expect(problem { try volume.snapshot(3) }?.code == .noSpace)
        #expect(problem { try volume.write(3, to: 0) }?.code == .noSpace)
        try volume.delete(1)
        #expect(try volume.engine.collect().removedAreas.map(\.rawValue) == [1])
        try volume.write(3, to: 0)
        try volume.snapshot(3)
        #expect(try volume.content(2) == [UInt8](repeating: 2, count: 8))
    }

    // MARK: the disk fails

    @Test("after the origin's flush failed nothing more is promised until the next open")
    func originSync() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0)
        volume.disk.faults = FaultPlan(.lostSync, kinds: [.sync], after: 0, isPermanent: false)
        #expect(problem { try volume.engine.flush() }?.code == .inputOutput)
        #expect(problem { try volume.engine.flush() }?.code == .inputOutput)
        #expect(problem { try volume.write(2, to: 0) }?.code == .inputOutput)
        #expect(problem { try volume.snapshot(1) }?.code == .inputOutput)
        #expect(volume.engine.warnings.contains { $0.description.contains("no more writes") })
        #expect(try volume.content() == [1, 0])
    }

    @Test(
        "a first write that fails at any operation leaves the snapshot whole, and can be repeated")
    func failingFirstWrite() throws {
        for effect in [FaultPlan.Effect.error(EIO), .tornWrite, .lostSync] {
            var failures = 0
            for countdown in 0..<10 {
                let volume = try EngineFixture(chunks: 4)
                try volume.write(1, to: 0..<4)
                try volume.snapshot(1)
                try volume.write(2, to: 0)
                volume.disk.faults = FaultPlan(
                    effect, kinds: [.read, .write, .sync], after: countdown, isPermanent: false)
                let failed = problem { try volume.write(2, to: 1..<3) } != nil
                volume.disk.faults = nil
                guard failed else { break }
                failures += 1
                #expect(try volume.content(1) == [1, 1, 1, 1])
                let cut = try EngineFixture(opening: volume.crashed(.dropAll))
                #expect(try cut.content(1) == [1, 1, 1, 1])
                try volume.write(3, to: 1..<4)
                #expect(try volume.content() == [2, 3, 3, 3])
                let killed = try volume.reopened()
                #expect(try killed.content(1) == [1, 1, 1, 1])
            }
            #expect(failures >= 5, "\(effect)")
        }
    }

    // MARK: the origin

    @Test("an origin that is too short is refused, and what to do is said")
    func shortOrigin() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.disk.origin().resize(to: 4096)
        let refused = problem { _ = try volume.reopened() }
        #expect(refused?.code == .corrupt)
        #expect(refused?.message.contains("4096 bytes") == true)
        #expect(refused?.hint?.description.contains("truncate -s 16384") == true)
    }

    @Test("a store without a volume is not found, and one of impossible geometry is corrupt")
    func strangeStores() throws {
        let disk = SimulatedDisk()
        #expect(problem { _ = try EngineFixture(opening: disk) }?.code == .notFound)
        let impossible = [
            (0, 4096), (-1, 4096), (1 << 61, 4096), (4096, 3000), (4096, 256), (4096, 1 << 20),
        ]
        for (bytes, chunkBytes) in impossible {
            let disk = SimulatedDisk()
            try Store(folder: disk).create(EngineFixture.record(bytes, .breakWrites, chunkBytes))
            #expect(problem { _ = try EngineFixture(opening: disk) }?.code == .corrupt)
        }
    }

    @Test(
        "an origin that others changed since the close is told at the next open, and by the check")
    func changedOrigin() throws {
        let temporary = TemporaryFolder()
        let origin = try temporary.folder.createFile("origin", byteCount: 65_536)
        try temporary.folder.makeFolder("store")
        let store = FileFolder(path: temporary.path + "/store")
        try Store(folder: store).create(EngineFixture.record(65_536))
        func open() throws -> LiveEngine { try LiveEngine.open(store: store, origin: origin) }
        let engine = try open()
        try engine.write([1].span.bytes, at: 0)
        // A process that was killed says nothing of the time of change.
        #expect(try open().warnings.isEmpty)
        try engine.close()
        #expect(try open().warnings.isEmpty)
        BackgroundThread.sleep(milliseconds: 20)
        try origin.write([2], at: 0)
        #expect(
            try open().warnings.contains { $0.description.contains("CHANGED BY SOMEBODY ELSE") })
        let findings = try StoreVerifier.check(
            store: store, origin: origin, readData: false, repair: false)
        #expect(findings.map(\.object) == ["origin"])
        try origin.resize(to: 131_072)
        let warning = try #require(try open().warnings.first)
        #expect(warning.description.contains("131072 bytes instead of 65536"))
    }

    // MARK: other sizes

    @Test(
        "snapshots keep their sizes when the volume grows, shrinks and grows again",
        arguments: [512, 4096])
    func resizing(odd: Int) throws {
        // The last chunk is short when `odd` is not a chunk.
        let volume = try EngineFixture(bytes: 2 * 4096 + odd)
        try volume.write(1, to: 0..<3)
        try volume.snapshot(1)
        try volume.engine.resize(to: 5 * 4096)
        try volume.write(2, to: 4)
        try volume.snapshot(2)
        let grown = try volume.content(2)
        #expect(grown == [1, 1, odd == 4096 ? 1 : nil, 0, 2])
        try volume.engine.resize(to: 4096)
        #expect(try volume.content() == [1])
        #expect(try volume.disk.origin().byteCount() == 4096)
        try volume.snapshot(3)
        try volume.engine.resize(to: 5 * 4096)
        #expect(try volume.content() == [1, 0, 0, 0, 0])
        try volume.write(3, to: 0..<5)
        let again = try volume.reopened()
        for fixture in [volume, again] {
            #expect(try fixture.content(1) == [1, 1, 1])
            #expect(try fixture.content(2) == grown)
            #expect(try fixture.content(3) == [1])
            #expect(try fixture.content() == [3, 3, 3, 3, 3])
        }
        #expect(problem { try again.revert(1, to: 3, safety: 9) }?.code == .refused)
    }

    @Test("a shrink that the power cuts keeps what it cuts off, or has not happened")
    func shrinkCrashes() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        let images = Images()
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for seed in 0..<4 { images.add(volume.crashed(.random, seed: UInt64(seed))) }
        }
        try volume.engine.resize(to: 4096)
        #expect(images.all.count > 30)
        for image in images.all {
            let again = try EngineFixture(opening: image)
            #expect(try again.content(1) == [1, 1, 1, 1])
            let size = again.engine.geometry.volumeBytes
            #expect(size == 4096 || size == 4 * 4096)
            try again.engine.resize(to: 4 * 4096)
            #expect(try again.content() == (size == 4096 ? [1, 0, 0, 0] : [1, 1, 1, 1]))
        }
    }

    @Test("an id that a snapshot has, or had until it was collected, is not given to another")
    func idTwice() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        #expect(problem { try volume.snapshot(1) }?.code == .exists)
        #expect(problem { try volume.revert(1, to: 1, safety: 2) }?.code == .exists)
        try volume.delete(2)
        #expect(problem { try volume.snapshot(2) }?.code == .exists)
        #expect(volume.engine.snapshots().map(\.manifest.id.rawValue) == [1, 2])
        try volume.snapshot(3)
        #expect(try volume.content(1) == [0, 0])
    }

    @Test("what is not a size, or reaches beyond the volume, is refused")
    func wrongRanges() throws {
        let volume = try EngineFixture(chunks: 2)
        for bytes in [0, -512, 1000, Geometry.volumeBytesMaximum + 512] {
            #expect(problem { try volume.engine.resize(to: bytes) }?.code == .usage)
        }
        #expect(problem { try volume.engine.zero(8191..<8193) }?.code == .usage)
        #expect(problem { try volume.engine.write([1].span.bytes, at: 8192) }?.code == .usage)
        #expect(problem { try volume.engine.write([1].span.bytes, at: -1) }?.code == .usage)
        #expect(problem { _ = try volume.engine.extents(in: 0..<9000, limit: 9) }?.code == .usage)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.revert(1, to: 1, safety: 2)
        #expect(problem { try volume.engine.resize(to: 4096) }?.code == .refused)
    }
}

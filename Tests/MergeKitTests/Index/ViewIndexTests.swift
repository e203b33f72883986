import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("The index of views: what a view asks, and that it never shows anything else")
struct ViewIndexTests {
    private static let narrow = IndexShape(fanOut: 2)

    private func build(_ volume: EngineFixture) { while volume.engine.extendIndex() {} }

    private func maps(_ volume: EngineFixture, _ shape: IndexShape = narrow) throws -> Set<String> {
        Set(try Store(folder: volume.disk).indexBlocks(shape).map(\.description))
    }

    /// The files of the store that are opened or read, each once.
    private func files(_ disk: SimulatedDisk, _ body: () throws -> Void) throws -> Set<String> {
        let paths = Monitored<Set<String>>([])
        disk.observer = { operation in
            guard [.open, .read].contains(operation.kind) else { return }
            paths.withLock { _ = $0.insert(operation.path) }
        }
        try body()
        disk.observer = nil
        return paths.withLock { $0 }.filter { $0.hasSuffix(".map") || $0.hasSuffix(".cow") }
    }

    /// A volume with so many snapshots, each with a write of its own before the next.
    private func chain(
        _ count: Int, chunks: Int = 64, shape: IndexShape = narrow
    ) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: chunks, indexShape: shape)
        for number in 1...count {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(truncatingIfNeeded: number), to: number % (chunks / 2))
        }
        return volume
    }

    private func firstRead(_ volume: EngineFixture, _ id: Int64) throws -> Set<String> {
        try files(volume.disk) {
            let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
            defer { view.close() }
            var buffer = AlignedBuffer(count: EngineFixture.chunkBytes)
            var bytes = buffer.mutableBytes
            // A chunk that was never written: every map must say so.
            try view.read(into: &bytes, at: view.byteCount - EngineFixture.chunkBytes)
        }
    }

    @Test("the first read of any view opens so many files as the logarithm of the snapshots")
    func firstReadIsLogarithmic() throws {
        for (count, levels) in [(200, 2), (512, 3)] {
            let volume = try chain(count, shape: .standard)
            build(volume)
            for id in [1, 2, count / 2, count / 2 + 3, count] as [Int] {
                let reopened = try volume.reopened()
                let opened = try firstRead(reopened, Int64(id))
                // On each side of a view's stretch 7 maps of a level, or areas, at most; and of each map
                // the last area.
                #expect(opened.count <= 2 * 7 * (2 * levels + 1), "view \(id) of \(count)")
                // The oldest view begins where a block does.
                if id == 1 { #expect(opened.count <= 7 * (2 * levels + 1)) }
            }
        }
    }

    @Test(
        "a view's next read after a snapshot opens what is new, and the maps that were made since")
    func nextReadIsConstant() throws {
        let volume = try chain(128, shape: .standard)
        build(volume)
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
        defer { view.close() }
        _ = try EngineFixture.content(of: view)
        for id in 129...140 as ClosedRange<Int64> {
            try volume.snapshot(id)
            try volume.write(9, to: Int(id % 32))
            build(volume)
            let opened = try files(volume.disk) { _ = try EngineFixture.content(of: view) }
            #expect(opened.count { $0.hasSuffix(".map") } == 0)
            #expect(opened.count { $0.hasSuffix(".cow") } <= 32 + 2)
        }
    }

    @Test("a view that asks more maps than are kept in memory reads none again after a snapshot")
    func keepsItsMaps() throws {
        // Maps of eight areas at most, with two runs each: 25 of them, of which 12 are kept.
        let shape = IndexShape(fanOut: 2, itemsMaximum: 24)
        let volume = try EngineFixture(chunks: 1024, indexShape: shape)
        for number in 1...200 {
            try volume.snapshot(Int64(number))
            try volume.write(UInt8(truncatingIfNeeded: number), to: 4 * number, 4 * number + 2)
        }
        build(volume)
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
        defer { view.close() }
        let content = try EngineFixture.content(of: view)
        try volume.snapshot(201)
        try volume.write(7, to: 0..<4)
        let opened = try files(volume.disk) {
            let shown = try EngineFixture.content(of: view)
            #expect(shown == content)
        }
        #expect(!opened.contains { $0.hasSuffix(".map") })
    }

    @Test("of very many maps and areas one layer is made, which shows the same and is as strict")
    func manyLayers() throws {
        // Every other block has more runs than a map may.
        let shape = IndexShape(fanOut: 2, itemsMaximum: 4)
        let volume = try EngineFixture(chunks: 64, indexShape: shape)
        var current = [UInt8](repeating: 0, count: 64)
        var snapshots: [Int64: [UInt8]] = [:]
        for number in 1...240 {
            try volume.snapshot(Int64(number))
            snapshots[Int64(number)] = current
            let chunks = number / 2 % 2 == 0 ? [number % 20] : [20, 22, 24 + number % 20 * 2]
            for chunk in chunks {
                current[chunk] = UInt8(number)
                try volume.write(UInt8(number), to: chunk)
            }
        }
        build(volume)
        #expect(try maps(volume, shape).count > 50)
        let (engine, chain) = (volume.engine, volume.engine.chain)
        #expect(try engine.frozenLayers(0..<239, of: chain).count == 1)
        for id in [1, 2, 3, 100, 239, 240] as [Int64] {
            #expect(try volume.content(id) == snapshots[id])
        }
        // An area of a map, emptied.
        let disk = volume.crashed(.keepAll)
        let area = try disk.openFile(EngineFixture.area(4), writable: true)
        try area.punch(EngineFixture.chunkBytes..<2 * EngineFixture.chunkBytes)
        let again = try EngineFixture(opening: disk, indexShape: shape)
        #expect(throws: Problem.self) { try again.content(4) }
        #expect(try again.content(100) == snapshots[100])
    }

    @Test(
        "each snapshot reads as dictionaries say, in random histories",
        arguments: 0..<6 as Range<UInt64>)
    func randomHistories(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let chunks = 24
        var volume = try EngineFixture(chunks: chunks, indexShape: Self.narrow)
        var current = [UInt8](repeating: 0, count: chunks)
        var snapshots: [Int64: [UInt8]] = [:]
        for step in 1...160 {
            switch random.below(10) {
            case 0..<5:
                let chunk = random.below(chunks)
                current[chunk] = UInt8(1 + random.below(250))
                try volume.write(current[chunk], to: chunk)
            case 5..<8:
                try volume.snapshot(Int64(step))
                snapshots[Int64(step)] = current
            case 8:
                guard let id = snapshots.keys.sorted().dropFirst(random.below(4)).first else {
                    break
                }
                snapshots[id] = nil
                try volume.delete(id)
                if random.oneIn(2) { _ = try volume.engine.collect() }
            default:
                if random.oneIn(3) { volume = try volume.reopened(indexShape: Self.narrow) }
            }
            if random.oneIn(2) { build(volume) }
            guard random.oneIn(6) else { continue }
            for (id, content) in snapshots { #expect(try volume.content(id) == content) }
        }
        build(volume)
        #expect(try !maps(volume).isEmpty)
        for (id, content) in snapshots { #expect(try volume.content(id) == content) }
        #expect(try volume.check(indexShape: Self.narrow).isEmpty)
    }

    @Test("of areas that have a chunk, the oldest serves it")
    func oldestWins() throws {
        let volume = try EngineFixture(chunks: 8, indexShape: Self.narrow)
        for id in 1...8 as ClosedRange<Int64> {
            try volume.write(UInt8(id), to: 3)
            try volume.snapshot(id)
        }
        build(volume)
        #expect(try maps(volume) == ["1-1", "1-2", "1-3", "2-0", "2-1", "3-0"])
        for id in 1...8 as ClosedRange<Int64> { #expect(try volume.content(id)[3] == UInt8(id)) }
    }

    @Test("a view sees nothing of the areas before its own, though a map has them")
    func notBefore() throws {
        let volume = try EngineFixture(chunks: 8, indexShape: Self.narrow)
        for id in 1...4 as ClosedRange<Int64> {
            try volume.write(UInt8(id), to: 3)
            try volume.snapshot(id)
        }
        try volume.write(5, to: 3)
        build(volume)
        // The block of 2 and 3 is of both areas; 3's view must not ask it.
        #expect(try maps(volume) == ["1-1", "2-0"])
        #expect(try volume.content(3)[3] == 3)
        try volume.delete(1)
        _ = try volume.engine.collect()
        #expect(try volume.content(2)[3] == 2)
        #expect(try volume.reopened(indexShape: Self.narrow).content(2)[3] == 2)
        try volume.delete(2)
        _ = try volume.engine.collect()
        #expect(try volume.content(3)[3] == 3)
        #expect(try volume.reopened(indexShape: Self.narrow).content(3)[3] == 3)
    }

    @Test("maps go with the areas, and are made smaller when most of these have gone")
    func removed() throws {
        let volume = try chain(32)
        build(volume)
        #expect(try maps(volume).contains("4-0"))
        for id in 1...31 as ClosedRange<Int64> where id != 8 { try volume.delete(id) }
        _ = try volume.engine.collect()
        build(volume)
        #expect(try volume.check(indexShape: Self.narrow).isEmpty)
        let folders = try Store(folder: volume.disk).snapshotFolders().count
        #expect(try maps(volume).count <= 2 * folders)
        let expected = (0..<64).map { (1...7).contains($0) ? UInt8($0) : 0 }
        #expect(try volume.content(8) == expected)
        #expect(try volume.reopened(indexShape: Self.narrow).content(8) == expected)
    }

    /// What may be the matter with a file of the index; nil for one that is not there.
    private static let damages: [@Sendable ([UInt8]) -> [UInt8]?] = [
        { _ in nil }, { _ in [] }, { Array($0.prefix(100)) }, { $0 + [0] },
        { [UInt8](repeating: 0, count: $0.count) },
        { file in
            var file = file
            file[file.count - 20] ^= 1
            return file
        },
        { file in
            // Of a later version.
            var file = file
            file[4] = 2
            return file
        },
    ]

    @Test(
        "a map that is missing, torn, altered or newer is left out, and made again",
        arguments: 0..<7)
    func damaged(kind: Int) throws {
        let volume = try chain(9)
        build(volume)
        let expected = try (1...9 as ClosedRange<Int64>).map { try volume.content($0) }
        for block in ["1-000001", "2-000001", "3-000000"] {
            let disk = volume.crashed(.keepAll)
            let name = "index/\(block).map"
            let content = try disk.readFile(name, limitBytes: 1 << 20)
            try disk.removeFile(name)
            if let damaged = Self.damages[kind](content) { try disk.writeFile(name, damaged) }
            let again = try EngineFixture(opening: disk, indexShape: Self.narrow)
            #expect(try (1...9 as ClosedRange<Int64>).map { try again.content($0) } == expected)
            build(again)
            #expect(try disk.readFile(name, limitBytes: 1 << 20) == content)
            #expect(try again.check(indexShape: Self.narrow).isEmpty)
        }
    }

    @Test("a folder in the place of a map, or a file in that of the index, is no error")
    func inTheWay() throws {
        let volume = try chain(6)
        let disk = volume.crashed(.keepAll)
        try disk.makeFolder("index")
        try disk.makeFolder("index/1-000001.map")
        let other = volume.crashed(.keepAll)
        _ = try other.createFile("index", byteCount: 0)
        for disk in [disk, other] {
            let again = try EngineFixture(opening: disk, indexShape: Self.narrow)
            build(again)
            for id in 1...6 as ClosedRange<Int64> {
                #expect(try again.content(id) == volume.content(id))
            }
        }
    }

    @Test("a full store has no index, and no error")
    func fullStore() throws {
        let volume = try chain(6)
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        build(volume)
        #expect(try maps(volume).isEmpty)
        #expect(try volume.content(1) == [UInt8](repeating: 0, count: 64))
    }

    @Test("a map of areas that grow on elsewhere, as in a copy of a store in use, is not believed")
    func otherBranch() throws {
        let volume = try chain(3)
        // The copy: its newest snapshot is 3, whose area goes on to grow.
        let copy = volume.crashed(.keepAll)
        try volume.write(10, to: 20)
        try volume.snapshot(4)
        try volume.snapshot(5)
        build(volume)
        let name = "index/1-000001.map"
        try copy.makeFolder("index")
        try copy.writeFile(name, volume.disk.readFile(name, limitBytes: 1 << 20))
        let branch = try EngineFixture(opening: copy, indexShape: Self.narrow)
        try branch.write(11, to: 21)
        try branch.snapshot(4)
        try branch.write(12, to: 20..<22)
        let expected = try branch.content(3)
        let again = try branch.reopened(indexShape: Self.narrow)
        #expect(try again.content(3) == expected)
        #expect(try again.content(3)[21] == 0)
        #expect(try again.check(indexShape: Self.narrow).isEmpty)
    }

    @Test("an area that freezes when another barrier is rolled back is in no map")
    func rolledBack() throws {
        let volume = try chain(3)
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareSnapshot(EngineFixture.request(4))
        try barrier.holdIO()
        _ = try barrier.commit()
        // It waits for the barrier's end; were it not to, it would find an area that looks frozen.
        let builder = try BackgroundThread.startIfPossible(name: "index") {
            while volume.engine.extendIndex() {}
        }
        BackgroundThread.sleep(milliseconds: 200)
        try barrier.rollBack()
        barrier.releaseIO()
        builder.join()
        #expect(try maps(volume).isEmpty)
        try volume.write(9, to: 40)
        try volume.snapshot(5)
        build(volume)
        #expect(try volume.content(3)[40] == 0)
    }

    @Test("a revert's plan is the same with the index as without")
    func plan() throws {
        for target in [1, 4, 7, 11, 12] as [Int64] {
            let volume = try chain(12)
            let before = try volume.engine.previewRevert(to: SnapshotID(rawValue: target))
            build(volume)
            let reopened = try volume.reopened(indexShape: Self.narrow)
            let after = try reopened.engine.previewRevert(to: SnapshotID(rawValue: target))
            #expect(before.planBytes == after.planBytes && before.planBytes > 0 || target == 12)
            #expect(before.preserveBytes == after.preserveBytes)
            let content = try reopened.content(target)
            try reopened.revert(1, to: target, safety: 20)
            try reopened.snapshot(21)
            try reopened.snapshot(22)
            build(reopened)
            #expect(try reopened.content(22) == content)
            try reopened.merge()
            build(reopened)
            #expect(try reopened.content() == content)
            #expect(try reopened.check(indexShape: Self.narrow).isEmpty)
        }
    }

    @Test("a map that says something else than its areas leads no view, and check removes it")
    func wrongMap() throws {
        let volume = try chain(6)
        build(volume)
        let name = "index/1-000001.map"
        var file = try volume.disk.readFile(name, limitBytes: 1 << 20)
        // Another chunk of the area in the first run, and a right checksum.
        file[IndexMapCodec.headerBytes + 2 * IndexMapCodec.memberBytes + 16] ^= 1
        let checksum = CRC32C.checksum(file.dropLast(4))
        file = file.dropLast(4) + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
        try volume.disk.writeFile(name, file)
        let misled = try volume.reopened(indexShape: Self.narrow)
        #expect(throws: Problem.self) { try misled.content(2) }
        let finding = try #require(volume.check(indexShape: Self.narrow).first)
        #expect(finding.object == name && finding.severity == .damage && finding.isRepairable)
        _ = try volume.check(repair: true, indexShape: Self.narrow)
        #expect(try volume.check(indexShape: Self.narrow).isEmpty)
        #expect(try !maps(volume).contains("1-1"))
        #expect(
            try volume.reopened(indexShape: Self.narrow).content(2) == volume.content(2))
    }

    @Test("a store that is removed leaves nothing of its index, and what is not snapmgr's")
    func removal() throws {
        for foreign in [nil, "index/notes.txt"] {
            let volume = try chain(6)
            build(volume)
            try volume.disk.writeFile("index/9-9.map.new", [1])
            if let foreign { try volume.disk.writeFile(foreign, [1]) }
            let removal = try Store(folder: volume.disk).removeAll(uuid: "u")
            #expect(removal == .removed(leaving: [foreign].compactMap(\.self)))
            #expect(try volume.disk.exists("index") == (foreign != nil))
        }
    }
}

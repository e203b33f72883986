import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@testable import MergeKit

@Suite("The index of views: what is damaged is refused, also where a map leads past it")
struct IndexDamageTests {
    private static let narrow = IndexShape(fanOut: 2)

    private func build(_ volume: EngineFixture) { while volume.engine.extendIndex() {} }

    /// Twelve snapshots, all of whose areas but the newest are in maps: that of each has the chunk of
    /// its number, of its own.
    ///
    /// - Parameter empty: the one whose area has nothing.
    private func chain(empty: Int? = nil) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 64, indexShape: Self.narrow)
        for number in 1...12 {
            try volume.snapshot(Int64(number))
            if number == empty { continue }
            try volume.write(UInt8(number), to: number, 40 + number)
        }
        build(volume)
        return volume
    }

    /// What may befall an area's file.
    enum Damage: CaseIterable {
        case truncated, cutToMetadata, zeroed, header, emptied, otherEntry

        func inflict(on disk: SimulatedDisk, _ path: String) throws {
            let device = try disk.openFile(path, writable: true)
            let chunk = EngineFixture.chunkBytes
            var buffer = AlignedBuffer(count: chunk)
            var bytes = buffer.mutableBytes
            switch self {
            case .truncated: try device.resize(to: chunk)
            case .cutToMetadata: try device.resize(to: 2 * chunk)
            case .zeroed: try device.punch(0..<device.byteCount())
            case .header:
                try device.read(into: &bytes, at: 0)
                bytes.store(littleEndian: UInt32(7), at: 0)
                try device.write(buffer.bytes, at: 0)
            case .emptied: try device.punch(chunk..<2 * chunk)
            case .otherEntry:
                try device.read(into: &bytes, at: chunk)
                // The first entry's chunk of the origin.
                bytes.store(littleEndian: UInt64(60), at: 0)
                try device.write(buffer.bytes, at: chunk)
            }
        }

        /// Whether the area alone tells that it is damaged.
        var isPlain: Bool { self != .emptied && self != .otherEntry }
    }

    private func damaged(_ damage: Damage, _ area: Int = 6) throws -> EngineFixture {
        try damaged(damage, area, of: chain())
    }

    private func damaged(
        _ damage: Damage, _ area: Int, of volume: EngineFixture
    ) throws -> EngineFixture {
        let disk = volume.crashed(.keepAll)
        try damage.inflict(on: disk, EngineFixture.area(area))
        return try EngineFixture(opening: disk, indexShape: Self.narrow)
    }

    /// The views that need content of an area: all up to its own. That looks into the area itself where
    /// it begins in the middle of a block, and only then what the area says now is all that it knows.
    private func led(to area: Int) -> ClosedRange<Int64> {
        1...Int64(area == 1 || area % 2 == 0 ? area : area - 1)
    }

    @Test(
        "every view that is led to a damaged area is refused, and its extents, at any time",
        arguments: Damage.allCases, 1...11)
    func viewsRefuse(damage: Damage, area: Int) throws {
        let volume = try damaged(damage, area)
        for id in led(to: area) {
            for _ in 0..<2 {
                #expect(throws: Problem.self, "view \(id)") { try volume.content(id) }
                let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
                defer { view.close() }
                #expect(throws: Problem.self, "extents of \(id)") {
                    try view.extents(in: 0..<view.byteCount, limit: 1000)
                }
            }
        }
        for id in Int64(area + 1)...12 { _ = try volume.content(id) }
    }

    @Test(
        "check tells which area was altered, and --repair shows no view what was refused before",
        arguments: Damage.allCases.filter { !$0.isPlain }, [6, 7, 11])
    func repairKeeps(damage: Damage, area: Int) throws {
        let volume = try damaged(damage, area)
        let index = try Store(folder: volume.disk).indexBlocks(Self.narrow)
        for repair in [false, true, false] {
            let findings = try volume.check(repair: repair, indexShape: Self.narrow)
            #expect(findings.map(\.object) == ["snapshot \(area)"])
            #expect(findings.allSatisfy { $0.severity == .damage && !$0.isRepairable })
        }
        let again = try volume.reopened(indexShape: Self.narrow)
        build(again)
        #expect(try Store(folder: again.disk).indexBlocks(Self.narrow) == index)
        for id in led(to: area) {
            #expect(throws: Problem.self, "view \(id)") { try again.content(id) }
        }
        for id in Int64(area + 1)...12 { _ = try again.content(id) }
    }

    /// A chain whose eighth snapshot, which followed the areas of a block, has been collected.
    private func withoutFollower() throws -> EngineFixture {
        let volume = try chain(empty: 8)
        try volume.delete(8)
        _ = try volume.engine.collect()
        #expect(try !volume.disk.exists(EngineFixture.area(8)))
        return volume
    }

    @Test("where the snapshot that followed a map's areas has gone, the map is believed as before")
    func followerGone() throws {
        let volume = try withoutFollower()
        let name = "index/1-000003.map"
        let file = try volume.disk.readFile(name, limitBytes: 1 << 20)
        let again = try volume.reopened(indexShape: Self.narrow)
        build(again)
        for id in 1...7 as ClosedRange<Int64> {
            #expect(try again.content(id) == volume.content(id))
        }
        #expect(try again.disk.readFile(name, limitBytes: 1 << 20) == file)
        #expect(try again.check(indexShape: Self.narrow).isEmpty)
    }

    @Test(
        "where it has gone and the last area is not the map's, no view shows either, and the map stays",
        arguments: Damage.allCases.filter { !$0.isPlain })
    func doubtful(damage: Damage) throws {
        let volume = try damaged(damage, 7, of: withoutFollower())
        for _ in 0..<2 {
            build(volume)
            #expect(throws: Problem.self) { try volume.content(6) }
            let findings = try volume.check(repair: true, indexShape: Self.narrow)
            #expect(findings.map(\.object) == ["snapshot 7"])
            #expect(findings.first?.remedy?.description.contains("index") == true)
        }
        let again = try volume.reopened(indexShape: Self.narrow)
        #expect(throws: Problem.self) { try again.content(6) }
        for id in 9...12 as ClosedRange<Int64> { _ = try again.content(id) }
        // What is told to be done where the store was put back.
        let store = Store(folder: again.disk)
        try store.removeIndexMaps(store.indexBlocks(Self.narrow))
        _ = try again.reopened(indexShape: Self.narrow).content(6)
    }

    @Test(
        "a revert whose plan has a damaged area is refused, and the volume can still be opened",
        arguments: Damage.allCases.filter(\.isPlain))
    func revertRefused(damage: Damage) throws {
        let volume = try damaged(damage)
        let content = try volume.content()
        #expect(throws: Problem.self) { try volume.revert(1, to: 2, safety: 20) }
        #expect(volume.engine.mergeProgress() == nil)
        let again = try volume.reopened(indexShape: Self.narrow)
        #expect(try again.content() == content)
        try again.revert(2, to: 9, safety: 21)
        try again.merge()
    }

    @Test(
        "a revert whose plan has an area that was altered is refused where a map knows it",
        arguments: Damage.allCases.filter { !$0.isPlain }, [6, 7, 11])
    func revertOfAltered(damage: Damage, area: Int) throws {
        let volume = try damaged(damage, area)
        let content = try volume.content()
        #expect(throws: Problem.self) { try volume.revert(1, to: Int64(area), safety: 20) }
        #expect(volume.engine.mergeProgress() == nil)
        let again = try volume.reopened(indexShape: Self.narrow)
        #expect(try again.content() == content)
        try again.revert(2, to: Int64(area + 1), safety: 21)
        try again.merge()
    }

    @Test("check tells of areas that are not what a map was made of", arguments: Damage.allCases)
    func checkTells(damage: Damage) throws {
        let volume = try damaged(damage)
        #expect(try volume.check(indexShape: Self.narrow).contains { $0.severity != .note })
    }

    @Test("check goes on when the index cannot be listed, and tells of both")
    func unlisted() throws {
        let volume = try damaged(.header)
        let disk = volume.disk
        let listings = Monitored(0)
        disk.observer = { operation in
            if operation.kind == .list, operation.path.hasSuffix("index") {
                _ = listings.counted()
                disk.faults = FaultPlan(.error(5), kinds: [.list], after: 0, isPermanent: false)
            }
        }
        let findings = try volume.check(indexShape: Self.narrow)
        disk.observer = nil
        #expect(listings.withLock { $0 } > 0)
        #expect(findings.contains { $0.object == "index" && $0.severity == .damage })
        #expect(findings.contains { $0.object != "index" && $0.severity != .note })
    }

    @Test("an area is read to be compared once for a map, however often views read there")
    func comparedOnce() throws {
        let volume = try chain().reopened(indexShape: Self.narrow)
        func reads() throws -> Int {
            let count = Monitored(0)
            volume.disk.observer = { operation in
                guard operation.kind == .read, operation.path.hasSuffix(EngineFixture.area(6))
                else { return }
                _ = count.counted()
            }
            defer { volume.disk.observer = nil }
            _ = try volume.content(6)
            return count.withLock { $0 }
        }
        let first = try reads()
        let next = try reads()
        #expect(next < first)
        #expect(try reads() == next)
    }

    @Test("check does all else, and tells of it, when a map cannot be removed")
    func mapStays() throws {
        let volume = try damaged(.header)
        let (disk, name) = (volume.disk, "index/1-000004.map")
        try disk.writeFile(name, [1])
        disk.observer = { operation in
            guard operation.kind == .remove, operation.path.hasSuffix(".map") else { return }
            disk.faults = FaultPlan(.error(5), kinds: [.remove], after: 0, isPermanent: false)
        }
        let findings = try volume.check(readData: true, repair: true, indexShape: Self.narrow)
        disk.observer = nil
        disk.faults = nil
        let finding = try #require(findings.first { $0.object == name })
        #expect(finding.severity == .warning && finding.message.contains("not be removed"))
        #expect(findings.contains { $0.object == "snapshot 6" && $0.isRepairable })
        #expect(findings.contains { $0.message.hasPrefix("shares") })
        #expect(try disk.exists(name))
    }

    @Test("a check ends between any two maps of the index when it is told to")
    func ends() throws {
        let volume = try chain()
        let maps = try Store(folder: volume.disk).indexBlocks(Self.narrow).count
        func check(steps: Int) throws -> Int {
            var asked = 0
            _ = try StoreVerifier.check(
                store: volume.disk, origin: volume.disk.origin(), readData: false, repair: false,
                indexShape: Self.narrow
            ) { () throws(Problem) in
                asked += 1
                guard asked <= steps else { throw Problem(.interrupted, "enough") }
            }
            return asked
        }
        // Each map before the areas and after them.
        #expect(try check(steps: .max) == 12 + 2 * maps)
        for steps in 0..<12 + 2 * maps {
            let problem = #expect(throws: Problem.self) { try check(steps: steps) }
            #expect(problem?.message == "enough")
        }
    }

    @Test("a volume is not opened when another chain's map cannot be removed")
    func foreignStays() throws {
        let volume = try EngineFixture(chunks: 8, indexShape: Self.narrow)
        for id in 1...3 as ClosedRange<Int64> { try volume.snapshot(id) }
        let copy = volume.crashed(.keepAll)
        for id in 4...5 as ClosedRange<Int64> { try volume.snapshot(id) }
        build(volume)
        let name = "index/1-000001.map"
        try copy.makeFolder("index")
        try copy.writeFile(name, volume.disk.readFile(name, limitBytes: 1 << 20))
        copy.observer = { operation in
            if operation.kind == .remove, operation.path.hasSuffix(".map") {
                copy.faults = FaultPlan(.error(5), kinds: [.remove], after: 0, isPermanent: false)
            }
        }
        let problem = #expect(throws: Problem.self) {
            try EngineFixture(opening: copy, indexShape: Self.narrow)
        }
        #expect(problem?.message.contains("another chain's") == true)
        #expect(problem?.hint?.description.hasPrefix("try again") == true)
        copy.observer = nil
        copy.faults = nil
        _ = try EngineFixture(opening: copy, indexShape: Self.narrow)
        #expect(try !copy.exists(name))
    }

    @Test(
        "a map whose last area has as many exceptions as the chain's, and others, is not believed")
    func otherContent() throws {
        let volume = try EngineFixture(chunks: 16, indexShape: Self.narrow)
        for id in 1...3 as ClosedRange<Int64> { try volume.snapshot(id) }
        let copy = volume.crashed(.keepAll)
        // The same snapshots, and then each its own single exception in the area of the third.
        for (disk, chunk, id) in [(volume, 5, 4), (try EngineFixture(opening: copy), 6, 14)] {
            try disk.write(9, to: chunk)
            try disk.snapshot(Int64(id))
            try disk.write(8, to: 0..<16)
        }
        try volume.snapshot(5)
        build(volume)
        let name = "index/1-000001.map"
        // As an older snapmgr, which knows no index, leaves it in a store that was copied back.
        try copy.makeFolder("index")
        try copy.writeFile(name, volume.disk.readFile(name, limitBytes: 1 << 20))
        let findings = try StoreVerifier.check(
            store: copy, origin: copy.origin(), readData: false, repair: false,
            indexShape: Self.narrow)
        #expect(findings.map(\.object) == [name])
        #expect(findings.first?.severity == .note)
        let branch = try EngineFixture(opening: copy, indexShape: Self.narrow)
        #expect(try branch.content(3) == [UInt8](repeating: 0, count: 16))
        #expect(try branch.content(2) == [UInt8](repeating: 0, count: 16))
    }

    /// Reads one chunk of a snapshot, and nothing else.
    private static func read(_ volume: EngineFixture, _ id: Int64, chunk: Int) throws {
        let view = try volume.engine.openView(of: SnapshotID(rawValue: id))
        defer { view.close() }
        var buffer = AlignedBuffer(count: EngineFixture.chunkBytes)
        var bytes = buffer.mutableBytes
        try view.read(into: &bytes, at: chunk * EngineFixture.chunkBytes)
    }

    @Test("where nobody can say whose a map is, a view shows nothing by it, not even what it lacks")
    func doubtfulBranch() throws {
        let volume = try EngineFixture(chunks: 16, indexShape: Self.narrow)
        for id in 1...3 as ClosedRange<Int64> { try volume.snapshot(id) }
        let copy = volume.crashed(.keepAll)
        try volume.write(9, to: 5)
        for id in 4...5 as ClosedRange<Int64> { try volume.snapshot(id) }
        build(volume)
        // Another fourth snapshot, which has gone again.
        let other = try EngineFixture(opening: copy)
        try other.write(9, to: 6)
        for id in 14...15 as ClosedRange<Int64> { try other.snapshot(id) }
        try other.write(8, to: 0..<16)
        try other.delete(14)
        _ = try other.engine.collect()
        let name = "index/1-000001.map"
        try copy.makeFolder("index")
        try copy.writeFile(name, volume.disk.readFile(name, limitBytes: 1 << 20))
        let branch = try EngineFixture(opening: copy, indexShape: Self.narrow)
        #expect(throws: Problem.self) { try Self.read(branch, 2, chunk: 6) }
        #expect(try branch.check(indexShape: Self.narrow).map(\.object) == ["snapshot 3"])
        try copy.removeFile(name)
        let again = try EngineFixture(opening: copy, indexShape: Self.narrow)
        #expect(try again.content(2) == [UInt8](repeating: 0, count: 16))
    }

    @Test("a map that leads to an area which the chain does not have is given up")
    func missingArea() throws {
        let volume = try EngineFixture(chunks: 64, indexShape: Self.narrow)
        for id in 1...6 as ClosedRange<Int64> {
            try volume.snapshot(id)
            try volume.write(UInt8(id), to: 3)
        }
        build(volume)
        // The first area has all that this one has.
        try volume.delete(2)
        _ = try volume.engine.collect()
        let disk = volume.crashed(.keepAll)
        #expect(try !disk.exists(EngineFixture.area(2)))
        let codec = IndexMapCodec(try Store(folder: disk).volume(), shape: Self.narrow)
        let block = try #require(Self.narrow.block(level: 2, number: 0))
        let name = StoreLayout.indexMap(block)
        let map = try codec.decode(disk.readFile(name, limitBytes: 1 << 20), of: block)
        var chunks = map.chunks
        chunks.append(
            SourceRun(
                origin: ChunkIndex(60), count: 1, ordinal: SnapshotOrdinal(rawValue: 2),
                area: ChunkIndex(2)))
        let wrong = IndexMap(
            block: block, members: map.members, follower: map.follower, chunks: chunks)
        try disk.writeFile(name, try #require(codec.encode(wrong)))
        let again = try EngineFixture(opening: disk, indexShape: Self.narrow)
        #expect(try again.content(1) == volume.content(1))
        build(again)
        #expect(try again.check(indexShape: Self.narrow).isEmpty)
    }
}

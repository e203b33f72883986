import MergeKit
import SnapshotModel
import System
import TestKit
import Testing

@testable import StoreFormat

@Suite("Very many snapshots are looked at by several threads")
struct ManySnapshotsTests {
    private static func ordinal(_ number: Int) -> SnapshotOrdinal {
        SnapshotOrdinal(rawValue: number)
    }

    /// A store with a snapshot of each sort among ordinary ones.
    private static func motley() throws -> SimulatedDisk {
        let volume = try EngineFixture(chunks: 8)
        for id in 1...40 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id), to: id % 8)
        }
        try volume.delete(5, 17, 18, 30)
        let (disk, store) = (volume.disk, Store(folder: volume.disk))
        try store.writeMark(StoreLayout.brokenMark(ordinal(3)))
        try disk.removeFile(StoreLayout.manifest(ordinal(9)))
        try disk.removeFile(StoreLayout.area(ordinal(17)))
        try store.openArea(ordinal(18), writable: true).resize(to: 0)
        let header = [UInt8](repeating: 0xff, count: 512)
        try store.openArea(ordinal(25), writable: true).write(header.span.bytes, at: 0)
        _ = try store.createSnapshotFolder(ordinal(41), areaBytes: 0)
        return disk
    }

    @Test("whatever is among them, what is found is what one thread finds")
    func motley() throws {
        let store = Store(folder: try Self.motley())
        let format = AreaFormat(chunkBytes: EngineFixture.chunkBytes)
        let one = try StoreSurvey(store, format, manyFolders: .max)
        let several = try StoreSurvey(store, format, manyFolders: 1)
        #expect(several.manifests == one.manifests)
        #expect(several.unfinished == one.unfinished)
        #expect(several.losses == one.losses)
        // Each sort is there.
        #expect(one.manifests.count == 37 && one.manifests.count(where: \.isDeleted) == 2)
        #expect(one.unfinished == [Self.ordinal(18), Self.ordinal(41)])
        #expect(one.losses.doubtful == [Self.ordinal(9)])
        #expect(one.losses.withoutArea == [Self.ordinal(17)])
        #expect(one.losses.lost == Self.ordinal(3))
        #expect(one.losses.unread == [Self.ordinal(25)])
    }

    @Test("a manifest that cannot be read is the same error")
    func damaged() throws {
        let disk = try Self.motley()
        let store = Store(folder: disk)
        try disk.writeFile(StoreLayout.manifest(Self.ordinal(33)), [1, 2, 3])
        let format = AreaFormat(chunkBytes: EngineFixture.chunkBytes)
        let problems = [Int.max, 1].map { many in
            #expect(throws: Problem.self) {
                _ = try StoreSurvey(store, format, manyFolders: many)
            }?.message
        }
        #expect(problems[0] != nil && problems[0] == problems[1])
    }

    @Test("more than a thousand are all opened, listed and checked, in their order")
    func thousands() throws {
        let count = Store.manyFolders + 100
        let volume = try EngineFixture(chunks: 8)
        for id in 1...count {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id % 251), to: id % 8)
        }
        let store = Store(folder: volume.disk)
        #expect(try store.manifests().map(\.ordinal.rawValue) == Array(1...count))
        let again = try volume.reopened()
        #expect(again.engine.volumeState.manifests.map(\.ordinal.rawValue) == Array(1...count))
        for id in [1, 2, 700, count] {
            #expect(try again.content(Int64(id)) == volume.content(Int64(id)))
        }
        func named() throws -> [String] {
            try volume.check().map(\.object).filter { $0.hasPrefix("snapshot ") }
        }
        #expect(try named().isEmpty)
        let header = [UInt8](repeating: 0xff, count: 512)
        try store.openArea(Self.ordinal(500), writable: true).write(header.span.bytes, at: 0)
        #expect(try named() == ["snapshot 500"])
    }
}

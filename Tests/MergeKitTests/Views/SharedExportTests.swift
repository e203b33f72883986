import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("Where files share extents, copies of snapshots and clones share them")
struct SharedExportTests {
    private static let chunkBytes = EngineFixture.chunkBytes

    private func request(_ name: String) -> CloneRequest {
        CloneRequest(snapshot: SnapshotID(rawValue: 1), name: name)
    }

    private func write(_ byte: UInt8, _ chunk: Int, _ name: String, _ engine: LiveEngine) throws {
        let open = try engine.openClone(name)
        defer { open.close() }
        let bytes = [UInt8](repeating: byte, count: Self.chunkBytes)
        try open.clone.write(bytes.span.bytes, at: chunk * Self.chunkBytes)
    }

    /// The first byte of each chunk, all of whose bytes must be alike.
    private func content(_ file: any BlockDevice) throws -> [UInt8] {
        let all = try file.content(0..<file.byteCount())
        return stride(from: 0, to: all.count, by: Self.chunkBytes).map { start in
            let chunk = all[start..<min(start + Self.chunkBytes, all.count)]
            #expect(chunk.allSatisfy { $0 == chunk.first })
            return chunk.first ?? 0
        }
    }

    /// A volume of 1, of whose snapshot the clone `b` of a clone has chunks in its own area, in a layer, in the
    /// snapshot's area and in the origin.
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 16)
        try fixture.write(1, to: 0..<12)
        try fixture.snapshot(1)
        try fixture.write(2, to: 4..<8)
        _ = try fixture.engine.createClone(request("a"))
        try write(7, 1, "a", fixture.engine)
        _ = try fixture.engine.createClone(request("b"), CloneShape(parent: "a"))
        try write(8, 2, "b", fixture.engine)
        return fixture
    }

    private static let expected: [UInt8] = [1, 7, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]

    @Test("all of a clone is shared, wherever it lies, and holes stay holes")
    func clone() throws {
        let fixture = try fixture()
        let hold = try fixture.engine.holdClone("b")
        for isShared in [false, true] {
            fixture.disk.sharesExtents = isShared
            let file = try fixture.disk.createFile("copy-\(isShared)", byteCount: 0)
            let shared = try SnapshotExporter.export(hold, to: file)
            #expect(shared == (isShared ? 12 * Self.chunkBytes : 0))
            #expect(try content(file) == Self.expected)
            #expect(try file.allocatedBytes() == 12 * Self.chunkBytes)
        }
    }

    @Test("what cannot be shared in whole blocks is copied")
    func pieces() throws {
        let fixture = try EngineFixture(bytes: 5 * 4096 + 512, chunkBytes: 512)
        try fixture.write(1, to: 0..<41)
        try fixture.snapshot(1)
        try fixture.write(2, to: 3..<20)
        fixture.disk.sharesExtents = true
        let view = try fixture.engine.openView(of: SnapshotID(rawValue: 1))
        let file = try fixture.disk.createFile("copy", byteCount: 0)
        let shared = try SnapshotExporter.export(view, to: file)
        // The end, and what lies in the area at other places within its blocks, is not.
        #expect(shared == 2 * 4096)
        #expect(try content(file).allSatisfy { $0 == 1 })
        #expect(try file.byteCount() == 5 * 4096 + 512)
    }

    /// A file of a filesystem that lets others write to what it is about to share.
    private final class RacingFile: BlockDevice {
        private let file: any BlockDevice
        private let race: Monitored<(@Sendable () throws -> Void)?>

        init(_ file: any BlockDevice, race: @escaping @Sendable () throws -> Void) {
            self.file = file
            self.race = Monitored(race)
        }

        var path: String { file.path }
        func byteCount() throws(IOFailure) -> Int { try file.byteCount() }
        func allocatedBytes() throws(IOFailure) -> Int { try file.allocatedBytes() }
        func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure) {
            try file.read(into: &buffer, at: offset)
        }
        func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure) {
            try file.write(bytes, at: offset)
        }
        func punch(_ range: Range<Int>) throws(IOFailure) { try file.punch(range) }
        func sync() throws(IOFailure) { try file.sync() }
        func resize(to byteCount: Int) throws(IOFailure) { try file.resize(to: byteCount) }
        func copyRange(
            _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
        ) throws(IOFailure) -> Bool {
            var body: (@Sendable () throws -> Void)?
            race.withLock { swap(&$0, &body) }
            do { try body?() } catch { throw .inputOutput("race", path: path) }
            return try file.copyRange(request, from: source, by: method)
        }
    }

    @Test("what is overwritten while it is shared is done anew", arguments: [0, 9] as [UInt8])
    func race(byte: UInt8) throws {
        let fixture = try EngineFixture(chunks: 8)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        fixture.disk.sharesExtents = true
        let view = try fixture.engine.openView(of: SnapshotID(rawValue: 1))
        let copy = try fixture.disk.createFile("copy", byteCount: 0)
        let file = RacingFile(copy) { try fixture.write(byte, to: 2..<4) }
        try SnapshotExporter.export(view, to: file)
        #expect(try content(copy) == [UInt8](repeating: 1, count: 8))
        #expect(try fixture.content() == [1, 1, byte, byte, 1, 1, 1, 1])
    }

    @Test("zeroes come into the place of what was shared and is overwritten")
    func zeroes() throws {
        let fixture = try EngineFixture(bytes: 8 * 4096, chunkBytes: 512)
        try fixture.write(1, to: 0..<64)
        try fixture.write(0, to: 16..<24)
        try fixture.snapshot(1)
        fixture.disk.sharesExtents = true
        let view = try fixture.engine.openView(of: SnapshotID(rawValue: 1))
        let copy = try fixture.disk.createFile("copy", byteCount: 0)
        let file = RacingFile(copy) { try fixture.write(9, to: 16..<24) }
        try SnapshotExporter.export(view, to: file)
        #expect(try content(copy) == [1, 1, 0, 1, 1, 1, 1, 1])
    }

    @Test("no copy changes with what it shares")
    func apart() throws {
        let fixture = try fixture()
        fixture.disk.sharesExtents = true
        let hold = try fixture.engine.holdClone("b")
        let file = try fixture.disk.createFile("copy", byteCount: 0)
        try SnapshotExporter.export(hold, to: file)
        _ = try fixture.engine.deleteClone(hold)
        try fixture.write(5, to: 0..<16)
        #expect(try content(file) == Self.expected)
    }
}

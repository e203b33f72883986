import System
import Glibc
import MergeKit
import StoreFormat
import SnapshotModel
import TestKit
import Testing

/// Run where `SNAPMGR_TEST_FOLDER` lies on a filesystem that shares extents, and
/// `SNAPMGR_EXPECT_REFLINK` says so: `Scripts/test.sh reflink`. They judge by the free space, so
/// nothing else may write there meanwhile.
@Suite(
    "Where the filesystem shares extents, copies cost no space",
    .serialized, .enabled(if: getenv("SNAPMGR_EXPECT_REFLINK") != nil))
struct ReflinkTests {
    private static let byteCount = 64 << 20

    private func pattern(_ seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        while bytes.count < Self.byteCount {
            withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    private func content(
        _ read: (inout MutableRawSpan) throws -> Void
    ) throws -> [UInt8] {
        var buffer = AlignedBuffer(count: Self.byteCount)
        var bytes = buffer.mutableBytes
        try read(&bytes)
        return buffer.bytes.array
    }

    @Test(
        "first writes and merges share, and what is shared stays apart", arguments: [4096, 16384])
    func volume(chunkBytes: Int) throws {
        let temporary = TemporaryFolder()
        let folder = temporary.folder
        let (old, new) = (pattern(1), pattern(2))
        let origin = try folder.createFile("origin", byteCount: Self.byteCount)
        try origin.write(old, at: 0)
        try origin.sync()
        try folder.makeFolder("store")
        let store = FileFolder(path: temporary.path + "/store")
        try Store(folder: store).create(
            EngineFixture.record(Self.byteCount, .breakWrites, chunkBytes))
        let engine = try LiveEngine.open(store: store, origin: origin)
        _ = try engine.takeSnapshot(EngineFixture.request(1))
        var free = try folder.freeBytes()
        /// The bytes that the filesystem has lost since the last time.
        func used() throws -> Int {
            try origin.sync()
            let now = try folder.freeBytes()
            defer { free = now }
            return free - now
        }
        try engine.write(new.span.bytes, at: 0)
        try engine.flush()
        // The new content, once: the old one has moved to the area as it lay.
        #expect(try used() < Self.byteCount + Self.byteCount / 4)
        _ = try engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)))
        while try engine.mergeStep(byteLimit: 16 << 20) == .progressed {}
        // Neither the preserved nor the merged content took space.
        #expect(try used() < Self.byteCount / 4)
        #expect(try content { try engine.read(into: &$0, at: 0) } == old)
        // Writes to shared extents reach one side only.
        let third = pattern(3)
        try engine.write(third.span.bytes.extracting(0..<1 << 20), at: 5 << 20)
        var expected = old
        expected.replaceSubrange(5 << 20..<6 << 20, with: third[..<(1 << 20)])
        #expect(try content { try engine.read(into: &$0, at: 0) } == expected)
        for (id, bytes) in [(1, old), (2, new)] as [(Int64, [UInt8])] {
            let view = try engine.openView(of: SnapshotID(rawValue: id))
            defer { view.close() }
            #expect(try content { try view.read(into: &$0, at: 0) } == bytes)
        }
        try engine.close()
    }

    @Test("a clone is copied without any space, and what is shared stays apart")
    func copiedClone() throws {
        let temporary = TemporaryFolder()
        let folder = temporary.folder
        let old = pattern(4)
        let origin = try folder.createFile("origin", byteCount: Self.byteCount)
        try origin.write(old, at: 0)
        try origin.sync()
        try folder.makeFolder("store")
        let store = FileFolder(path: temporary.path + "/store")
        try Store(folder: store).create(EngineFixture.record(Self.byteCount, .breakWrites))
        let engine = try LiveEngine.open(store: store, origin: origin)
        _ = try engine.takeSnapshot(EngineFixture.request(1))
        let new = pattern(5)
        try engine.write(new.span.bytes.extracting(0..<4 << 20), at: 0)
        _ = try engine.createClone(CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        let open = try engine.openClone("c")
        try open.clone.write(new.span.bytes.extracting(0..<1 << 20), at: 6 << 20)
        open.close()
        var expected = old
        expected.replaceSubrange(6 << 20..<7 << 20, with: new[..<(1 << 20)])
        try engine.flush()
        let free = try folder.freeBytes()
        let hold = try engine.holdClone("c")
        let copy = try folder.createFile("copy", byteCount: 0)
        #expect(try SnapshotExporter.export(hold, to: copy) == Self.byteCount)
        #expect(try free - folder.freeBytes() < Self.byteCount / 16)
        _ = try engine.deleteClone(hold)
        try engine.write(new.span.bytes, at: 0)
        try engine.flush()
        #expect(try content { try copy.read(into: &$0, at: 0) } == expected)
        try engine.close()
    }
}

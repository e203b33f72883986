import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

/// The end of a merge that a clone with a layer ends with, cut before each of its operations.
@Suite struct EndOfMergeTests {
    private static let chunkBytes = EngineFixture.chunkBytes

    /// A volume all 1 in snapshot 1 and 3 now, whose clone `b` has 7 in chunk 1, as a layer that `a` may read, too,
    /// and 8 in chunk 2.
    private func fixture(keepsOther: Bool) throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 4)
        try fixture.write(1, to: 0..<4)
        try fixture.snapshot(1)
        try fixture.write(3, to: 0..<4)
        let request = CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "a")
        _ = try fixture.engine.createClone(request)
        try write(7, chunk: 1, "a", fixture.engine)
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "b"), CloneShape(parent: "a"))
        try write(8, chunk: 2, "b", fixture.engine)
        if !keepsOther { _ = try fixture.engine.deleteClone("a") }
        _ = try fixture.engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)),
            with: CloneUse(name: "b", ends: true))
        return fixture
    }

    private func write(_ value: UInt8, chunk: Int, _ name: String, _ engine: LiveEngine) throws {
        let open = try engine.openClone(name)
        defer { open.close() }
        let bytes = [UInt8](repeating: value, count: Self.chunkBytes)
        try open.clone.write(bytes.span.bytes, at: chunk * Self.chunkBytes)
    }

    private func chunk(_ index: Int, _ name: String, _ engine: LiveEngine) throws -> UInt8 {
        let open = try engine.openClone(name, readOnly: true)
        defer { open.close() }
        var buffer = AlignedBuffer(count: Self.chunkBytes)
        var bytes = buffer.mutableBytes
        try open.clone.read(into: &bytes, at: index * Self.chunkBytes)
        return buffer.bytes.array[0]
    }

    @Test(
        "whenever it is cut, the volume reads as the clone did, and the clone ends once",
        arguments: CrashMode.allCases, [false, true])
    func cut(mode: CrashMode, keepsOther: Bool) throws {
        let fixture = try fixture(keepsOther: keepsOther)
        let images = Images()
        fixture.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for seed in 0..<(mode == .random ? 4 : 1) {
                images.add(fixture.crashed(mode, seed: UInt64(seed)))
            }
        }
        try fixture.merge(chunksAtOnce: 1)
        fixture.disk.observer = nil
        images.add(fixture.crashed(mode))
        #expect(images.all.count > 10)
        for image in images.all { try check(image, keepsOther: keepsOther) }
    }

    private func check(_ image: SimulatedDisk, keepsOther: Bool) throws {
        let expected: [UInt8?] = [1, 7, 8, 1]
        let cut = try EngineFixture(opening: image)
        #expect(try cut.content() == expected)
        try cut.merge()
        // The next one finds nothing of it to do.
        for volume in [cut, try cut.reopened()] {
            #expect(try volume.content() == expected)
            #expect(try volume.content(2) == [3, 3, 3, 3])
            #expect(volume.engine.clones.map(\.name) == (keepsOther ? ["a"] : []))
            if keepsOther { #expect(try chunk(1, "a", volume.engine) == 7) }
            #expect(try volume.engine.stateMismatch() == nil)
            #expect(try volume.check(readData: true).allSatisfy { $0.severity == .note })
        }
        let again = try cut.reopened()
        if keepsOther {
            _ = try again.engine.deleteClone("a")
        }
        #expect(try Store(folder: again.disk).cloneFolders().isEmpty)
        try again.delete(1)
    }
}

import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

struct CloneTests {
    private static let chunkBytes = EngineFixture.chunkBytes

    /// A volume of eight chunks, all of them 1, with snapshot 1.
    private func fixture() throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 8)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        return fixture
    }

    @discardableResult
    private func makeClone(
        _ name: String, _ fixture: EngineFixture, of id: Int64 = 1
    ) throws
        -> CloneRecord
    {
        try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: id), name: name))
    }

    private func bytes(_ value: UInt8, _ count: Int) -> [UInt8] {
        [UInt8](repeating: value, count: count)
    }

    /// All bytes of a clone.
    private func content(_ name: String, _ engine: LiveEngine) throws -> [UInt8] {
        let open = try engine.openClone(name)
        defer { open.close() }
        var buffer = AlignedBuffer(count: open.clone.byteCount)
        var bytes = buffer.mutableBytes
        try open.clone.read(into: &bytes, at: 0)
        return buffer.bytes.array
    }

    private func write(
        _ value: UInt8, at range: Range<Int>, _ name: String, _ engine: LiveEngine
    ) throws {
        let open = try engine.openClone(name)
        defer { open.close() }
        try open.clone.write(bytes(value, range.count).span.bytes, at: range.lowerBound)
    }

    @Test("A new clone reads as its snapshot, whatever the volume has become")
    func readsAsSnapshot() throws {
        let fixture = try fixture()
        try fixture.write(2, to: 0..<4)
        try makeClone("c", fixture)
        try fixture.write(3, to: 3..<8)
        #expect(try content("c", fixture.engine) == bytes(1, 8 * Self.chunkBytes))
    }

    @Test("A write to a part of a chunk keeps the rest, and touches neither snapshot nor volume")
    func copiesUp() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        try fixture.write(2, to: 0..<8)
        let range = Self.chunkBytes + 100..<3 * Self.chunkBytes + 7
        try write(9, at: range, "c", fixture.engine)
        var expected = bytes(1, 8 * Self.chunkBytes)
        expected.replaceSubrange(range, with: bytes(9, range.count))
        #expect(try content("c", fixture.engine) == expected)
        #expect(try fixture.content(1) == bytes(1, 8).map(Optional.some))
        #expect(try fixture.content() == bytes(2, 8).map(Optional.some))
    }

    @Test("Two clones of one snapshot do not see each other")
    func twoClones() throws {
        let fixture = try fixture()
        try makeClone("a", fixture)
        try makeClone("b", fixture)
        try write(7, at: 0..<512, "a", fixture.engine)
        try write(8, at: 512..<1024, "b", fixture.engine)
        #expect(
            try Array(content("a", fixture.engine).prefix(1024)) == bytes(7, 512) + bytes(1, 512))
        #expect(
            try Array(content("b", fixture.engine).prefix(1024)) == bytes(1, 512) + bytes(8, 512))
    }

    @Test("What was answered survives a killed process, what was flushed a power cut")
    func survivesCrashes() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        try open.clone.write(bytes(5, 10).span.bytes, at: 0)
        try open.clone.write(bytes(6, 10).span.bytes, at: 10)
        let killed = try EngineFixture(opening: fixture.crashed(.keepAll))
        #expect(try Array(content("c", killed.engine).prefix(20)) == bytes(5, 10) + bytes(6, 10))
        try open.clone.flush()
        let cut = try EngineFixture(opening: fixture.crashed(.dropAll))
        #expect(try Array(content("c", cut.engine).prefix(20)) == bytes(5, 10) + bytes(6, 10))
        open.close()
    }

    @Test("A snapshot with a clone is not deleted, and is once the clone is")
    func pins() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        let problem = #expect(throws: Problem.self) { try fixture.delete(1) }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("clone c") == true)
        #expect(problem?.hint?.remedies == [.cloneDelete("c")])
        let stored = StoredVolume(
            Store(folder: fixture.disk), try StoreReader(folder: fixture.disk).state())
        #expect(throws: Problem.self) {
            try stored.previewDelete([SnapshotID(rawValue: 1)])
        }
        let reopened = try fixture.reopened()
        #expect(throws: Problem.self) { try reopened.delete(1) }
        _ = try reopened.engine.deleteClone("c")
        try reopened.delete(1)
    }

    @Test("A clone that somebody has open is not deleted")
    func openClonesStay() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        let problem = #expect(throws: Problem.self) { try fixture.engine.deleteClone("c") }
        #expect(problem?.code == .refused)
        open.close()
        _ = try fixture.engine.deleteClone("c")
        #expect(fixture.engine.clones.isEmpty)
        #expect(try !fixture.disk.exists("clones/000001"))
    }

    @Test("One name is one clone's")
    func names() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        let taken = #expect(throws: Problem.self) { try makeClone("c", fixture) }
        #expect(taken?.code == .exists)
        let impossible = #expect(throws: Problem.self) { try makeClone("a@b", fixture) }
        #expect(impossible?.code == .usage)
        let none = #expect(throws: Problem.self) { try makeClone("d", fixture, of: 9) }
        #expect(none?.code == .notFound)
    }

    @Test("A full store refuses the clone's write, and nothing else is lost")
    func fullStore() throws {
        let fixture = try EngineFixture(chunks: 8, policy: .breakSnapshots)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        try open.clone.write(bytes(5, 512).span.bytes, at: 0)
        fixture.disk.capacityBytes = fixture.disk.allocatedBytes
        let problem = #expect(throws: Problem.self) {
            try open.clone.write(bytes(5, 512).span.bytes, at: 4 * Self.chunkBytes)
        }
        #expect(problem?.code == .noSpace)
        try open.clone.write(bytes(6, 512).span.bytes, at: 0)
        #expect(try fixture.content(1) == bytes(1, 8).map(Optional.some))
        fixture.disk.capacityBytes = nil
        try open.clone.write(bytes(7, 512).span.bytes, at: 4 * Self.chunkBytes)
        open.close()
        let content = try content("c", fixture.engine)
        #expect(content.prefix(512) == bytes(6, 512)[...])
        #expect(content[4 * Self.chunkBytes..<4 * Self.chunkBytes + 512] == bytes(7, 512)[...])
        #expect(content[4 * Self.chunkBytes + 512..<5 * Self.chunkBytes].allSatisfy { $0 == 1 })
    }

    @Test("A broken snapshot makes its clones unreadable, in words, and no others")
    func brokenSnapshot() throws {
        let fixture = try EngineFixture(chunks: 8, policy: .breakSnapshots)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        fixture.disk.capacityBytes = fixture.disk.allocatedBytes
        try fixture.write(2, to: 0)
        fixture.disk.capacityBytes = nil
        var buffer = AlignedBuffer(count: 512)
        let problem = #expect(throws: Problem.self) {
            var bytes = buffer.mutableBytes
            try open.clone.read(into: &bytes, at: 0)
        }
        #expect(problem?.code == .broken)
        #expect(problem?.message.contains("clone c") == true)
        open.close()
        #expect(fixture.engine.readableClones.isEmpty)
        try fixture.snapshot(2)
        try makeClone("d", fixture, of: 2)
        #expect(try content("d", fixture.engine).first == 2)
        #expect(try fixture.check().contains { $0.object == "clone c" && $0.severity == .damage })
    }

    @Test("Zeroes take no space where the snapshot has a hole, and free what was written")
    func zeroes() throws {
        let fixture = try EngineFixture(chunks: 8)
        try fixture.write(1, to: 0..<4)
        try fixture.snapshot(1)
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        defer { open.close() }
        try open.clone.zero(4 * Self.chunkBytes..<8 * Self.chunkBytes)
        #expect(open.clone.exceptionCount == 0)
        try open.clone.zero(100..<2 * Self.chunkBytes)
        #expect(open.clone.exceptionCount == 2)
        let content = try content("c", fixture.engine)
        #expect(content[..<100].allSatisfy { $0 == 1 })
        #expect(content[100..<2 * Self.chunkBytes].allSatisfy { $0 == 0 })
        #expect(content[2 * Self.chunkBytes..<4 * Self.chunkBytes].allSatisfy { $0 == 1 })
    }

    @Test("A clone whose flush failed takes no writes until it is opened anew, others do")
    func failedFlush() throws {
        let fixture = try fixture()
        try makeClone("a", fixture)
        try makeClone("b", fixture)
        let open = try fixture.engine.openClone("a")
        try open.clone.write(bytes(5, 512).span.bytes, at: 0)
        try open.clone.write(bytes(6, 512).span.bytes, at: 0)
        fixture.disk.faults = FaultPlan(.error(EIO), kinds: [.sync], after: 0, isPermanent: false)
        #expect(throws: Problem.self) { try open.clone.flush() }
        fixture.disk.faults = nil
        #expect(throws: Problem.self) { try open.clone.flush() }
        #expect(throws: Problem.self) { try open.clone.write(bytes(7, 9).span.bytes, at: 0) }
        open.close()
        #expect(throws: Problem.self) { try write(7, at: 0..<512, "a", fixture.engine) }
        try write(7, at: 0..<512, "b", fixture.engine)
        #expect(fixture.engine.warnings.contains { $0.description.contains("clone a") })
        try write(8, at: 0..<512, "a", fixture.reopened().engine)
    }

    @Test("Writers of one chunk at the same time lose nothing of each other")
    func concurrentWriters() throws {
        let fixture = try EngineFixture(chunks: 64)
        try fixture.write(1, to: 0..<64)
        try fixture.snapshot(1)
        try makeClone("c", fixture)
        let open = try fixture.engine.openClone("c")
        let (count, part) = (8, Self.chunkBytes / 8)
        let failures = Monitored<[String]>([])
        WorkerThreads.run(count) { worker in
            do {
                for chunk in 0..<64 {
                    let bytes = [UInt8](repeating: UInt8(10 + worker), count: part)
                    try open.clone.write(
                        bytes.span.bytes, at: chunk * Self.chunkBytes + worker * part)
                }
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
        open.close()
        let content = try content("c", fixture.reopened().engine)
        let expected = (0..<64).flatMap { _ in
            (0..<count).flatMap { [UInt8](repeating: UInt8(10 + $0), count: part) }
        }
        #expect(content == expected)
    }

    @Test(
        "A clone that is copied takes no writes until that has ended, and can be deleted by who copies it"
    )
    func held() throws {
        let fixture = try fixture()
        try makeClone("c", fixture)
        let writer = try fixture.engine.openClone("c")
        #expect(throws: Problem.self) { try fixture.engine.holdClone("c") }
        writer.close()
        let first = try fixture.engine.holdClone("c")
        let second = try fixture.engine.holdClone("c")
        #expect(try !fixture.engine.openClone("c").isWritable)
        let problem = #expect(throws: Problem.self) { try write(9, at: 0..<1, "c", fixture.engine) }
        #expect(problem?.code == .refused)
        #expect(throws: Problem.self) { try fixture.engine.deleteClone(first) }
        second.close()
        #expect(throws: Problem.self) { try write(9, at: 0..<1, "c", fixture.engine) }
        first.close()
        try write(9, at: 0..<1, "c", fixture.engine)
        _ = try fixture.engine.deleteClone(fixture.engine.holdClone("c"))
        #expect(fixture.engine.clones.isEmpty)
    }
}

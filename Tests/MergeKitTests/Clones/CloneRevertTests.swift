import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A revert takes what was written to a clone")
struct CloneRevertTests {
    private static let chunkBytes = EngineFixture.chunkBytes

    /// A volume of eight chunks: all 1 in snapshot 1, then half of it 2 in snapshot 2, then a bit of it 3. The
    /// clone `c` of snapshot 1 has 7 in chunk 1 and in a part of chunk 6.
    private func fixture(writesClone: Bool = true) throws -> EngineFixture {
        let fixture = try EngineFixture(chunks: 8)
        try fixture.write(1, to: 0..<8)
        try fixture.snapshot(1)
        try fixture.write(2, to: 0..<4)
        try fixture.snapshot(2)
        try fixture.write(3, to: 3..<5)
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        if writesClone {
            try write(7, at: Self.chunkBytes..<2 * Self.chunkBytes, fixture.engine)
            try write(7, at: 6 * Self.chunkBytes + 10..<6 * Self.chunkBytes + 20, fixture.engine)
        }
        return fixture
    }

    /// What the clone of the fixture holds.
    private static var cloned: [UInt8] {
        var bytes = [UInt8](repeating: 1, count: 8 * chunkBytes)
        for index in chunkBytes..<2 * chunkBytes { bytes[index] = 7 }
        for index in 6 * chunkBytes + 10..<6 * chunkBytes + 20 { bytes[index] = 7 }
        return bytes
    }

    private func write(
        _ value: UInt8, at range: Range<Int>, _ engine: LiveEngine
    ) throws {
        let open = try engine.openClone("c")
        defer { open.close() }
        let bytes = [UInt8](repeating: value, count: range.count)
        try open.clone.write(bytes.span.bytes, at: range.lowerBound)
    }

    private func clone(_ engine: LiveEngine) throws -> [UInt8] {
        let open = try engine.openClone("c", readOnly: true)
        defer { open.close() }
        var buffer = AlignedBuffer(count: open.clone.byteCount)
        var bytes = buffer.mutableBytes
        try open.clone.read(into: &bytes, at: 0)
        return buffer.bytes.array
    }

    private func volume(_ engine: LiveEngine) throws -> [UInt8] {
        var buffer = AlignedBuffer(count: engine.geometry.volumeBytes)
        var bytes = buffer.mutableBytes
        try engine.read(into: &bytes, at: 0)
        return buffer.bytes.array
    }

    private func request(
        _ id: Int64, to target: Int64 = 1, safety: Int64? = nil
    ) -> RevertRequest {
        RevertRequest(
            id: RevertID(rawValue: id), target: SnapshotID(rawValue: target),
            safety: safety.map { EngineFixture.request($0, .safety) })
    }

    @discardableResult
    private func revert(
        _ fixture: EngineFixture, ends: Bool = false, safety: Int64? = 3,
        overrulesClients: Bool = false
    ) throws -> RevertOutcome {
        try fixture.engine.revert(
            request(1, safety: safety), with: CloneUse(name: "c", ends: ends),
            overrulesClients: overrulesClients)
    }

    private func code(_ body: () throws -> Void) -> Problem.Code? {
        do { try body() } catch { return (error as? Problem)?.code }
        return nil
    }

    @Test("The volume reads at once as the clone, and all snapshots are as they were")
    func readsAtOnce() throws {
        let fixture = try fixture()
        let before = try fixture.content()
        try revert(fixture)
        for _ in 0..<2 {
            #expect(try volume(fixture.engine) == Self.cloned)
            #expect(try clone(fixture.engine) == Self.cloned)
            #expect(try fixture.content(1) == [UInt8](repeating: 1, count: 8).map(Optional.some))
            #expect(try fixture.content(2) == [2, 2, 2, 2, 1, 1, 1, 1])
            #expect(try fixture.content(3) == before)
            try fixture.merge()
        }
        #expect(fixture.engine.mergeProgress() == nil)
        #expect(try fixture.check(readData: true).allSatisfy { $0.severity == .note })
        // The safety snapshot undoes it.
        try fixture.revert(2, to: 3, safety: 4)
        #expect(try fixture.content() == before)
        try fixture.merge()
        #expect(try fixture.content() == before)
        #expect(try clone(fixture.engine) == Self.cloned)
    }

    @Test("What is copied follows from what differs, and the preview says it")
    func cost() throws {
        let fixture = try EngineFixture(chunks: 64)
        try fixture.write(1, to: 0..<64)
        try fixture.snapshot(1)
        _ = try fixture.engine.createClone(
            CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        try write(7, at: 100..<200, fixture.engine)
        try fixture.write(2, to: 9)
        let use = CloneUse(name: "c", ends: false)
        let preview = try fixture.engine.previewRevert(to: SnapshotID(rawValue: 1), with: use)
        #expect(preview.planBytes == 2 * Self.chunkBytes)
        #expect(preview.refusal == nil)
        #expect(try revert(fixture).planBytes == 2 * Self.chunkBytes)
    }

    @Test("While the merge runs the clone is read alone and not deleted, and goes on after it")
    func frozen() throws {
        let fixture = try fixture()
        try revert(fixture)
        let open = try fixture.engine.openClone("c")
        #expect(!open.isWritable)
        let byte: [UInt8] = [9]
        #expect(code { try open.clone.write(byte.span.bytes, at: 0) } == .refused)
        #expect(code { try open.clone.zero(0..<512) } == .refused)
        open.close()
        let problem = #expect(throws: Problem.self) { try fixture.engine.deleteClone("c") }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("merged") == true)
        try fixture.merge()
        try write(9, at: 0..<8 * Self.chunkBytes, fixture.engine)
        #expect(try clone(fixture.engine).allSatisfy { $0 == 9 })
        #expect(try volume(fixture.engine) == Self.cloned)
        _ = try fixture.engine.deleteClone("c")
    }

    @Test("Who writes to the clone is a reason against it, who reads it none")
    func writers() throws {
        let fixture = try fixture()
        let reading = try fixture.engine.openClone("c", readOnly: true)
        let writing = try fixture.engine.openClone("c")
        let problem = #expect(throws: Problem.self) { try revert(fixture) }
        #expect(problem?.code == .refused)
        #expect(problem?.message.contains("open for writing") == true)
        #expect(fixture.engine.mergeProgress() == nil)
        // A revert that was refused lets it go on.
        let bytes = [UInt8](repeating: 7, count: 10)
        try writing.clone.write(bytes.span.bytes, at: Self.chunkBytes)
        try revert(fixture, overrulesClients: true)
        #expect(code { try writing.clone.write(bytes.span.bytes, at: 0) } == .refused)
        #expect(try volume(fixture.engine) == Self.cloned)
        try fixture.merge()
        try writing.clone.write(bytes.span.bytes, at: 0)
        #expect(try volume(fixture.engine) == Self.cloned)
        writing.close()
        reading.close()
    }

    @Test("A clone of another snapshot, or none, is refused, and nothing has happened")
    func wrongClones() throws {
        let fixture = try fixture()
        let other = #expect(throws: Problem.self) {
            try fixture.engine.revert(
                request(1, to: 2, safety: 3), with: CloneUse(name: "c", ends: false))
        }
        #expect(other?.code == .refused)
        #expect(other?.hint?.remedies == [.revertWithClone(SnapshotID(rawValue: 1), "c")])
        let none = #expect(throws: Problem.self) {
            try fixture.engine.revert(
                request(1, safety: 3), with: CloneUse(name: "d", ends: false))
        }
        #expect(none?.code == .notFound)
        #expect(try fixture.engine.stateMismatch() == nil)
        try write(9, at: 0..<1, fixture.engine)
    }

    @Test("A clone that is to end is gone when the merge is, with its area and its pin")
    func ends() throws {
        let fixture = try fixture()
        try revert(fixture, ends: true)
        #expect(try clone(fixture.engine) == Self.cloned)
        #expect(throws: Problem.self) { try fixture.delete(1) }
        try fixture.merge()
        #expect(fixture.engine.clones.isEmpty)
        #expect(try !fixture.disk.exists("clones/000001"))
        #expect(try volume(fixture.engine) == Self.cloned)
        try fixture.delete(1)
        #expect(try fixture.engine.stateMismatch() == nil)
    }

    @Test("A cancelled merge leaves the clone as it was, also one that was to end")
    func cancelled() throws {
        let fixture = try fixture()
        let before = try fixture.content()
        try revert(fixture, ends: true)
        _ = try fixture.engine.mergeStep(byteLimit: Self.chunkBytes)
        _ = try fixture.engine.cancelMerge(RevertID(rawValue: 2))
        #expect(try fixture.content() == before)
        #expect(try clone(fixture.engine) == Self.cloned)
        try write(9, at: 0..<8 * Self.chunkBytes, fixture.engine)
        try fixture.merge()
        #expect(try fixture.content() == before)
        #expect(fixture.engine.clones.count == 1)
    }

    @Test("A revert that is taken back leaves the clone to its writers")
    func rolledBack() throws {
        let fixture = try fixture()
        let before = try fixture.content()
        let barrier = fixture.engine.beginBarrier()
        try barrier.prepareRevert(
            request(1, safety: 3), with: CloneUse(name: "c", ends: true))
        try barrier.holdIO()
        _ = try barrier.commit()
        try barrier.rollBack()
        barrier.releaseIO()
        #expect(try fixture.content() == before)
        try write(9, at: 0..<8 * Self.chunkBytes, fixture.engine)
        #expect(try clone(fixture.reopened().engine).allSatisfy { $0 == 9 })
    }

    @Test("A power cut loses nothing of it, however far the merge is", arguments: 0..<9)
    func powerCut(steps: Int) throws {
        let fixture = try fixture()
        try revert(fixture, ends: true)
        for _ in 0..<steps { _ = try fixture.engine.mergeStep(byteLimit: Self.chunkBytes) }
        let cut = try EngineFixture(opening: fixture.crashed(.dropAll))
        #expect(try volume(cut.engine) == Self.cloned)
        if cut.engine.mergeProgress() != nil {
            #expect(try clone(cut.engine) == Self.cloned)
            #expect(code { try write(9, at: 0..<1, cut.engine) } == .refused)
        }
        try cut.merge()
        #expect(try volume(cut.engine) == Self.cloned)
        #expect(cut.engine.clones.isEmpty)
        #expect(try cut.engine.stateMismatch() == nil)
    }

    @Test(
        "What a client wrote to the clone and did not flush is durable before the volume reads so")
    func unflushed() throws {
        let fixture = try fixture()
        // In place: only a flush makes it durable.
        let open = try fixture.engine.openClone("c")
        try open.clone.flush()
        let bytes = [UInt8](repeating: 8, count: Self.chunkBytes)
        try open.clone.write(bytes.span.bytes, at: Self.chunkBytes)
        try revert(fixture, overrulesClients: true)
        let cut = try EngineFixture(opening: fixture.crashed(.dropAll))
        #expect(try cut.content()[1] == 8)
    }

    @Test("A cut between the clone's end and the revert's is no matter")
    func cutEnd() throws {
        let fixture = try fixture()
        try revert(fixture, ends: true)
        try Store(folder: fixture.disk).endClone(CloneOrdinal(rawValue: 1))
        let cut = try EngineFixture(opening: fixture.crashed(.dropAll))
        #expect(cut.engine.clones.isEmpty)
        #expect(try cut.disk.exists("clones/000001/area.cow"))
        #expect(try cut.check(repair: true).allSatisfy { $0.severity == .note })
        #expect(try volume(cut.engine) == Self.cloned)
        try cut.merge()
        #expect(try volume(cut.engine) == Self.cloned)
        #expect(try !cut.disk.exists("clones/000001"))
        try cut.delete(1)
    }

    @Test("A snapshot of mid-merge reads as the clone did, whatever that becomes")
    func snapshotInMidMerge() throws {
        let fixture = try fixture()
        try revert(fixture)
        try fixture.snapshot(4)
        let view = try fixture.engine.openView(of: SnapshotID(rawValue: 4))
        defer { view.close() }
        func content() throws -> [UInt8] {
            var buffer = AlignedBuffer(count: view.byteCount)
            var bytes = buffer.mutableBytes
            try view.read(into: &bytes, at: 0)
            return buffer.bytes.array
        }
        #expect(try content() == Self.cloned)
        try fixture.merge()
        try write(9, at: 0..<8 * Self.chunkBytes, fixture.engine)
        try fixture.write(5, to: 0..<8)
        #expect(try content() == Self.cloned)
    }

    @Test(
        "An older version refuses a store with such a revert; one with another it goes on to read")
    func version() throws {
        func record(_ fixture: EngineFixture) throws -> String {
            let name = StoreLayout.revert(RevertID(rawValue: 1))
            return String(
                decoding: try fixture.disk.readFile(name, limitBytes: 1 << 20), as: UTF8.self)
        }
        let with = try fixture()
        try revert(with)
        #expect(try record(with).contains("\"version\":3"))
        let without = try fixture()
        try without.revert(1, to: 1, safety: 3)
        #expect(try record(without).contains("\"version\":2"))
    }

    @Test(
        "A clone's area that is damaged in mid-merge keeps the volume closed until it is given up")
    func damagedArea() throws {
        let fixture = try fixture()
        try revert(fixture)
        let disk = fixture.crashed(.keepAll)
        let area = try disk.openFile("clones/000001/area.cow", writable: true)
        // The second entry names what the volume has not.
        let entries = [UInt8](repeating: 0xFF, count: 16)
        try area.write(entries.span.bytes, at: Self.chunkBytes + 16)
        let problem = #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(problem?.code == .corrupt)
        #expect(problem?.message.contains("clone c") == true)
        let found = try StoreVerifier.check(
            store: disk, origin: disk.origin(), readData: false, repair: true)
        #expect(found.contains { $0.severity == .damage && $0.isRepairable })
        let opened = try EngineFixture(opening: disk)
        try opened.merge()
        var expected = Self.cloned
        for index in 6 * Self.chunkBytes..<7 * Self.chunkBytes { expected[index] = 1 }
        #expect(try volume(opened.engine) == expected)
    }

    @Test("A read that fails while it is repaired costs neither the revert nor the clone anything")
    func unreadableOnce() throws {
        for countdown in 0... {
            let fixture = try fixture()
            try revert(fixture, ends: true)
            let disk = fixture.crashed(.keepAll)
            disk.faults = FaultPlan(
                .error(EIO), kinds: [.read], after: countdown, isPermanent: false)
            _ = try? StoreVerifier.check(
                store: disk, origin: disk.origin(), readData: false, repair: true)
            let wasHit = disk.faultsHit > 0
            disk.faults = nil
            let opened = try EngineFixture(opening: disk)
            try opened.merge()
            #expect(try volume(opened.engine) == Self.cloned, "read \(countdown)")
            #expect(opened.engine.clones.isEmpty)
            guard wasHit else { break }
        }
    }

    @Test("Who reads by a merge's plan is done before its clone is written to again")
    func readerInFlight() throws {
        let fixture = try fixture()
        try revert(fixture)
        let isDone = Monitored(false)
        let thread = Monitored<BackgroundThread?>(nil)
        fixture.disk.observer = { operation in
            guard operation.kind == .read, operation.path.contains("clones/") else { return }
            fixture.disk.observer = nil
            // The reader has found out where the bytes lie, and is about to read them there.
            let started = try? BackgroundThread.startIfPossible(name: "merger") {
                try? fixture.merge()
                try? write(9, at: Self.chunkBytes..<2 * Self.chunkBytes, fixture.engine)
                isDone.change { $0 = true }
            }
            thread.withLock { $0 = started }
            _ = isDone.wait(milliseconds: 300) { $0 ? true : nil }
            // Who is told that the merge has ended may write to the clone.
            #expect(fixture.engine.mergeProgress() != nil)
        }
        var buffer = AlignedBuffer(count: Self.chunkBytes)
        var bytes = buffer.mutableBytes
        try fixture.engine.read(into: &bytes, at: Self.chunkBytes)
        thread.withLock { $0 }?.join()
        #expect(buffer.bytes.array.allSatisfy { $0 == 7 })
        #expect(isDone.withLock { $0 })
        #expect(try clone(fixture.engine)[Self.chunkBytes] == 9)
        #expect(try fixture.content()[1] == 7)
    }
}

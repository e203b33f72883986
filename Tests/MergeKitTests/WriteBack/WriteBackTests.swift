import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("First writes that are answered from the log") struct WriteBackTests {
    /// So many chunks, each with one content.
    private func all(_ byte: UInt8, _ count: Int = 8) -> [UInt8?] {
        [UInt8?](repeating: byte, count: count)
    }

    /// The disk after a power cut that takes all that is not durable, opened again.
    private func afterPowerCut(
        _ volume: EngineFixture, writeBack: Int? = nil
    ) throws -> EngineFixture {
        try EngineFixture(opening: volume.crashed(.dropAll), writeBack: writeBack)
    }

    private func afterKill(
        _ volume: EngineFixture, writeBack: Int? = nil
    ) throws -> EngineFixture {
        try EngineFixture(opening: volume.crashed(.keepAll), writeBack: writeBack)
    }

    private func logExists(_ disk: SimulatedDisk) throws -> Bool {
        try disk.exists(StoreLayout.writeBackLog)
    }

    // MARK: without it

    @Test("without the setting there is no log, and the notes in the store are as before")
    func off() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 3)
        #expect(try !logExists(volume.disk))
        let note = try volume.disk.readFile(StoreLayout.originState, limitBytes: 4096)
        #expect(String(decoding: note, as: UTF8.self).contains("\"version\":2}"))
    }

    @Test("an origin that does not show changes has no log, and says so")
    func noStamp() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        let again = try EngineFixture(
            opening: volume.crashed(.keepAll), writeBack: 1 << 20)
        #expect(try !logExists(again.disk))
        #expect(again.engine.warnings.contains { "\($0)".contains("has no log of first writes") })
    }

    // MARK: answered at once

    @Test("a first write waits for no sync, is read at once, and no snapshot shows it")
    func answered() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        let syncs = Monitored(0)
        try volume.write(2, to: 7)
        volume.disk.observer = { if $0.kind == .sync { _ = syncs.counted() } }
        try volume.write(3, to: 2..<4)
        volume.disk.observer = nil
        #expect(syncs.withLock { $0 } == 0)
        #expect(try volume.content() == [1, 1, 3, 3, 1, 1, 1, 2])
        #expect(try volume.content(1) == all(1))
        try volume.engine.drainWriteBack()
        #expect(try volume.content() == [1, 1, 3, 3, 1, 1, 1, 2])
        #expect(try volume.content(1) == all(1))
    }

    @Test("a killed server loses none of its answered writes, and the snapshot stays as it was")
    func killed() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(3, to: 2..<4)
        try volume.write(4, to: 3)
        for writeBack in [nil, 1 << 20] {
            let again = try afterKill(volume, writeBack: writeBack)
            #expect(try again.content() == [1, 1, 3, 4, 1, 1, 1, 1])
            #expect(try again.content(1) == all(1))
            #expect(again.engine.warnings.contains { "\($0)".contains("died with writes") })
            try again.write(5, to: 0)
            try again.engine.flush()
            let third = try afterPowerCut(again)
            #expect(try third.content() == [5, 1, 3, 4, 1, 1, 1, 1])
            #expect(try third.content(1) == all(1))
        }
    }

    @Test("what was flushed is there after a power cut, by one sync of the log")
    func flushed() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 7)
        try volume.engine.flush()
        let syncs = Monitored<[String]>([])
        try volume.write(3, to: 2)
        volume.disk.observer = { operation in
            if operation.kind == .sync { syncs.withLock { $0.append(operation.path) } }
        }
        try volume.engine.flush()
        volume.disk.observer = nil
        #expect(syncs.withLock { $0.filter { $0.hasSuffix(StoreLayout.writeBackLog) }.count } == 1)
        #expect(syncs.withLock { $0.allSatisfy { !$0.hasSuffix("area.cow") } })
        try volume.write(9, to: 5)
        let again = try afterPowerCut(volume)
        #expect(try again.content() == [1, 1, 3, 1, 1, 1, 1, 2])
        #expect(try again.content(1) == all(1))
    }

    @Test("a write that must be durable is so when it is answered, also over one in the log")
    func forced() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 4)
        let bytes = [UInt8](repeating: 6, count: 4096)
        try volume.engine.write(bytes.span.bytes, at: 4 * 4096, forceUnitAccess: true)
        #expect(try afterPowerCut(volume).content() == [1, 1, 1, 1, 6, 1, 1, 1])
    }

    @Test("nothing older is ever brought over what was written later, whatever survives")
    func staleRecords() throws {
        for seed in 0..<60 as Range<UInt64> {
            let volume = try EngineFixture.withLog(chunks: 8)
            try volume.write(2, to: 0..<4)
            try volume.engine.flush()
            try volume.engine.drainWriteBack()
            // Preserved by now: they go to the origin.
            try volume.write(3, to: 0..<4)
            try volume.engine.flush()
            try volume.write(4, to: 6)
            let disk = volume.crashed(.random, seed: seed)
            let again = try EngineFixture(opening: disk)
            #expect(try again.content().prefix(4) == [3, 3, 3, 3], "seed \(seed)")
            #expect(try again.content(1) == all(1), "seed \(seed)")
        }
    }

    // MARK: overlaps

    @Test("parts of chunks, trims and writes over each other read as they were made")
    func overlaps() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        var expected = [UInt8](repeating: 1, count: 8 * 4096)
        var random = SeededGenerator(seed: 5)
        func check(_ place: String) throws {
            var buffer = AlignedBuffer(count: expected.count)
            var bytes = buffer.mutableBytes
            try volume.engine.read(into: &bytes, at: 0)
            #expect(buffer.bytes.array == expected, "\(place)")
        }
        for round in 0..<400 {
            let start = random.below(expected.count - 1)
            let range = start..<min(expected.count, start + 1 + random.below(9000))
            switch random.below(8) {
            case 0:
                try volume.engine.zero(range)
                for index in range { expected[index] = 0 }
            case 1: try volume.engine.drainWriteBack()
            default:
                let byte = UInt8(2 + round % 250)
                let bytes = [UInt8](repeating: byte, count: range.count)
                try volume.engine.write(bytes.span.bytes, at: range.lowerBound)
                for index in range { expected[index] = byte }
            }
            try check("round \(round)")
        }
        #expect(try volume.content(1) == all(1))
        let again = try afterKill(volume)
        var buffer = AlignedBuffer(count: expected.count)
        var bytes = buffer.mutableBytes
        try again.engine.read(into: &bytes, at: 0)
        #expect(buffer.bytes.array == expected)
    }

    @Test("a log that is full is emptied by who needs it, and goes on")
    func fullLog() throws {
        let volume = try EngineFixture.withLog(chunks: 64, logBytes: 64 << 10)
        for round in 0..<4 {
            for chunk in 0..<64 { try volume.write(UInt8(round * 64 + chunk), to: chunk) }
            #expect(try volume.content() == (0..<64).map { UInt8(round * 64 + $0) })
            if round == 1 { try volume.snapshot(2) }
        }
        #expect(try volume.content(1) == all(1, 64))
        #expect(try volume.content(2) == (64..<128).map { UInt8($0) })
        let size = try Store(folder: volume.disk).openWriteBackLog(writable: false)?.byteCount()
        #expect(size == 4096 + (64 << 10))
    }

    @Test("extents tell what is in the log as data, also where the origin has a hole")
    func extents() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.engine.zero(4096..<3 * 4096)
        try volume.snapshot(2)
        try volume.write(2, to: 3)
        let extents = try volume.engine.extents(in: 0..<8 * 4096, limit: 100)
        #expect(extents.map(\.isHole) == [false, true, false])
        #expect(extents.map(\.range.upperBound) == [4096, 3 * 4096, 8 * 4096])
    }

    // MARK: snapshots, reverts, closing

    @Test("a snapshot holds all that was answered before it, and the log is empty then")
    func snapshotDrains() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        try volume.snapshot(2)
        try volume.write(3, to: 3)
        #expect(try volume.content(2) == [1, 1, 1, 2, 1, 1, 1, 1])
        let again = try afterPowerCut(volume)
        #expect(try again.content(2) == [1, 1, 1, 2, 1, 1, 1, 1])
        #expect(try again.content(1) == all(1))
    }

    @Test("a snapshot also holds what was answered between its first draining and its hold")
    func answeredBeforeHold() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        let isDone = Monitored(false)
        try volume.write(2, to: 3)
        volume.disk.observer = { operation in
            guard operation.kind == .sync, operation.path.hasSuffix("origin.raw"),
                isDone.withLock({ done in
                    defer { done = true }; return !done
                })
            else { return }
            LockOrder.elsewhere { try? volume.write(4, to: 5) }
        }
        try volume.snapshot(2)
        volume.disk.observer = nil
        #expect(try volume.content(2) == [1, 1, 1, 2, 1, 4, 1, 1])
        #expect(try volume.content(1) == all(1))
    }

    @Test("a revert takes what was answered into its safety snapshot, and a resize loses none")
    func revertDrains() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        try volume.revert(1, to: 1, safety: 2)
        #expect(try volume.content() == all(1))
        #expect(try volume.content(2) == [1, 1, 1, 2, 1, 1, 1, 1])
        try volume.write(5, to: 0)
        try volume.merge()
        try volume.write(6, to: 1)
        try volume.engine.resize(to: 10 * 4096)
        #expect(try volume.content() == [5, 6, 1, 1, 1, 1, 1, 1, 0, 0])
        let again = try afterPowerCut(volume)
        #expect(try again.content().prefix(2) == [5, 6])
    }

    @Test("an orderly close leaves no log, and a note that older programs read")
    func close() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        try volume.engine.close()
        #expect(try !logExists(volume.disk))
        let note = try volume.disk.readFile(StoreLayout.originState, limitBytes: 4096)
        #expect(String(decoding: note, as: UTF8.self).contains("\"version\":2}"))
        let again = try EngineFixture(opening: volume.disk)
        #expect(again.engine.warnings.isEmpty)
        #expect(try again.content() == [1, 1, 1, 2, 1, 1, 1, 1])
    }

    // MARK: other people's hands

    @Test("a log is not brought into an origin that somebody else has written to")
    func foreignOrigin() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        let disk = volume.crashed(.keepAll)
        let bytes = [UInt8](repeating: 7, count: 4096)
        try disk.origin().write(bytes.span.bytes, at: 0)
        let again = try EngineFixture(opening: disk, writeBack: 1 << 20)
        #expect(try again.content() == [7, 1, 1, 1, 1, 1, 1, 1])
        #expect(again.engine.warnings.contains { "\($0)".contains("THAT WERE ANSWERED ARE NOT") })
        let aside = try Store(folder: disk).writeBackLogsAside()
        #expect(aside.count == 1)
        #expect(try again.check().contains { $0.object == "write-back log" })
        // It is no matter of the next opening.
        try again.engine.close()
        #expect(try EngineFixture(opening: disk).engine.warnings.isEmpty)
    }

    @Test("nor is another volume's log, or a damaged one")
    func foreignLog() throws {
        for change in 0..<2 {
            let volume = try EngineFixture.withLog(chunks: 8)
            try volume.write(2, to: 3)
            let disk = volume.crashed(.keepAll)
            let log = try #require(try Store(folder: disk).openWriteBackLog(writable: true))
            if change == 0 {
                var header = try WriteBackReader(log).header
                header.uuid = "other"
                try header.write(to: log)
            } else {
                let bytes: [UInt8] = [1, 2, 3]
                try log.write(bytes.span.bytes, at: 30)
            }
            let again = try EngineFixture(opening: disk)
            #expect(try again.content() == all(1))
            #expect(try Store(folder: disk).writeBackLogsAside().count == 1)
        }
    }

    @Test("a log of a newer version is refused as newer")
    func newerLog() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        let disk = volume.crashed(.keepAll)
        let log = try #require(try Store(folder: disk).openWriteBackLog(writable: true))
        var buffer = AlignedBuffer(count: 512)
        var bytes = buffer.mutableBytes
        try log.read(into: &bytes, at: 0)
        bytes.store(littleEndian: UInt32(9), at: 8)
        bytes.store(littleEndian: UInt32(0), at: 12)
        let checksum = bytes.bytes.crc32c()
        bytes.store(littleEndian: checksum, at: 12)
        try log.write(buffer.bytes, at: 0)
        #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        #expect(try logExists(disk))
    }

    @Test("check tells how many answered writes wait in a log that a killed server left")
    func checkTells() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        try volume.write(2, to: 4)
        let finding = try volume.check().first { $0.object == "write-back log" }
        #expect(finding?.message.hasPrefix("2 writes that were answered") == true)
    }

    @Test("who compares a snapshot with the volume beside the server counts what lies in the log")
    func loggedChunks() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        let reader = try StoreReader(folder: volume.disk)
        #expect(try reader.loggedChunks().isEmpty)
        try volume.write(2, to: 3..<5)
        #expect(try reader.loggedChunks().ranges == [ChunkIndex(3)..<ChunkIndex(5)])
        try volume.engine.drainWriteBack()
        #expect(try reader.loggedChunks().isEmpty)
    }

    // MARK: failures

    @Test(
        "what cannot be brought into the origin is read all the same; flushes fail until it is there"
    )
    func failingOrigin() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        volume.disk.faults = FaultPlan(
            .error(EIO), kinds: [.write], after: 0, isPermanent: true)
        #expect(throws: Problem.self) { try volume.engine.drainWriteBack() }
        #expect(try volume.content() == [1, 1, 1, 2, 1, 1, 1, 1])
        #expect(throws: Problem.self) { try volume.engine.flush() }
        #expect(throws: Problem.self) { try volume.write(5, to: 3) }
        #expect(volume.engine.warnings.contains { "\($0)".contains("flushes fail") })
        #expect(throws: Problem.self) { try volume.snapshot(2) }
        volume.disk.faults = nil
        try volume.engine.flush()
        #expect(try afterPowerCut(volume).content() == [1, 1, 1, 2, 1, 1, 1, 1])
        #expect(try volume.content(1) == all(1))
    }

    @Test("a volume opens although its log cannot be brought into the origin, and reads through it")
    func failingRecovery() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        let disk = volume.crashed(.keepAll)
        disk.observer = { operation in
            // When the origin is to be written.
            if operation.kind == .write, operation.path.hasSuffix("origin.raw") {
                disk.faults = FaultPlan(
                    .error(EIO), kinds: [.write], after: 0, isPermanent: true)
            }
        }
        let again = try EngineFixture(opening: disk)
        disk.observer = nil
        let warnings = again.engine.warnings.map { "\($0)" }
        #expect(warnings.contains { $0.contains("are in its log and not in the origin") })
        #expect(!warnings.contains { $0.contains("they are in the origin now") })
        #expect(try again.content() == [1, 1, 1, 2, 1, 1, 1, 1])
        #expect(throws: Problem.self) { try again.engine.flush() }
        disk.faults = nil
        try again.engine.flush()
        #expect(try again.content() == [1, 1, 1, 2, 1, 1, 1, 1])
        #expect(try again.content(1) == all(1))
    }

    @Test("on a disk that fills up, what was answered finds room, and the rest is refused")
    func fullStore() throws {
        for spare in 0..<12 {
            let volume = try EngineFixture.withLog(chunks: 32)
            volume.disk.capacityBytes = volume.disk.allocatedBytes + spare * 4096
            var expected = [UInt8?](repeating: 1, count: 32)
            for chunk in 0..<32 {
                do {
                    try volume.write(2, to: chunk)
                    expected[chunk] = 2
                } catch let problem as Problem {
                    #expect(problem.code == .noSpace)
                }
            }
            #expect(try volume.content() == expected, "spare \(spare)")
            try volume.engine.drainWriteBack()
            #expect(try volume.content() == expected, "spare \(spare)")
            #expect(try volume.content(1) == all(1, 32), "spare \(spare)")
            #expect(expected.contains(2) || spare < 4)
        }
    }

    @Test("a write in the log keeps its room when others preserve chunks before it")
    func promisedRoom() throws {
        let volume = try EngineFixture.withLog(chunks: 32)
        // Room for a few exceptions beyond what is reserved with the first write.
        volume.disk.capacityBytes = volume.disk.allocatedBytes + 6 * 4096
        var answered: [Int] = []
        for chunk in 0..<3 where (try? volume.write(2, to: chunk)) != nil { answered.append(chunk) }
        let bytes = [UInt8](repeating: 3, count: 4096)
        for chunk in 8..<32 {
            // The usual way, for as long as there is room beside what was promised.
            try? volume.engine.write(
                bytes.span.bytes, at: chunk * 4096, forceUnitAccess: true)
        }
        #expect(answered == [0, 1, 2])
        try volume.engine.drainWriteBack()
        for chunk in answered { #expect(try volume.content()[chunk] == 2) }
        #expect(try volume.content(1) == all(1, 32))
    }

    @Test("what was reserved for the log is given back when the area freezes")
    func reservationEnds() throws {
        let volume = try EngineFixture.withLog(chunks: 2048)
        try volume.write(2, to: 3)
        let area = try volume.disk.openFile(EngineFixture.area(1), writable: false)
        #expect(try area.allocatedBytes() > 1 << 20)
        try volume.snapshot(2)
        #expect(try area.allocatedBytes() <= 4 * 4096)
    }
}

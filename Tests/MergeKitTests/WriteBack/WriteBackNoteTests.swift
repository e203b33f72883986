import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite(
    "What the log of first writes notes of the origin, so that our writes are not taken for others'"
)
struct WriteBackNoteTests {
    private let clock: VirtualClock
    private let volume: EngineFixture

    init() throws {
        clock = VirtualClock(bootID: "boot-0")
        volume = try EngineFixture.withLog(chunks: 8, clock: clock)
        // Preserved: what follows there goes to the origin.
        try volume.write(2, to: 6..<8)
        try volume.engine.drainWriteBack()
    }

    private func pass(seconds: Int64 = 300) {
        volume.disk.advance(bySeconds: seconds)
        clock.advance(bySeconds: seconds)
    }

    /// Does something once, before the disk's next operation of a kind on a file.
    private func once(
        _ kind: DiskOperation.Kind, of name: String, _ body: @escaping @Sendable () -> Void
    ) {
        let isDone = Monitored(false)
        volume.disk.observer = { operation in
            guard operation.kind == kind, operation.path.hasSuffix(name),
                isDone.withLock({ done in
                    defer { done = true }
                    return !done
                })
            else { return }
            LockOrder.elsewhere { body() }
        }
    }

    /// Opens what a crash has left, and looks whether the log was taken for one of this origin.
    private func expectOurs(
        _ disk: SimulatedDisk?, _ content: [UInt8?], clock: (any System.Clock)? = nil,
        _ place: SourceLocation = #_sourceLocation
    ) throws {
        let disk = try #require(disk, sourceLocation: place)
        let again = try EngineFixture(opening: disk, clock: clock)
        #expect(
            again.engine.warnings.allSatisfy { !"\($0)".contains("THAT WERE ANSWERED ARE NOT") },
            sourceLocation: place)
        #expect(try again.content() == content, sourceLocation: place)
        #expect(
            try again.content(1) == [UInt8?](repeating: 1, count: 8), sourceLocation: place)
    }

    @Test("a size that has changed is noted while somebody else writes to the origin, too")
    func resized() throws {
        try volume.engine.resize(to: 10 * 4096)
        let crashed = Monitored<SimulatedDisk?>(nil)
        let volume = volume
        once(.punch, of: "origin.raw") {
            try? volume.write(3, to: 3)
            let image = volume.crashed(.keepAll)
            crashed.withLock { $0 = image }
        }
        try volume.engine.zero(0..<4096)
        volume.disk.observer = nil
        let disk = try #require(crashed.withLock { $0 })
        let again = try EngineFixture(opening: disk)
        #expect(try again.content() == [1, 1, 1, 3, 1, 1, 2, 2, 0, 0])
        #expect(try Store(folder: disk).writeBackLogsAside().isEmpty)
    }

    @Test("a note that was made beside another's write tells of the present, not of the last one")
    func notedBeside() throws {
        pass()
        let volume = volume
        once(.punch, of: "origin.raw") {
            try? volume.write(3, to: 3)
            try? volume.engine.flush()
        }
        try volume.engine.zero(6 * 4096..<7 * 4096)
        volume.disk.observer = nil
        try expectOurs(volume.crashed(.dropAll), [1, 1, 1, 3, 1, 1, 2, 2])
    }

    @Test("a power cut long after the last sync of the log leaves a note of the writes since")
    func durableNote() throws {
        try volume.write(3, to: 3)
        try volume.engine.flush()
        pass()
        try volume.write(4, to: 7)
        try expectOurs(volume.crashed(.dropAll), [1, 1, 1, 3, 1, 1, 2, 2])
    }

    @Test("so it does when another write is under way all the time")
    func durableNoteBeside() throws {
        try volume.write(3, to: 3)
        try volume.engine.flush()
        let crashed = Monitored<SimulatedDisk?>(nil)
        let volume = volume
        let fixture = self
        once(.write, of: "origin.raw") {
            fixture.pass()
            try? volume.write(4, to: 6)
            let image = volume.crashed(.dropAll)
            crashed.withLock { $0 = image }
        }
        try volume.write(4, to: 7)
        volume.disk.observer = nil
        try expectOurs(crashed.withLock { $0 }, [1, 1, 1, 3, 1, 1, 2, 2])
    }

    @Test("a process killed while it has written for long leaves a note of its last writes")
    func longWriting() throws {
        try volume.write(3, to: 3)
        let crashed = Monitored<SimulatedDisk?>(nil)
        let volume = volume
        let fixture = self
        once(.write, of: "origin.raw") {
            // Too short for a durable one.
            fixture.pass(seconds: 10)
            try? volume.write(4, to: 6)
            let image = volume.crashed(.keepAll)
            crashed.withLock { $0 = image }
        }
        try volume.write(4, to: 7)
        volume.disk.observer = nil
        try expectOurs(crashed.withLock { $0 }, [1, 1, 1, 3, 1, 1, 4, 2])
    }

    @Test("one killed while it brings a long log into the origin does so, too")
    func longCommit() throws {
        try volume.write(3, to: 1)
        try volume.write(3, to: 4)
        let crashed = Monitored<SimulatedDisk?>(nil)
        let volume = volume
        let fixture = self
        let isLong = Monitored(true)
        volume.disk.observer = { operation in
            guard operation.path.hasSuffix("origin.raw") else { return }
            // The first of two writes takes long.
            if operation.kind == .write,
                isLong.withLock({ isLong in
                    defer { isLong = false }
                    return isLong
                })
            {
                fixture.pass(seconds: 10)
            }
            guard operation.kind == .sync else { return }
            let image = volume.crashed(.keepAll)
            crashed.withLock { $0 = $0 ?? image }
        }
        try volume.engine.drainWriteBack()
        volume.disk.observer = nil
        try expectOurs(crashed.withLock { $0 }, [1, 3, 1, 1, 3, 1, 2, 2])
    }

    @Test("a commit that waits long for what it reads makes another note before it writes on")
    func longRead() throws {
        try volume.write(3, to: 1)
        try volume.write(3, to: 4)
        let crashed = Monitored<SimulatedDisk?>(nil)
        let writes = Monitored(0)
        let reads = Monitored(0)
        let volume = volume
        let fixture = self
        volume.disk.observer = { operation in
            let isLog = operation.path.hasSuffix(StoreLayout.writeBackLog)
            if isLog, operation.kind == .read, reads.counted() == 2 {
                LockOrder.elsewhere { fixture.pass(seconds: 10) }
            }
            // Both parts are in the origin, and nothing has been noted after them.
            if writes.withLock({ $0 }) == 2 {
                LockOrder.elsewhere {
                    let image = volume.crashed(.keepAll)
                    crashed.withLock { $0 = $0 ?? image }
                }
            }
            if !isLog, operation.kind == .write, operation.path.hasSuffix("origin.raw") {
                _ = writes.counted()
            }
        }
        try volume.engine.drainWriteBack()
        volume.disk.observer = nil
        try expectOurs(crashed.withLock { $0 }, [1, 3, 1, 1, 3, 1, 2, 2])
    }

    /// Of a machine that started at some time, and has run for an instant.
    private struct StartedClock: System.Clock {
        let bootID: String
        let startedAt: Int64
        func now() -> Timestamp { Timestamp(stored: startedAt + 1) }
        func monotonicNanoseconds() -> Int64 { 1 }
        func reading() -> ClockReading {
            ClockReading(wall: now(), bootID: bootID, bootNanoseconds: 1)
        }
    }

    @Test("a clock that the power cut has set back makes no write another's")
    func clockSetBack() throws {
        try volume.write(3, to: 3)
        try volume.engine.flush()
        let disk = volume.crashed(.dropAll)
        try expectOurs(
            disk, [1, 1, 1, 3, 1, 1, 2, 2],
            clock: StartedClock(bootID: disk.bootID, startedAt: 1))
    }

    @Test(
        "what was written since the machine's start is another's, however short that is after the note"
    )
    func writtenSinceStart() throws {
        try volume.write(3, to: 3)
        try volume.engine.flush()
        let disk = volume.crashed(.dropAll)
        let origin = disk.origin()
        let bytes = [UInt8](repeating: 7, count: 4096)
        try origin.write(bytes.span.bytes, at: 0)
        let startedAt = try #require(try origin.stamp()).modifiedNanoseconds
        let again = try EngineFixture(
            opening: disk, clock: StartedClock(bootID: disk.bootID, startedAt: startedAt))
        #expect(try again.content() == [7, 1, 1, 1, 1, 1, 2, 2])
        #expect(try Store(folder: disk).writeBackLogsAside().count == 1)
    }
}

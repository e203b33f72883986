import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A log of first writes that is found, held off, or has failed") struct WriteBackHoldTests {
    private func all(_ byte: UInt8, _ count: Int = 8) -> [UInt8?] {
        [UInt8?](repeating: byte, count: count)
    }

    /// Does something once, before the disk's next operation of a kind on a file.
    private func once(
        _ kind: DiskOperation.Kind, of name: String, on disk: SimulatedDisk,
        _ body: @escaping @Sendable () -> Void
    ) {
        let isDone = Monitored(false)
        disk.observer = { operation in
            guard operation.kind == kind, operation.path.hasSuffix(name),
                isDone.withLock({ done in
                    defer { done = true }
                    return !done
                })
            else { return }
            LockOrder.elsewhere { body() }
        }
    }

    private func logged(_ volume: EngineFixture) throws -> [Int] {
        try StoreReader(folder: volume.disk).loggedChunks().ranges
            .flatMap { $0.lowerBound.rawValue..<$0.upperBound.rawValue }
    }

    // MARK: what was found

    @Test("records behind a first one that is torn never count, whatever is logged after them")
    func tornFirstRecord() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        let crashed = Monitored<SimulatedDisk?>(nil)
        try volume.write(2, to: 0)
        // While the one half is brought into the origin, the other is written to.
        once(.sync, of: "origin.raw", on: volume.disk) {
            try? volume.write(3, to: 4)
            try? volume.write(4, to: 5)
            let image = volume.crashed(.keepAll)
            crashed.withLock { $0 = image }
        }
        try volume.engine.drainWriteBack()
        volume.disk.observer = nil
        let disk = try #require(crashed.withLock { $0 })
        let log = try #require(try Store(folder: disk).openWriteBackLog(writable: true))
        let header = try WriteBackReader(log).header
        let nothing = [UInt8](repeating: 0, count: 512)
        try log.write(
            nothing.span.bytes, at: header.segmentStart(header.pending.upperBound))
        let again = try EngineFixture(opening: disk, writeBack: 1 << 20)
        #expect(try again.content() == [2, 1, 1, 1, 1, 1, 1, 1])
        // As long as the torn one: what lies behind it would be the next.
        try again.write(7, to: 6)
        #expect(try logged(again) == [6])
        for mode in [CrashMode.keepAll, .dropAll] {
            if mode == .dropAll { try again.engine.flush() }
            let third = try EngineFixture(opening: again.crashed(mode))
            #expect(try third.content() == [2, 1, 1, 1, 1, 1, 7, 1])
            #expect(try third.content(1) == all(1))
        }
        // And it goes on.
        try again.engine.drainWriteBack()
        try again.write(8, to: 7)
        #expect(try logged(again) == [7])
        #expect(try again.content() == [2, 1, 1, 1, 1, 1, 7, 8])
    }

    // MARK: held off

    @Test("what is written while a hold begins goes past the log, and into it again afterwards")
    func holdsOff() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        let found = Monitored<[Int]?>(nil)
        try volume.write(2, to: 3)
        once(.sync, of: "origin.raw", on: volume.disk) {
            try? volume.write(4, to: 5)
            let chunks = try? logged(volume)
            found.withLock { $0 = chunks }
        }
        try volume.snapshot(2)
        volume.disk.observer = nil
        #expect(found.withLock { $0 } == [3])
        #expect(try volume.content(2) == [1, 1, 1, 2, 1, 4, 1, 1])
        try volume.write(5, to: 6)
        #expect(try logged(volume) == [6])
    }

    @Test("a hold that failed, a resize and a close that failed leave a log that takes writes")
    func holdEnds() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        once(.write, of: "origin.raw", on: volume.disk) {
            volume.disk.faults = FaultPlan(
                .error(EIO), kinds: [.write], after: 0, isPermanent: true)
        }
        #expect(throws: Problem.self) { try volume.snapshot(2) }
        volume.disk.observer = nil
        volume.disk.faults = nil
        try volume.engine.drainWriteBack()
        try volume.write(5, to: 6)
        #expect(try logged(volume) == [6])
        try volume.engine.resize(to: 9 * 4096)
        try volume.write(5, to: 5)
        #expect(try logged(volume) == [5])
        // The disk is full when the close is noted.
        volume.disk.faults = FaultPlan(
            .error(ENOSPC), kinds: [.rename], after: 0, isPermanent: true)
        #expect(throws: Problem.self) { try volume.engine.close() }
        volume.disk.faults = nil
        try volume.write(5, to: 4)
        #expect(try logged(volume) == [4])
        #expect(try volume.content() == [1, 1, 1, 2, 5, 5, 5, 1, 0])
    }

    // MARK: failures

    @Test("a flush believes no sync of a log of which another one has failed")
    func syncElsewhere() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        let (disk, isLate) = (volume.disk, Monitored(false))
        disk.observer = { operation in
            guard operation.kind == .sync else { return }
            if operation.path.hasSuffix("origin.raw") {
                guard
                    !isLate.withLock({ late in
                        defer { late = true }
                        return late
                    })
                else { return }
                // Goes into the other half.
                LockOrder.elsewhere { try? volume.write(4, to: 5) }
            } else if operation.path.hasSuffix(StoreLayout.writeBackLog) {
                disk.faults = FaultPlan(
                    .error(EIO), kinds: [.sync], after: 0, isPermanent: false)
            }
        }
        #expect(throws: Problem.self) { try volume.engine.drainWriteBack() }
        disk.observer = nil
        #expect(disk.faultsHit == 1)
        #expect(try logged(volume).contains(5))
        // The first half alone is brought there, which ends the failure.
        try volume.engine.zero(3 * 4096..<4 * 4096)
        try volume.engine.flush()
        let again = try EngineFixture(opening: volume.crashed(.dropAll))
        #expect(try again.content() == [1, 1, 1, 0, 1, 4, 1, 1])
        #expect(try again.content(1) == all(1))
    }

    // MARK: collections

    @Test("a collection empties no area into which the log is being preserved")
    func collectBeside() throws {
        let volume = try EngineFixture.withLog(chunks: 8)
        try volume.write(2, to: 3)
        let (isInside, mayGoOn) = (Monitored(false), Monitored(false))
        once(.sync, of: EngineFixture.area(1), on: volume.disk) {
            isInside.change { $0 = true }
            _ = mayGoOn.wait { $0 ? true : nil }
        }
        let failures = Monitored<[String]>([])
        let drain = BackgroundThread.start(name: "drain") {
            do { try volume.engine.drainWriteBack() } catch {
                failures.withLock { $0.append("drain: \(error)") }
            }
        }
        _ = isInside.wait { $0 ? true : nil }
        try volume.delete(1)
        let isCollected = Monitored(false)
        let collect = BackgroundThread.start(name: "collect") {
            do { _ = try volume.engine.collect() } catch {
                failures.withLock { $0.append("collect: \(error)") }
            }
            isCollected.change { $0 = true }
        }
        // It waits; one that did not would have failed or ended long since.
        #expect(isCollected.wait(milliseconds: 300) { $0 ? true : nil } == nil)
        mayGoOn.change { $0 = true }
        drain.join()
        collect.join()
        volume.disk.observer = nil
        #expect(failures.withLock { $0 } == [])
        #expect(try volume.content() == [1, 1, 1, 2, 1, 1, 1, 1])
    }
}

import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import MergeKit
import SnapshotModel
import Testing

/// No session can keep a volume from others for long, whatever becomes of it.
@Suite("Holds")
struct HoldTests {
    private static var short: Patience {
        var patience = Patience()
        patience.change = 200
        patience.prepared = 200
        return patience
    }

    /// Writes from another thread; the value says whether the write has returned.
    private func write(to engine: LiveEngine) throws -> (Monitored<Bool>, BackgroundThread) {
        let (isBegun, isDone) = (Monitored(false), Monitored(false))
        let thread = try BackgroundThread.startIfPossible(name: "writer") {
            isBegun.change { $0 = true }
            try? engine.fill(7)
            isDone.change { $0 = true }
        }
        _ = isBegun.wait { $0 ? true : nil }
        return (isDone, thread)
    }

    @Test("I/O waits during a hold and goes on after it")
    func writesWait() throws {
        let volume = try TestVolume()
        try volume.served { host in
            let session = try volume.connect()
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            let (isDone, thread) = try write(to: host.engine)
            #expect(isDone.wait(milliseconds: 100) { $0 ? true : nil } == nil)
            _ = try session.perform(.releaseIO)
            thread.join()
            #expect(isDone.withLock { $0 })
        }
    }

    @Test("A session that dies in a hold releases it")
    func death() throws {
        let volume = try TestVolume()
        try volume.served { host in
            let session = try volume.connect()
            _ = try session.perform(.prepareSnapshot(.test(1)))
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            let (isDone, thread) = try write(to: host.engine)
            session.close()
            #expect(isDone.wait(milliseconds: 300_000) { $0 ? true : nil } == true)
            thread.join()
            let next = try volume.connect()
            #expect(try next.snapshotIDs() == [])
            _ = try next.perform(.snapshot(.test(2)))
            #expect(try next.snapshotIDs() == [2])
        }
    }

    @Test("A session that dies between commit and release leaves nothing committed")
    func deathAfterCommit() throws {
        let volume = try TestVolume()
        try volume.served { _ in
            let session = try volume.connect()
            _ = try session.perform(.prepareSnapshot(.test(1)))
            _ = try session.perform(.holdIO(milliseconds: 20_000))
            _ = try session.perform(.commit)
            session.close()
            let next = try volume.connect()
            _ = try next.perform(.snapshot(.test(2)))
            #expect(try next.snapshotIDs() == [2])
        }
    }

    @Test("A hold ends by itself, and its commit is interrupted")
    func timeout() throws {
        let volume = try TestVolume()
        try volume.served { host in
            let session = try volume.connect()
            _ = try session.perform(.prepareSnapshot(.test(1)))
            _ = try session.perform(.holdIO(milliseconds: 50))
            let (_, thread) = try write(to: host.engine)
            thread.join()
            for request in [VolumeRequest.commit, .rollBack, .releaseIO] {
                let problem = #expect(throws: Problem.self) { try session.perform(request) }
                #expect(problem?.code == .interrupted, "\(request)")
            }
            #expect(try session.snapshotIDs() == [])
            // The same session may try again.
            _ = try session.perform(.snapshot(.test(2)))
            #expect(try session.snapshotIDs() == [2])
        }
    }

    @Test("What lapsed after its commit is undone")
    func timeoutAfterCommit() throws {
        let volume = try TestVolume()
        try volume.served { host in
            let session = try volume.connect()
            // Longer where the commit's syncs took too long, on a disk that others keep busy.
            let isCommitted = try [1000, 5000, 20_000].contains { milliseconds in
                _ = try session.perform(.prepareSnapshot(.test(Int64(milliseconds))))
                _ = try session.perform(.holdIO(milliseconds: milliseconds))
                do throws(Problem) { _ = try session.perform(.commit) } catch {
                    guard error.code == .interrupted else { throw error }
                    return false
                }
                return true
            }
            try #require(isCommitted)
            // Returns when the hold is over.
            try host.engine.fill(7)
            let problem = #expect(throws: Problem.self) { try session.perform(.releaseIO) }
            #expect(problem?.code == .interrupted)
            #expect(try session.snapshotIDs() == [])
        }
    }

    @Test("A second session is told that the volume is locked, after a bounded wait")
    func secondIsLocked() throws {
        let volume = try TestVolume()
        var patience = Self.short
        patience.prepared = 60_000
        try volume.served(patience: patience) { _ in
            let first = try volume.connect()
            _ = try first.perform(.prepareSnapshot(.test(1)))
            let second = try volume.connect()
            for request in [
                VolumeRequest.prepareSnapshot(.test(2)), .holdIO(milliseconds: 10),
                .snapshot(.test(2)), .delete([SnapshotID(rawValue: 1)]),
            ] {
                let problem = #expect(throws: Problem.self) { try second.perform(request) }
                #expect(problem?.code == .locked, "\(request)")
            }
            // Looking is always possible.
            #expect(try second.snapshotIDs() == [])
        }
    }

    @Test("A second session gets its turn when the first is done")
    func secondWaits() throws {
        let volume = try TestVolume()
        var patience = Patience()
        patience.change = 600_000
        try volume.served(patience: patience) { _ in
            let first = try volume.connect()
            _ = try first.perform(.prepareSnapshot(.test(1)))
            _ = try first.perform(.holdIO(milliseconds: 300))
            // Waits for the first one's hold to lapse.
            let second = try volume.connect()
            _ = try second.perform(.snapshot(.test(2)))
            #expect(try second.snapshotIDs() == [2])
        }
    }

    @Test("What a client had open is free when its session has closed")
    func closing() throws {
        let volume = try TestVolume()
        try volume.served { host in
            _ = try volume.connect().perform(.snapshot(.test(1)))
            for _ in 0..<50 {
                let session = try volume.connect()
                _ = try session.perform(
                    .read(SnapshotID(rawValue: 1), offset: 0, count: 512))
                #expect(host.engine.snapshots().map(\.readers) == [1])
                session.close()
                #expect(host.engine.snapshots().map(\.readers) == [0])
            }
        }
    }

    @Test("What is prepared and then forgotten is dropped")
    func preparedLapses() throws {
        let volume = try TestVolume()
        var patience = Self.short
        // From the beginning of the preparation on.
        patience.prepared = 2000
        try volume.served(patience: patience) { _ in
            let first = try volume.connect()
            _ = try first.perform(.prepareSnapshot(.test(1)))
            let second = try volume.connect()
            // The second waits for less, and what is dropped has its files removed.
            let deadline = Deadline(milliseconds: 300_000)
            while true {
                do {
                    _ = try second.perform(.snapshot(.test(2)))
                    break
                } catch let problem as Problem {
                    guard problem.code == .locked, !deadline.hasPassed else { throw problem }
                }
            }
            let problem = #expect(throws: Problem.self) { try first.perform(.commit) }
            #expect(problem?.code == .interrupted)
        }
    }
}

import System
import Glibc
import StoreFormat
import SnapshotModel
import TestKit
import Testing
import MergeKit

@Suite("Interleavings and left-overs that once went wrong")
struct InterleavingTests {
    private let chunk = EngineFixture.chunkBytes

    @Test(
        "a revert over a time when the volume was larger leaves a store that opens")
    func revertOverShrink() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.engine.resize(to: 8 * chunk)
        try volume.write(2, to: 0..<8)
        try volume.snapshot(2)
        try volume.engine.resize(to: 4 * chunk)
        try volume.write(3, to: 0)
        try volume.revert(1, to: 1, safety: 3)
        _ = try volume.engine.mergeStep(byteLimit: 6 * chunk)
        let half = try volume.reopened()
        #expect(try half.content() == [1, 1, 1, 1])
        try half.merge()
        let again = try half.reopened()
        #expect(try again.content() == [1, 1, 1, 1])
        #expect(try again.content(2) == [2, 2, 2, 2, 2, 2, 2, 2])
        #expect(try again.content(3) == [3, 2, 2, 2])
    }

    @Test("what is written between a revert's preparation and its hold is reverted, too")
    func writesWhilePrepared() throws {
        let volume = try EngineFixture(chunks: 8)
        try volume.write(1, to: 0..<8)
        try volume.snapshot(1)
        try volume.write(2, to: 1, 5)
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareRevert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)))
        try volume.write(3, to: 0, 2, 5, 7)
        try barrier.holdIO()
        let planBytes = try barrier.commit().revert?.planBytes
        barrier.releaseIO()
        #expect(planBytes == 5 * chunk)
        #expect(try volume.content() == [1, 1, 1, 1, 1, 1, 1, 1])
        try volume.merge(chunksAtOnce: 2)
        let again = try volume.reopened()
        #expect(try again.content() == [1, 1, 1, 1, 1, 1, 1, 1])
        #expect(try again.content(2) == [3, 2, 3, 1, 1, 3, 1, 3])
    }

    @Test("a revert whose snapshot was lost after its preparation is refused, and changes nothing")
    func lostWhilePrepared() throws {
        let volume = try EngineFixture(chunks: 4, policy: .breakSnapshots)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0)
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareRevert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1),
                safety: EngineFixture.request(2, .safety)))
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        try volume.write(3, to: 1, 2)
        volume.disk.capacityBytes = nil
        try barrier.holdIO()
        let problem = #expect(throws: Problem.self) { _ = try barrier.commit() }
        barrier.releaseIO()
        #expect(problem?.message.contains("broken") == true)
        #expect(try volume.content() == [2, 3, 3, 1])
        #expect(volume.engine.mergeProgress() == nil)
    }

    @Test(
        "an area that lost chunks to a failed write has room for all the others")
    func leakedChunks() throws {
        let volume = try EngineFixture(chunks: 6)
        try volume.write(1, to: 0..<5)
        try volume.snapshot(1)
        volume.disk.faults = FaultPlan(.error(EIO), kinds: [.write], after: 1, isPermanent: false)
        #expect(throws: Problem.self) { try volume.write(2, to: 0..<2) }
        #expect(volume.disk.faultsHit == 1)
        try volume.write(2, to: 4)
        let again = try volume.reopened()
        try again.write(2, to: 0..<4)
        // The last chunk was zeroes: nothing is written for it, and the file does not grow.
        try again.write(2, to: 5)
        let last = try again.reopened()
        #expect(try last.content(1) == [1, 1, 1, 1, 1, 0])
    }

    @Test(
        "a read of a snapshot that races the loss of its chain fails, and shows no new bytes")
    func readRacesBreaking() throws {
        let volume = try EngineFixture(chunks: 4, policy: .breakSnapshots)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        volume.disk.capacityBytes = volume.disk.allocatedBytes + 4096
        let view = try volume.engine.openView(of: SnapshotID(rawValue: 1))
        let isDone = Flag()
        volume.disk.observer = { operation in
            guard operation.kind == .read, operation.path.hasSuffix("origin.raw"), isDone.raise()
            else { return }
            try? volume.write(2, to: 0..<4)
        }
        #expect(throws: Problem.self) { _ = try EngineFixture.content(of: view) }
        #expect(try volume.content() == [2, 2, 2, 2])
    }

    @Test(
        "a chain that is given up in mid-merge is not served after a crash half-way")
    func breakingInMidMergeIsAtomic() throws {
        let volume = try EngineFixture(chunks: 4, policy: .breakSnapshots)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<4)
        try volume.snapshot(2)
        try volume.revert(1, to: 1, safety: 3)
        try volume.snapshot(4)
        let images = Images()
        volume.disk.observer = { operation in
            guard operation.kind == .write, operation.path.hasSuffix("000004/area.cow") else {
                return
            }
            images.add(volume.crashed(.dropAll))
        }
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        try? volume.write(5, to: 0)
        let image = try #require(images.all.first)
        image.capacityBytes = nil
        let again = try EngineFixture(opening: image)
        try again.merge()
        if let content = try? again.content(2) { #expect(content == [2, 2, 2, 2]) }
        if let content = try? again.content(3) { #expect(content == [2, 2, 2, 2]) }
    }

    @Test(
        "a read in mid-merge is not fooled when its source is deleted and collected meanwhile")
    func readRacesCollection() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0..<1)
        try volume.snapshot(2)
        try volume.write(2, to: 0..<2)
        try volume.revert(1, to: 2, safety: 3)
        let isDone = Flag()
        let others = Others()
        volume.disk.observer = { operation in
            guard operation.kind == .read, operation.path.hasSuffix("000002/area.cow"),
                isDone.raise()
            else { return }
            try? volume.merge()
            _ = try? volume.delete(2)
            others.start { _ = try? volume.engine.collect() }
        }
        #expect(try volume.content() == [1, 0])
        #expect(isDone.isRaised)
        others.join()
        #expect(try volume.content() == [1, 0])
    }

    @Test(
        "a read of a snapshot goes on when garbage behind it is removed meanwhile")
    func readRacesRemoval() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0..<2)
        for id in 1...3 {
            try volume.snapshot(Int64(id))
            try volume.write(UInt8(id + 1), to: 0)
        }
        try volume.delete(2)
        // Opened anew, so that no chunk map is at hand.
        let again = try volume.reopened()
        let view = try again.engine.openView(of: SnapshotID(rawValue: 1))
        let isDone = Flag()
        let others = Others()
        again.disk.observer = { operation in
            guard operation.path.hasSuffix("000001/area.cow"), isDone.raise() else { return }
            others.start { _ = try? again.engine.collect() }
        }
        #expect(try EngineFixture.content(of: view) == [1, 1])
        #expect(isDone.isRaised)
        others.join()
        #expect(again.engine.snapshots().map(\.manifest.id.rawValue) == [1, 3])
        #expect(try EngineFixture.content(of: view) == [1, 1])
    }

    @Test(
        "a look at the snapshots during a roll-back leaves no stale chunk map")
    func statusRacesRollBack() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0..<2)
        try volume.snapshot(1)
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareSnapshot(EngineFixture.request(2))
        try barrier.holdIO()
        _ = try barrier.commit()
        let isDone = Flag()
        volume.disk.observer = { operation in
            guard operation.kind == .read, operation.path.hasSuffix("000001/area.cow"),
                isDone.raise()
            else { return }
            try? barrier.rollBack()
            barrier.releaseIO()
        }
        _ = volume.engine.snapshots()
        #expect(isDone.isRaised)
        try volume.write(2, to: 0)
        try volume.snapshot(2)
        #expect(try volume.content(1) == [1, 1])
    }

    @Test(
        "a snapshot whose area is damaged can be deleted and collected, as check advises")
    func deleteDamaged() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        try volume.write(2, to: 0)
        try volume.disk.openFile(EngineFixture.area(1), writable: true).write([9], at: 0)
        _ = try volume.check(repair: true)
        let again = try volume.reopened()
        try again.delete(1)
        _ = try again.engine.collect()
        #expect(try again.content(2) == [1, 0])
        #expect(again.engine.snapshots().map(\.manifest.id.rawValue) == [2])
    }

    @Test(
        "a snapshot whose area is gone can be deleted")
    func deleteMissing() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        try volume.disk.removeFile(EngineFixture.area(1))
        _ = try volume.check(repair: true)
        let again = try volume.reopened()
        try again.delete(1)
        _ = try again.engine.collect()
        #expect(try again.content(2) == [1, 0])
        #expect(again.engine.snapshots().map(\.manifest.id.rawValue) == [2])
    }

    @Test(
        "a repair does not give up snapshots because a file cannot be opened for the moment")
    func repairOnTransientFailure() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        let isDone = Flag()
        volume.disk.observer = { operation in
            guard operation.kind == .open, operation.path.hasSuffix("000001/area.cow"),
                isDone.raise()
            else { return }
            volume.disk.faults = FaultPlan(
                .error(EACCES), kinds: [.open], after: 0, isPermanent: false)
        }
        _ = try? volume.check(repair: true)
        #expect(isDone.isRaised)
        #expect(try !volume.disk.exists(StoreLayout.brokenMark(SnapshotOrdinal(rawValue: 1))))
        #expect(try volume.reopened().content(1) == [0, 0])
    }

    @Test(
        "after a close nothing changes the store any more")
    func nothingAfterClose() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.snapshot(1)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        try volume.engine.close()
        #expect(throws: Problem.self) { try volume.delete(1) }
        #expect(throws: Problem.self) { try volume.engine.resize(to: 4 * chunk) }
        #expect(try !volume.disk.exists(StoreLayout.deletedMark(SnapshotOrdinal(rawValue: 1))))
    }

    @Test(
        "a barrier that is committed twice takes one snapshot")
    func doubleCommit() throws {
        let volume = try EngineFixture(chunks: 2)
        let barrier = volume.engine.beginBarrier()
        try barrier.prepareSnapshot(EngineFixture.request(1))
        try barrier.holdIO()
        _ = try barrier.commit()
        _ = try? barrier.commit()
        #expect(volume.engine.snapshots().count == 1)
        try barrier.rollBack()
        barrier.releaseIO()
        #expect(volume.engine.snapshots().isEmpty)
        try volume.write(1, to: 0)
        try volume.snapshot(2)
        #expect(try volume.content(2) == [1, 0])
    }

    @Test(
        "a close that fails half-way leaves no word that the origin is closed")
    func failingClose() throws {
        let volume = try EngineFixture(chunks: 2)
        try volume.write(1, to: 0)
        volume.disk.faults = FaultPlan(
            .error(EIO), kinds: [.syncFolder], after: 0, isPermanent: false)
        #expect(throws: Problem.self) { try volume.engine.close() }
        // The volume goes on; a killed process must not look like a foreign change.
        try volume.write(2, to: 0)
        #expect(try Store(folder: volume.disk).originStateIsClosed() == false)
    }
}

extension Store {
    fileprivate func originStateIsClosed() throws -> Bool {
        try #require(try originState()).isClosed
    }
}

/// Says yes once.
final class Flag: Sendable {
    private let value = Monitored(false)

    var isRaised: Bool { value.withLock { $0 } }

    func raise() -> Bool {
        value.withLock { value in
            defer { value = true }
            return !value
        }
    }
}

/// Threads that an observer starts, as the one that it interrupts may have to end first.
final class Others: Sendable {
    private let threads = Monitored<[BackgroundThread]>([])

    /// Starts a thread and gives it a moment's time to end.
    func start(_ body: @escaping @Sendable () -> Void) {
        let hasEnded = Monitored(false)
        let thread = BackgroundThread.start(name: "test") {
            body()
            hasEnded.change { $0 = true }
        }
        threads.withLock { $0.append(thread) }
        _ = hasEnded.wait(milliseconds: 300) { $0 ? true : nil }
    }

    func join() {
        for thread in threads.withLock({ $0 }) { thread.join() }
    }
}

/// Crash images taken by an observer.
final class Images: Sendable {
    private let list = Monitored<[SimulatedDisk]>([])

    var all: [SimulatedDisk] { list.withLock { $0 } }

    func add(_ image: SimulatedDisk) { list.withLock { $0.append(image) } }
}

import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A volume with a part of a stream that goes on")
struct KeptPartTests {
    private static let uuid = "a192ac7d-2014-442f-954e-df9791c7d3d2"
    private static let other = "b192ac7d-2014-442f-954e-df9791c7d3d2"
    private static let chunk = EngineFixture.chunkBytes

    /// What snapshot 2 holds.
    private let base = [UInt8?](repeating: 2, count: 8) + [UInt8?](repeating: 1, count: 8)

    /// A volume of 16 chunks with the snapshots 1 (all ones) and 2 (twos in the first half), into which threes come from
    /// chunk 4 on: up to chunk 8 they are durable, and up to 10 written.
    private func receiving() throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 16)
        try volume.write(1, to: 0..<16)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<8)
        try volume.snapshot(2)
        try volume.engine.beginReceiving(
            Self.uuid, Self.uuid, base: volume.engine.volumeState.readable.last)
        try volume.write(3, to: 4..<8)
        try volume.engine.markReceived(upTo: 8 * Self.chunk)
        try volume.write(3, to: 8..<10)
        return volume
    }

    private func opened(_ disk: SimulatedDisk) throws -> EngineFixture {
        try EngineFixture(opening: disk, keepsReceived: true)
    }

    private func resume(
        _ volume: EngineFixture, _ snapshot: String = uuid, base number: Int = 2, at chunks: Int
    ) throws {
        let base = volume.engine.volumeState.readable.first { $0.ordinal.rawValue == number }
        try volume.engine.resumeReceiving(
            Self.uuid, snapshot, base: base, at: chunks * Self.chunk)
    }

    private func take(_ volume: EngineFixture) throws {
        var request = EngineFixture.request(3, .mirror)
        request.description.source = SnapshotSource(
            volume: Self.uuid, snapshot: Self.uuid, id: SnapshotID(rawValue: 9),
            ordinal: SnapshotOrdinal(rawValue: 9), takenAt: Timestamp(stored: VirtualClock.start))
        _ = try volume.engine.takeReceived(request)
    }

    @Test(
        "whatever a crash takes, it goes on from its mark, and becomes what was sent",
        arguments: [CrashMode.keepAll, .dropAll, .random])
    func goesOn(mode: CrashMode) throws {
        for seed in 1...8 as ClosedRange<UInt64> {
            let volume = try opened(try receiving().crashed(mode, seed: seed))
            #expect(try volume.content(2) == base)
            #expect(volume.engine.halfReceived?.mark == 8 * Self.chunk)
            try resume(volume, at: 8)
            try volume.write(3, to: 8..<12)
            try take(volume)
            let whole =
                [UInt8?](repeating: 2, count: 4) + [UInt8?](repeating: 3, count: 8)
                + [UInt8?](repeating: 1, count: 4)
            #expect(try volume.content(3) == whole)
            #expect(try volume.content(2) == base)
            #expect(try Store(folder: volume.disk).receiveNote() == nil)
        }
    }

    @Test(
        "nobody reads or writes it meanwhile, its snapshots are deleted, and it is given back when it is needed"
    )
    func shut() throws {
        let volume = try opened(try receiving().crashed(.keepAll))
        for attempt in [
            { _ = try volume.content() }, { try volume.write(9, to: 0) },
            { _ = try volume.snapshot(3) }, { _ = try volume.revert(1, to: 1, safety: nil) },
            { try volume.engine.resize(to: 4096) }, { _ = try volume.delete(2) },
        ] {
            let problem = #expect(throws: Problem.self) { try attempt() }
            #expect(problem?.code == .refused, "\(problem as Any)")
        }
        try volume.delete(1)
        _ = try volume.engine.collect()
        #expect(try volume.content(2) == base)
        try volume.engine.takeBackKept()
        #expect(try volume.content() == base)
        #expect(try Store(folder: volume.disk).receiveNote() == nil)
        try volume.snapshot(3)
        #expect(try volume.content(3) == base)
    }

    @Test("whoever does not know that it may go on gives it back at once")
    func unknowing() throws {
        let volume = try EngineFixture(opening: try receiving().crashed(.keepAll))
        #expect(try volume.content() == base)
        #expect(try Store(folder: volume.disk).receiveNote() == nil)
    }

    @Test("nothing else goes on from it, and it stays as it is then")
    func stale() throws {
        let volume = try opened(try receiving().crashed(.keepAll))
        for attempt in [
            { try resume(volume, Self.other, at: 8) }, { try resume(volume, base: 1, at: 8) },
            { try resume(volume, base: 9, at: 8) }, { try resume(volume, at: 9) },
            { try resume(volume, at: 0) },
        ] {
            let problem = #expect(throws: Problem.self) { try attempt() }
            #expect(problem?.code == .refused, "\(problem as Any)")
        }
        // What lies behind where it goes on comes again.
        try resume(volume, at: 5)
        #expect(try Store(folder: volume.disk).receiveNote()?.mark == 5 * Self.chunk)
    }

    @Test("a volume that gives its snapshots up when its store is full goes on with nothing")
    func breaking() throws {
        let disk = try receiving().crashed(.keepAll)
        let store = Store(folder: disk)
        var record = try store.volume()
        record.storeFullPolicy = .breakSnapshots
        try store.writeVolume(record)
        let volume = try opened(disk)
        let problem = #expect(throws: Problem.self) { try resume(volume, at: 8) }
        #expect(problem?.message.contains("gives its snapshots up") == true, "\(problem as Any)")
        #expect(try store.receiveNote()?.mark == 8 * Self.chunk)
        #expect(throws: Problem.self) { try volume.write(9, to: 0) }
    }

    @Test("a part that is gone on with is not old")
    func fresh() throws {
        let disk = try receiving().crashed(.keepAll)
        let later = VirtualClock.start + 8 * 86_400 * 1_000_000_000
        let volume = try EngineFixture(
            opening: disk, clock: VirtualClock(nanoseconds: later, bootID: disk.bootID),
            keepsReceived: true)
        try resume(volume, at: 8)
        let marked = try #require(try Store(folder: disk).receiveNote()?.markedAt)
        #expect(marked >= Timestamp(stored: later))
    }

    @Test("what is being given back goes on no more, though that is cut")
    func takenBack() throws {
        let disk = try receiving().crashed(.keepAll)
        for countdown in 0..<64 {
            let copy = EngineFixture.copy(of: disk)
            copy.faults = FaultPlan(
                .error(EIO), kinds: [.write], after: countdown, isPermanent: true)
            guard let volume = try? opened(copy) else { continue }
            guard (try? volume.engine.takeBackKept()) == nil else { break }
            copy.faults = nil
            let next = try opened(volume.crashed(.keepAll))
            guard let note = next.engine.halfReceived else {
                #expect(try next.content() == base)
                continue
            }
            // Nothing was given back yet.
            #expect(note.mark == 8 * Self.chunk)
            var buffer = AlignedBuffer(count: 4 * Self.chunk)
            var bytes = buffer.mutableBytes
            try next.engine.readReceived(into: &bytes, at: 4 * Self.chunk)
            #expect(buffer.bytes.array.allSatisfy { $0 == 3 })
        }
    }

    @Test("only what is durable of it is read")
    func read() throws {
        let volume = try opened(try receiving().crashed(.keepAll))
        var buffer = AlignedBuffer(count: 2 * Self.chunk)
        var bytes = buffer.mutableBytes
        try volume.engine.readReceived(into: &bytes, at: 6 * Self.chunk)
        #expect(buffer.bytes.array.allSatisfy { $0 == 3 })
        for offset in [7 * Self.chunk, 8 * Self.chunk, -1, Int.max] {
            var more = buffer.mutableBytes
            #expect(throws: Problem.self) {
                try volume.engine.readReceived(into: &more, at: offset)
            }
        }
    }
}

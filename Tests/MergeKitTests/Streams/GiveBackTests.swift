import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System
import TestKit
import Testing

@Suite("A volume whose stream was cut, and that cannot be given back what it was")
struct GiveBackTests {
    private static let uuid = "a192ac7d-2014-442f-954e-df9791c7d3d2"

    /// A volume of 16 chunks with the snapshots 1 (all ones) and 2 (twos in the first half), whose receiver was killed
    /// when threes were in its second half.
    private func cut() throws -> SimulatedDisk {
        let volume = try EngineFixture(chunks: 16)
        try volume.write(1, to: 0..<16)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<8)
        try volume.snapshot(2)
        try volume.engine.beginReceiving(
            Self.uuid, Self.uuid, base: volume.engine.volumeState.readable.last)
        try volume.write(3, to: 8..<16)
        try volume.engine.flush()
        return volume.crashed(.keepAll)
    }

    /// Opens the volume on a disk that takes no more writes from some moment on: from the first one at which it opens
    /// all the same. Nil when it never does.
    private func shut(_ disk: SimulatedDisk, _ code: Int32) throws -> EngineFixture? {
        for countdown in 0..<64 {
            disk.faults = FaultPlan(
                .error(code), kinds: [.write], after: countdown, isPermanent: true)
            guard let volume = try? EngineFixture(opening: disk) else { continue }
            let isShut = volume.engine.warnings.contains {
                "\($0)".contains("could not be given back")
            }
            return isShut ? volume : nil
        }
        return nil
    }

    private let base = [UInt8?](repeating: 2, count: 8) + [UInt8?](repeating: 1, count: 8)

    @Test(
        "a give-back that fails keeps the volume's own content shut, and nothing of its snapshots",
        arguments: [ENOSPC, EIO])
    func shut(code: Int32) throws {
        let disk = try cut()
        let volume = try #require(try shut(disk, code))
        #expect(try volume.content(2) == base)
        #expect(try volume.content(1) == [UInt8?](repeating: 1, count: 16))
        disk.faults = nil
        for attempt in [
            { _ = try volume.content() }, { try volume.write(9, to: 0) },
            { try volume.snapshot(3) }, { try volume.revert(1, to: 1, safety: nil) },
            { try volume.engine.resize(to: 4096) }, { try volume.delete(2) },
        ] {
            let problem = #expect(throws: Problem.self) { try attempt() }
            #expect(problem?.hint.map { "\($0)" }?.isEmpty == false, "\(problem as Any)")
        }
        try volume.delete(1)
        _ = try volume.engine.collect()
        #expect(try volume.content(2) == base)
        // What comes back is whole, and may be used again.
        let next = try volume.reopened()
        #expect(try next.content() == base)
        try next.write(9, to: 0)
        try next.snapshot(3)
        #expect(try next.content(2) == base)
        #expect(try Store(folder: next.disk).receiveNote() == nil)
    }

    @Test("programs that know of no streams refuse the volume as long as it holds a part of one")
    func version() throws {
        let disk = try cut()
        func version() throws -> Bool {
            let bytes = try disk.readFile(StoreLayout.volume, limitBytes: 1 << 20)
            return String(decoding: bytes, as: UTF8.self).contains("\"version\":3")
        }
        #expect(try version())
        let volume = try EngineFixture(opening: disk)
        #expect(try volume.content() == base)
        #expect(try !version())
        // Marked, and killed before the note: nothing was written.
        var record = try Store(folder: disk).volume()
        record.isReceiving = true
        try Store(folder: disk).writeVolume(record)
        #expect(try version())
        let next = try volume.reopened()
        #expect(try Store(folder: next.disk).volume().isReceiving == nil)
        #expect(try next.content() == base)
    }

    @Test("what is received whole leaves no mark behind")
    func whole() throws {
        let volume = try EngineFixture(chunks: 16)
        try volume.write(1, to: 0..<16)
        try volume.snapshot(1)
        let store = Store(folder: volume.disk)
        try volume.engine.beginReceiving(
            Self.uuid, Self.uuid, base: volume.engine.volumeState.readable.last)
        #expect(try store.volume().isReceiving == true)
        try volume.write(3, to: 8..<16)
        var request = EngineFixture.request(2, .mirror)
        request.description.source = SnapshotSource(
            volume: Self.uuid, snapshot: Self.uuid, id: SnapshotID(rawValue: 9),
            ordinal: SnapshotOrdinal(rawValue: 9), takenAt: Timestamp(stored: VirtualClock.start))
        _ = try volume.engine.takeReceived(request)
        #expect(try store.volume().isReceiving == nil)
        #expect(try store.receiveNote() == nil)
    }
}

import MergeKit
import SnapshotModel
import System
import TestKit
import Testing

@Suite("First writes into holes that are answered from the log") struct WriteBackHoleTests {
    private static let count = 64

    /// A volume of ones whose second half is a hole in its newest snapshot.
    private func volumeWithHole() throws -> EngineFixture {
        let volume = try EngineFixture.withLog(chunks: Self.count)
        try volume.engine.zero(Self.count / 2 * 4096..<Self.count * 4096)
        try volume.snapshot(2)
        return volume
    }

    private func expected(_ written: [Int: UInt8] = [:]) -> [UInt8?] {
        (0..<Self.count).map { written[$0] ?? ($0 < Self.count / 2 ? 1 : 0) }
    }

    @Test("a hole is given space before the answer, and no sync is waited for")
    func answered() throws {
        let volume = try volumeWithHole()
        let syncs = Monitored(0)
        let before = volume.disk.allocatedBytes
        volume.disk.observer = { if $0.kind == .sync { _ = syncs.counted() } }
        try volume.write(5, to: 40)
        try volume.write(6, to: 41)
        volume.disk.observer = nil
        #expect(syncs.withLock { $0 } == 0)
        #expect(volume.disk.allocatedBytes >= before + 64 << 10)
        #expect(try volume.content() == expected([40: 5, 41: 6]))
        #expect(try volume.content(2) == expected())
        let again = try EngineFixture(opening: volume.crashed(.keepAll), writeBack: 1 << 20)
        #expect(try again.content() == expected([40: 5, 41: 6]))
        #expect(try again.content(2) == expected())
        #expect(try again.content(1) == [UInt8?](repeating: 1, count: Self.count))
    }

    @Test("a hole that was given space is not given any again, until space was given back")
    func once() throws {
        let volume = try volumeWithHole()
        let allocations = Monitored(0)
        try volume.write(5, to: 40)
        volume.disk.observer = {
            if $0.kind == .write, $0.path.hasSuffix("origin.raw") { _ = allocations.counted() }
        }
        for chunk in 34..<40 { try volume.write(6, to: chunk) }
        #expect(allocations.withLock { $0 } == 0)
        try volume.engine.zero(36 * 4096..<38 * 4096)
        let before = allocations.withLock { $0 }
        try volume.snapshot(3)
        try volume.write(7, to: 36)
        volume.disk.observer = nil
        #expect(allocations.withLock { $0 } > before)
        #expect(
            try volume.content()
                == expected([34: 6, 35: 6, 36: 7, 37: 0, 38: 6, 39: 6, 40: 5]))
        try volume.engine.drainWriteBack()
        #expect(try volume.content(2) == expected())
    }

    @Test(
        "what a merge has made a hole again is given space anew, or refused on a full disk",
        arguments: 0..<40)
    func merged(spare: Int) throws {
        let volume = try volumeWithHole()
        try volume.write(5, to: 40)
        try volume.engine.drainWriteBack()
        try volume.revert(1, to: 2, safety: 10)
        try volume.merge()
        #expect(try volume.content() == expected())
        // Only a first write is answered from the log, and only where its snapshot's area has room.
        try volume.snapshot(3)
        volume.disk.capacityBytes = volume.disk.allocatedBytes + spare * 4096
        var written: [Int: UInt8] = [:]
        do {
            try volume.write(6, to: 40)
            written[40] = 6
        } catch let problem as Problem {
            #expect(problem.code == .noSpace)
        }
        if spare == 0 { #expect(written.isEmpty) }
        try volume.engine.drainWriteBack()
        #expect(try volume.content() == expected(written))
        volume.disk.capacityBytes = nil
        try volume.write(6, to: 40)
        try volume.engine.drainWriteBack()
        #expect(try volume.content() == expected([40: 6]))
        #expect(try volume.content(3) == expected())
    }

    @Test("where a hole finds no space, the write is refused in the usual way, and nothing is lost")
    func full() throws {
        for spare in 0..<40 {
            let volume = try volumeWithHole()
            volume.disk.capacityBytes = volume.disk.allocatedBytes + spare * 4096
            var written: [Int: UInt8] = [:]
            for chunk in 28..<Self.count {
                do {
                    try volume.write(9, to: chunk)
                    written[chunk] = 9
                } catch let problem as Problem {
                    #expect(problem.code == .noSpace)
                }
            }
            #expect(try volume.content() == expected(written), "spare \(spare)")
            try volume.engine.drainWriteBack()
            #expect(try volume.content() == expected(written), "spare \(spare)")
            #expect(try volume.content(2) == expected(), "spare \(spare)")
        }
    }
}

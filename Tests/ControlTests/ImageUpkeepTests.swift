import System
import Control
import ImageDriver
import StoreFormat
import VolumeAccess
import MergeKit
import SnapshotModel
import Testing

@Suite("The upkeep")
struct ImageUpkeepTests {
    private func revert(_ host: VolumeHost) throws {
        try host.engine.fill(1, count: TestVolume.byteCount)
        _ = try host.engine.takeSnapshot(.test(1))
        try host.engine.fill(2, count: TestVolume.byteCount)
        _ = try host.engine.revert(
            RevertRequest(
                id: RevertID(rawValue: 1), target: SnapshotID(rawValue: 1), safety: .test(2)))
    }

    private func waitUntilMerged(_ host: VolumeHost) -> Bool {
        let deadline = Deadline(milliseconds: 300_000)
        while host.engine.mergeProgress() != nil {
            guard !deadline.hasPassed else { return false }
            BackgroundThread.sleep(milliseconds: 10)
        }
        return true
    }

    @Test("A merge runs to its end by itself")
    func merges() throws {
        let volume = try TestVolume()
        let host = try volume.open(hasUpkeep: true)
        try revert(host)
        host.upkeep?.wake()
        #expect(waitUntilMerged(host))
        try host.close()
    }

    @Test("Without upkeep a merge stands still")
    func standsStill() throws {
        let volume = try TestVolume()
        let host = try volume.open()
        try revert(host)
        BackgroundThread.sleep(milliseconds: 100)
        #expect(host.engine.mergeProgress()?.state == .merging)
        #expect(host.engine.mergeProgress()?.mergedBytes == 0)
        try host.close()
    }

    @Test("The index of views is made by itself")
    func extendsIndex() throws {
        let volume = try TestVolume()
        let host = try volume.open(hasUpkeep: true)
        let session = LocalSession(host: host, ownsHost: true)
        for id in 1...9 as ClosedRange<Int64> { _ = try session.perform(.snapshot(.test(id))) }
        let store = Store(folder: host.engine.storeFolder)
        let deadline = Deadline(milliseconds: 300_000)
        while try store.indexBlocks(.standard).isEmpty, !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: 10)
        }
        #expect(try store.indexBlocks(.standard).map(\.description) == ["1-0"])
        session.close()
    }

    @Test("A paused merge goes on when it is resumed")
    func pause() throws {
        let volume = try TestVolume()
        let host = try volume.open(hasUpkeep: true)
        try host.engine.pauseMerge()
        let session = LocalSession(host: host, ownsHost: true)
        try revert(host)
        _ = try session.perform(.pauseMerge)
        _ = try session.perform(.resumeMerge)
        #expect(waitUntilMerged(host))
        session.close()
    }

    @Test("Closing in the middle of a slow merge does not wait for its end")
    func closesSoon() throws {
        let volume = try TestVolume()
        // Throttled before upkeep can have merged everything; the limit stays with the merge.
        let first = try volume.open()
        try revert(first)
        try first.engine.throttleMerge(bytesPerSecond: 1)
        try first.close()
        let host = try volume.open(hasUpkeep: true)
        host.upkeep?.wake()
        let deadline = Deadline(milliseconds: 300_000)
        // Behind its first step it waits for the next one's turn.
        while host.engine.mergeProgress()?.mergedBytes == 0 {
            try #require(!deadline.hasPassed)
            BackgroundThread.sleep(milliseconds: 10)
        }
        let start = SystemClock().monotonicNanoseconds()
        try host.close()
        #expect(SystemClock().monotonicNanoseconds() - start < 300_000_000_000)
        let again = try volume.open()
        #expect(again.engine.mergeProgress() != nil)
        try again.close()
    }
}

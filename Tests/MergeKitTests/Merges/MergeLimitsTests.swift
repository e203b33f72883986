import Glibc
import System
import StoreFormat
import SnapshotModel
import TestKit
import Testing
import MergeKit

@Suite("A merge's throttle and pause stay with the merge")
struct MergeLimitsTests {
    private func makeMerging() throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<4)
        try volume.revert(1, to: 1, safety: 2)
        return volume
    }

    private let limits = StoreLayout.mergeLimits(RevertID(rawValue: 1))

    @Test("they hold when the volume is opened again, and go with the merge")
    func kept() throws {
        let volume = try makeMerging()
        try volume.engine.throttleMerge(bytesPerSecond: 1 << 40)
        try volume.engine.pauseMerge()
        let again = try EngineFixture(opening: volume.crashed(.dropAll))
        #expect(again.engine.mergeProgress()?.state == .paused)
        #expect(again.engine.mergeProgress()?.bytesPerSecondLimit == 1 << 40)
        #expect(try StoreReader(folder: again.disk).revert()?.limits.isPaused == true)
        #expect(again.engine.warnings.contains { $0.description.contains("its merge is paused") })
        #expect(try again.engine.mergeStep(byteLimit: 4096) == .idle)
        try again.engine.resumeMerge()
        let resumed = try again.reopened()
        #expect(resumed.engine.mergeProgress()?.state == .merging)
        #expect(resumed.engine.mergeProgress()?.bytesPerSecondLimit == 1 << 40)
        try resumed.engine.throttleMerge(bytesPerSecond: nil)
        let free = try resumed.reopened()
        #expect(free.engine.mergeProgress()?.bytesPerSecondLimit == nil)
        try free.merge()
        #expect(try free.disk.list("reverts").isEmpty)
        // The next one begins without.
        try free.revert(2, to: 2, safety: 3)
        #expect(try free.reopened().engine.mergeProgress()?.state == .merging)
    }

    @Test("without a merge nothing is set and nothing kept")
    func noMerge() throws {
        let volume = try EngineFixture(chunks: 1)
        try volume.engine.pauseMerge()
        try volume.engine.throttleMerge(bytesPerSecond: 1)
        #expect(try volume.disk.list("reverts").isEmpty)
    }

    @Test("a power cut at any point leaves the limits of before or after, and the merge right")
    func crashes() throws {
        let volume = try makeMerging()
        try volume.engine.throttleMerge(bytesPerSecond: 1 << 40)
        let images = Images()
        volume.disk.observer = { operation in
            guard operation.kind.changesDisk else { return }
            for seed in 0..<8 { images.add(volume.crashed(.random, seed: UInt64(seed))) }
        }
        try volume.engine.throttleMerge(bytesPerSecond: 1 << 41)
        volume.disk.observer = nil
        #expect(images.all.count >= 24)
        for image in images.all {
            let again = try EngineFixture(opening: image)
            #expect([1 << 40, 1 << 41].contains(again.engine.mergeProgress()?.bytesPerSecondLimit))
            try again.merge()
            #expect(try again.content() == [1, 1, 1, 1])
        }
    }

    @Test("limits that cannot be noted hold for now, and that is said")
    func fullDisk() throws {
        let volume = try makeMerging()
        volume.disk.capacityBytes = volume.disk.allocatedBytes
        let problem = #expect(throws: Problem.self) { try volume.engine.pauseMerge() }
        #expect(problem?.code == .noSpace)
        #expect(problem?.message.contains("holds for now") == true)
        #expect(volume.engine.mergeProgress()?.state == .paused)
        volume.disk.capacityBytes = nil
        // The same again is noted then.
        try volume.engine.pauseMerge()
        #expect(try volume.reopened().engine.mergeProgress()?.state == .paused)
    }

    @Test(
        "a merge that has nothing left to copy takes any limits, though its end has failed half-way"
    )
    func halfEnded() throws {
        let volume = try EngineFixture(chunks: 4)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        let isRemoved = Monitored(false)
        volume.disk.observer = { [disk = volume.disk] operation in
            if operation.kind == .removeFolder { isRemoved.change { $0 = true } }
            guard operation.kind == .syncFolder, isRemoved.withLock({ $0 }) else { return }
            disk.faults = FaultPlan(
                .error(EIO), kinds: [.syncFolder], after: 0, isPermanent: false)
        }
        // There is nothing to copy: its end is tried at once.
        try volume.revert(1, to: 1, safety: 2)
        volume.disk.observer = nil
        #expect(volume.engine.mergeProgress() != nil)
        #expect(try volume.disk.list("reverts").isEmpty)
        try volume.engine.pauseMerge()
        try volume.engine.throttleMerge(bytesPerSecond: 1)
        #expect(try volume.engine.mergeStep(byteLimit: 4096) == .finished)
        #expect(volume.engine.mergeProgress() == nil)
    }

    @Test("limits that cannot be read are said and forgotten")
    func damaged() throws {
        for content in [
            [UInt8](),
            try RecordCodec.encode(MergeLimits(bytesPerSecond: 0), as: .mergeLimits),
        ] {
            let volume = try makeMerging()
            try volume.disk.writeFile(limits, content)
            let again = try volume.reopened()
            #expect(again.engine.warnings.contains { $0.description.contains("are forgotten") })
            try again.merge()
            #expect(try again.content() == [1, 1, 1, 1])
        }
    }

    @Test("closing ends a step's wait for the slowest of throttles")
    func close() throws {
        let volume = try makeMerging()
        try volume.engine.throttleMerge(bytesPerSecond: 1)
        _ = try volume.engine.mergeStep(byteLimit: 4096)
        let (isBegun, hasEnded) = (Monitored(false), Monitored(false))
        let merger = BackgroundThread.start(name: "test") {
            isBegun.change { $0 = true }
            while (try? volume.engine.mergeStep(byteLimit: 4096)) == .progressed {}
            hasEnded.change { $0 = true }
        }
        _ = isBegun.wait { $0 ? true : nil }
        try volume.engine.close()
        #expect(hasEnded.wait(milliseconds: 300_000) { $0 ? true : nil } == true)
        merger.join()
    }
}

import System
import StoreFormat
import SnapshotModel
import TestKit
import Testing
import MergeKit

/// In each test snapshot 1 holds 1 1 1 1, and the volume held 2 2 2 1 when it was reverted to it.
@Suite("Areas that break while a merge runs")
struct BrokenMergeTests {
    /// Reverted to snapshot 1 with safety snapshot 2; one chunk of three is merged, and the last was
    /// written since.
    private func makeMerging(
        safety: Int64? = 2, policy: StoreFullPolicy = .breakWrites
    ) throws -> EngineFixture {
        let volume = try EngineFixture(chunks: 4, policy: policy)
        try volume.write(1, to: 0..<4)
        try volume.snapshot(1)
        try volume.write(2, to: 0..<3)
        try volume.revert(1, to: 1, safety: safety)
        _ = try volume.engine.mergeStep(byteLimit: EngineFixture.chunkBytes)
        try volume.write(7, to: 3)
        return volume
    }

    private func damage(_ volume: EngineFixture, area: Int, at offset: Int = 0) throws {
        let file = try volume.disk.openFile(EngineFixture.area(area), writable: true)
        try file.write([0xFF, 0xFF], at: offset)
        try file.sync()
    }

    /// Repairs what the check finds; before that the volume must refuse to open.
    private func repaired(_ disk: SimulatedDisk) throws -> (EngineFixture, [Finding]) {
        #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        func check(repair: Bool) throws -> [Finding] {
            try StoreVerifier.check(
                store: disk, origin: disk.origin(), readData: false, repair: repair)
        }
        #expect(try check(repair: false).contains { $0.isRepairable && $0.remedy != nil })
        #expect(throws: Problem.self) { try EngineFixture(opening: disk) }
        let findings = try check(repair: true)
        return (try EngineFixture(opening: disk), findings)
    }

    /// The header, an entry beyond the file, and one beyond the volume.
    @Test(
        "a damaged newest area is given up, and the merge goes on",
        arguments: [0, 4096 + 8, 4112])
    func newest(offset: Int) throws {
        let volume = try makeMerging()
        try damage(volume, area: 2, at: offset)
        let (again, _) = try repaired(volume.disk)
        #expect(again.engine.snapshots().map(\.state) == [.broken, .broken])
        #expect(again.engine.warnings.contains { $0.description.contains("without preserving") })
        #expect(try again.content() == [1, 1, 1, 7])
        // A write in mid-merge merges its chunk first, and is not merged over.
        try again.write(8, to: 2)
        let killed = try again.reopened()
        #expect(try killed.content() == [1, 1, 8, 7])
        try killed.snapshot(3)
        try killed.write(9, to: 0..<4)
        try killed.merge()
        #expect(killed.engine.mergeProgress() == nil)
        #expect(try killed.content() == [9, 9, 9, 9])
        #expect(try killed.content(3) == [1, 1, 8, 7])
        #expect(try killed.reopened().content(3) == [1, 1, 8, 7])
    }

    @Test("a damaged newest area that is not the safety snapshot's does no harm to the volume")
    func newestAfterSafety() throws {
        let volume = try makeMerging()
        try volume.snapshot(3)
        try volume.write(8, to: 1)
        try damage(volume, area: 3)
        let (again, _) = try repaired(volume.disk)
        #expect(again.engine.snapshots().map(\.state) == [.broken, .broken, .broken])
        #expect(try again.content() == [1, 8, 1, 7])
        try again.write(9, to: 2)
        try again.merge()
        #expect(try again.content() == [1, 8, 9, 7])
        #expect(try again.reopened().content() == [1, 8, 9, 7])
    }

    @Test("a damaged safety snapshot takes no later snapshot along")
    func safety() throws {
        let volume = try makeMerging()
        try volume.snapshot(3)
        try volume.write(8, to: 1)
        try damage(volume, area: 2)
        let (again, findings) = try repaired(volume.disk)
        #expect(findings.first?.object == "snapshot 2")
        #expect(again.engine.snapshots().map(\.state) == [.broken, .broken, .active])
        #expect(try again.content(3) == [1, 1, 1, 7])
        try again.write(9, to: 2)
        try again.merge()
        #expect(try again.content(3) == [1, 1, 1, 7])
        #expect(try again.content() == [1, 8, 9, 7])
        #expect(try again.reopened().content(3) == [1, 1, 1, 7])
    }

    @Test("the safety snapshot's folder stays while its merge runs, damaged and deleted or not")
    func deletedSafety() throws {
        let volume = try makeMerging()
        try volume.snapshot(3)
        try damage(volume, area: 2)
        let (again, _) = try repaired(volume.disk)
        try again.delete(2)
        _ = try again.engine.collect()
        let last = try again.reopened()
        try last.merge()
        #expect(try last.content() == [1, 1, 1, 7])
    }

    @Test("what the plan needs of a damaged area is used when it lies before the damage")
    func planBeforeDamage() throws {
        let volume = try makeMerging(safety: nil)
        // Entry 3 is of the write since the revert, behind the plan's three.
        try damage(volume, area: 1, at: 4096 + 3 * 16 + 8)
        let (again, findings) = try repaired(volume.disk)
        #expect(findings.allSatisfy { !$0.object.hasPrefix("revert") || $0.severity == .note })
        try again.merge()
        #expect(try again.content() == [1, 1, 1, 7])
    }

    @Test("what is lost of a plan is said loudly, and the rest is merged")
    func planLost() throws {
        let volume = try makeMerging(safety: nil)
        // Entry 2 is the plan's last.
        try damage(volume, area: 1, at: 4096 + 2 * 16 + 8)
        let (again, findings) = try repaired(volume.disk)
        let finding = try #require(findings.first { $0.object == "revert 1" })
        #expect(finding.severity == .damage)
        #expect(finding.message.contains("of its 3 chunks 1 keep"))
        #expect(
            again.engine.warnings.contains { $0.description.contains("MAY NOT READ AS SNAPSHOT 1") }
        )
        #expect(try again.content() == [1, 1, 2, 7])
        try again.merge()
        #expect(try again.content() == [1, 1, 2, 7])
        #expect(try again.reopened().content() == [1, 1, 2, 7])
    }

    @Test("an area of the plan that is gone is survived")
    func planGone() throws {
        let volume = try makeMerging()
        try volume.disk.removeFile(EngineFixture.area(1))
        let (again, _) = try repaired(volume.disk)
        #expect(again.engine.snapshots().map(\.state) == [.broken, .active])
        // What was merged is; the state before the revert can be read still.
        #expect(try again.content() == [1, 2, 2, 7])
        try again.merge()
        #expect(try again.content() == [1, 2, 2, 7])
        #expect(try again.content(2) == [2, 2, 2, 1])
    }

    @Test(
        "a store that fills in mid-merge under break-snapshots is survived by a crash at any point")
    func fullStore() throws {
        for laterSnapshot in [false, true] {
            let volume = try makeMerging(policy: .breakSnapshots)
            if laterSnapshot {
                try volume.snapshot(3)
                // The simulated disk reserves nothing: an entry gives the area its metadata block.
                try volume.write(7, to: 3)
            }
            let images = Images()
            volume.disk.capacityBytes = volume.disk.allocatedBytes
            volume.disk.observer = { operation in
                guard operation.kind.changesDisk else { return }
                for seed in 0..<4 { images.add(volume.crashed(.random, seed: UInt64(seed))) }
            }
            try volume.write(8, to: 1..<4)
            try volume.engine.flush()
            volume.disk.observer = nil
            #expect(images.all.count > 20)
            images.add(volume.crashed(.dropAll))
            for image in images.all {
                // Full still, also for what recovery does.
                let again = try EngineFixture(opening: image)
                let content = try again.content()
                #expect(content[0] == 1)
                let broken = again.engine.snapshots().map(\.state).contains(.broken)
                if broken { #expect(throws: Problem.self) { try again.content(2) } }
                again.disk.capacityBytes = nil
                if !broken { #expect(try again.content(2) == [2, 2, 2, 1]) }
                try again.merge()
                #expect(try again.content() == content)
            }
            #expect(
                try images.all.last.map { try EngineFixture(opening: $0).content() }
                    == [1, 8, 8, 8])
        }
    }
}

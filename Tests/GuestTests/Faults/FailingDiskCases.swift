import System
import DeviceDriver
import DeviceMapper
import MergeKit
import SnapshotModel
import StoreFormat
import VolumeAccess

/// Disks that fail under the origin and under the store.
enum FailingDiskCases {
    static let cases = [
        GuestCase(
            "an origin that cannot be read at a first write costs the snapshots, not the volume",
            body: unreadableOrigin),
        GuestCase(
            "a store that cannot be written at a first write costs the snapshots, not the volume",
            body: unwritableStore),
        GuestCase(
            "a store that has died is said, nothing is shown as whole, and the volume goes on",
            body: deadStore),
        GuestCase(
            "a merge that cannot write to the origin goes on when it can", body: mergeToOrigin),
        GuestCase("a merge that cannot read an area goes on when it can", body: mergeFromArea),
        GuestCase(
            "damaged metadata of an area is said and nothing is changed", body: damagedMetadata),
    ]

    private static func unreadableOrigin(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let history = faulty.history
        let older = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<5))
        let newer = try history.takeSnapshot()
        try history.write(faulty.blocks(2..<7))
        try history.expectAll()
        // The last block of a chunk, of which the first is written.
        let chunk = 20 * faulty.chunkBytes
        try faulty.origin.failReads(chunk + faulty.chunkBytes - 512..<chunk + faulty.chunkBytes)
        let first = faulty.blocks(20..<21).lowerBound
        try history.write(first..<first + 1)
        try faulty.expectLost([older, newer])
        try faulty.origin.heal()
        try faulty.expectGoesOn()
    }

    private static func unwritableStore(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let history = faulty.history
        let older = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<5))
        let newer = try history.takeSnapshot()
        try history.write(faulty.blocks(2..<7))
        let view = try faulty.rig.volume().openView(older)
        try faulty.storeDisk.failWrites()
        try history.write(faulty.blocks(20..<22))
        // A view that was open gives errors rather than what has changed.
        try expectFailure("a read of a chunk that was lost") {
            var buffer = AlignedBuffer(count: faulty.chunkBytes)
            try DirectDevice(path: view, isReadOnly: true).read(
                into: &buffer, at: 20 * faulty.chunkBytes)
        }
        try faulty.storeDisk.heal()
        try expectLostBehindView(faulty, [older, newer])
        try faulty.expectGoesOn()
    }

    /// The view is still open: it goes on giving errors, and can be closed.
    private static func expectLostBehindView(_ faulty: FaultRig, _ ids: [SnapshotID]) throws {
        _ = try faulty.rig.status()
        let said = faulty.rig.takeWarnings()
        try expect(said.contains { $0.contains("LOST") }, "what the session said: \(said)")
        let states = try faulty.rig.states()
        for id in ids { try expectEqual(states[id], .broken, "state of snapshot \(id)") }
        let view = DeviceName(volume: faulty.rig.name, .view(ids[0])).path
        try expectFailure("a read of a broken snapshot's view") {
            var buffer = AlignedBuffer(count: 4096)
            try DirectDevice(path: view, isReadOnly: true).read(into: &buffer, at: 0)
        }
        try faulty.rig.volume().closeView(ids[0])
        faulty.history.forget(ids)
    }

    private static func deadStore(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let history = faulty.history
        let older = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<5))
        let newer = try history.takeSnapshot()
        try faulty.storeDisk.failAll()
        try history.write(faulty.blocks(30..<40))
        try history.expectVolume()
        // Whatever is asked now: no answer takes a snapshot for whole.
        for id in [older, newer] {
            try expectFailure("a view of snapshot \(id) in a dead store") {
                let path = try faulty.rig.volume().openView(id)
                var buffer = AlignedBuffer(count: faulty.chunkBytes)
                try DirectDevice(path: path, isReadOnly: true).read(
                    into: &buffer, at: 30 * faulty.chunkBytes)
            }
        }
        try expectFailure("a snapshot in a dead store") { try faulty.rig.takeSnapshot() }
        try history.write(faulty.blocks(50..<60))
        try history.expectVolume()
        try faulty.storeDisk.heal()
        for id in [older, newer] { try? faulty.rig.volume().closeView(id) }
        _ = try faulty.rig.status()
        let states = try faulty.rig.states()
        for id in [older, newer] {
            try expectEqual(states[id], .broken, "state of snapshot \(id)")
        }
        try expect(
            faulty.rig.takeWarnings().contains { $0.contains("LOST") }, "nobody was told")
        history.forget([older, newer])
        try faulty.expectGoesOn()
    }

    // MARK: Merges

    /// A volume in whose older snapshot much is different.
    private static func changed(_ context: GuestContext) throws -> (FaultRig, SnapshotID) {
        let faulty = try FaultRig(context, volumeBytes: 16 << 20)
        let target = try faulty.history.takeSnapshot()
        try faulty.history.write(faulty.blocks(0..<500))
        try faulty.history.takeSnapshot()
        try faulty.history.write(faulty.blocks(450..<900))
        return (faulty, target)
    }

    private static func waitForFailure(_ rig: VolumeRig) throws -> MergeProgress? {
        let deadline = Deadline(milliseconds: 300_000)
        while !deadline.hasPassed {
            if let progress = try rig.mergeProgress(), progress.state == .failed {
                return progress
            }
            BackgroundThread.sleep(milliseconds: 10)
        }
        return nil
    }

    private static func mergeToOrigin(_ context: GuestContext) throws {
        let (faulty, target) = try changed(context)
        let (rig, history) = (faulty.rig, faulty.history)
        try faulty.slowMerges()
        try history.revert(to: target)
        try faulty.origin.failWrites()
        let progress = try require(try waitForFailure(rig), "merge that says it failed")
        try expect(progress.failure != nil, "no reason: \(progress)")
        let problem = try rig.problem(of: .waitForMerge)
        try expectEqual(problem.code, .inputOutput, "code of \(problem)")
        // The volume reads as the snapshot all the same.
        try history.expectAll()
        try faulty.origin.heal()
        try history.write(faulty.blocks(300..<302))
        try history.write(faulty.blocks(950..<952))
        try history.expectAll()
        try rig.perform(.resumeMerge)
        try rig.finishMerge()
        try expect(try rig.mergeProgress() == nil, "the merge has no end")
        _ = rig.takeWarnings()
        try faulty.expectGoesOn()
    }

    private static func mergeFromArea(_ context: GuestContext) throws {
        let (faulty, target) = try changed(context)
        let (rig, history) = (faulty.rig, faulty.history)
        try DriverRig.throttle(percent: 1)
        try history.revert(to: target)
        try faulty.storeDisk.failAll()
        try DriverRig.throttle(percent: 100)
        BackgroundThread.sleep(milliseconds: 300)
        try faulty.storeDisk.heal()
        // The safety snapshot's area could not take what the merge overwrote, unless the merge
        // stopped before: in either case nothing is shown as whole that is not.
        _ = try? rig.status()
        let lost = try rig.states().filter { $0.value == .broken }.map(\.key)
        history.forget(Array(lost))
        try history.expectAll()
        try rig.perform(.resumeMerge)
        try rig.finishMerge()
        try expect(try rig.mergeProgress() == nil, "the merge has no end")
        try history.expectAll()
        _ = rig.takeWarnings()
        try faulty.expectGoesOn()
    }

    private static func damagedMetadata(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        try history.takeSnapshot()
        try history.write(faulty.blocks(0..<5))
        let newer = try history.takeSnapshot()
        try history.write(faulty.blocks(2..<7))
        try rig.deactivate()
        // An entry that names a chunk behind the area's end.
        let manifest = try require(
            try rig.store.manifests().first { $0.id == newer }, "manifest of the newest")
        let area = try rig.store.openArea(manifest.ordinal, writable: true)
        var entry = AlignedBuffer(count: 16)
        var kept = AlignedBuffer(count: 16)
        var bytes = kept.mutableBytes
        try area.read(into: &bytes, at: faulty.chunkBytes)
        var broken = entry.mutableBytes
        broken.store(littleEndian: UInt64.max / 2, at: 0)
        broken.store(littleEndian: UInt64.max / 2, at: 8)
        try area.write(entry.bytes, at: faulty.chunkBytes)
        let failure = try expectFailure("an activation with damaged metadata") {
            try rig.activate()
        }
        let problem = try require(failure as? Problem, "problem in \(failure)")
        try expectEqual(problem.code, .corrupt, "code of \(problem)")
        try expect(problem.hint != nil, "no hint: \(problem)")
        try history.expectOrigin()
        try area.write(kept.bytes, at: faulty.chunkBytes)
        try rig.activate()
        try faulty.expectGoesOn()
    }
}

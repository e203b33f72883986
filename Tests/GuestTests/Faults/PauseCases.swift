import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

/// Merges that are paused in their middle, and all that can happen meanwhile.
enum PauseCases {
    static let cases = [
        GuestCase("a paused merge copies nothing, and the volume goes on, with a safety snapshot") {
            try goesOn($0, takingSafety: true)
        },
        GuestCase("a paused merge copies nothing, and the volume goes on, without one") {
            try goesOn($0, takingSafety: false)
        },
        GuestCase("the last chunk is a part of one, and not merged when it pauses", body: lastPart),
        GuestCase("a pause outlasts the machine's end, and is resumed after it", body: reboot),
        GuestCase(
            "a repair leaves the plan of a merge as the kernel needs it, and says what to restore",
            body: damagedPlan),
        GuestCase("a paused merge is cancelled", body: cancel),
        GuestCase("a second revert takes the place of a paused one", body: secondRevert),
        GuestCase("a merge with nothing left to do ends when it is paused", body: nothingLeft),
        GuestCase("a pause that finds everything merged ends the merge") {
            try nothingLeftAtMark($0, goesDown: false)
        },
        GuestCase("an activation that finds everything merged ends a paused merge") {
            try nothingLeftAtMark($0, goesDown: true)
        },
        GuestCase("pausing and resuming twice is as doing it once", body: twice),
        GuestCase("what is in too many pieces is not paused, and merges on", body: tooMany),
        GuestCase("a snapshot of a paused merge outlives a later revert without a safety snapshot")
        {
            try lateSnapshot($0, pauses: true)
        },
        GuestCase("a snapshot of a merge not paused outlives a revert without a safety snapshot") {
            try lateSnapshot($0, pauses: false)
        },
        GuestCase("a plan that was copied into one file is paused", body: copied),
    ]

    private static let chunkBytes = 16 << 10
    private static let blocksPerChunk = chunkBytes / VolumeHistory.blockBytes
    /// Long enough for a merge that is not paused to end, at full speed.
    private static let stillSeconds: UInt32 = 2

    /// How long the origin takes for a write while a merge shall be slow, which copies piece by piece.
    private static let slowMilliseconds = 20
    /// And while it shall stand in its middle.
    private static let standingMilliseconds = 500

    private struct Scene {
        var origin: SlowOrigin
        var faulty: FaultRig
        var target: SnapshotID
        var second: SnapshotID
        var outcome: RevertOutcome
        var rig: VolumeRig { faulty.rig }
        var history: VolumeHistory { faulty.history }
    }

    private static func slowRig(
        _ context: GuestContext, volumeBytes: Int
    ) throws -> (origin: SlowOrigin, faulty: FaultRig) {
        let origin = try SlowOrigin(disk: context.disks[0], mebibytes: 16)
        context.cleanUp { try origin.remove() }
        let faulty = try FaultRig(
            context, volumeBytes: volumeBytes, chunkBytes: chunkBytes,
            disks: (origin.path, context.disks[1]))
        return (origin, faulty)
    }

    /// A slow merge of a plan that has a part in one piece, which the kernel merges first, and many
    /// pieces before it, some of which it has merged.
    private static func inMiddle(
        _ context: GuestContext, takingSafety: Bool = true, windowsMaximum: Int? = nil
    ) throws -> Scene {
        let (origin, faulty) = try slowRig(context, volumeBytes: 16 << 20)
        let history = faulty.history
        let target = try history.takeSnapshot()
        for chunk in stride(from: 0, to: 300, by: 3) {
            try history.write(faulty.blocks(chunk..<chunk + 1))
        }
        let second = try history.takeSnapshot()
        for chunk in stride(from: 300, to: 600, by: 3) {
            try history.write(faulty.blocks(chunk..<chunk + 1))
        }
        try history.write(faulty.blocks(700..<900))
        try history.takeSnapshot()
        try origin.delayWrites(milliseconds: slowMilliseconds)
        let request = faulty.rig.revertRequest(to: target, takingSafety: takingSafety)
        let outcome = try withSession(faulty.rig) { volume, session in
            if let windowsMaximum { volume.windowsMaximum = windowsMaximum }
            guard case .reverted(let outcome) = try session.perform(.revert(request)) else {
                throw Problem(.failed, "no revert")
            }
            return outcome
        }
        try history.noteRevert(to: target, safety: request.safety?.id)
        let wanted = 205 * chunkBytes
        let deadline = Deadline(milliseconds: 300_000)
        while let progress = try faulty.rig.mergeProgress(), progress.mergedBytes < wanted {
            try expect(!deadline.hasPassed, "the merge does not come to its middle")
            usleep(20_000)
        }
        try origin.delayWrites(milliseconds: standingMilliseconds)
        return Scene(
            origin: origin, faulty: faulty, target: target, second: second, outcome: outcome)
    }

    /// A session whose volume can be told other limits.
    private static func withSession<Result>(
        _ rig: VolumeRig, _ body: (DeviceVolume, DeviceSession) throws -> Result
    ) throws -> Result {
        let volume = try rig.volume()
        let session = DeviceSession(volume)
        defer { session.close() }
        return try body(volume, session)
    }

    /// Pauses the merge in its middle; the bytes that are merged.
    @discardableResult
    private static func pause(_ scene: Scene) throws -> Int {
        try scene.rig.perform(.pauseMerge)
        try scene.origin.delayWrites(milliseconds: 0)
        let progress = try require(try scene.rig.mergeProgress(), "merge")
        try expectEqual(progress.state, .paused, "state of the merge")
        try expect(
            progress.mergedBytes > 0 && progress.mergedBytes < progress.planBytes,
            "not in the middle: \(progress)")
        return progress.mergedBytes
    }

    /// Has it go on, so slowly that it stands in its middle.
    private static func resume(_ scene: Scene) throws {
        try scene.origin.delayWrites(milliseconds: standingMilliseconds)
        try scene.rig.perform(.resumeMerge)
        try expectEqual(
            try scene.rig.mergeProgress()?.state, .merging, "state when it is resumed")
    }

    private static func expectPaused(
        _ scene: Scene, _ merged: Int, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let progress = try require(try scene.rig.status().merge, "merge")
        try expectEqual(progress.state, .paused, "state", fileID: fileID, line: line)
        try expectEqual(progress.mergedBytes, merged, "merged", fileID: fileID, line: line)
    }

    private static func originSum(_ scene: Scene) throws -> UInt32 {
        var buffer = AlignedBuffer(count: scene.faulty.volumeBytes)
        try DirectDevice(path: scene.rig.originPath, isReadOnly: true).read(into: &buffer, at: 0)
        return buffer.bytes.withUnsafeBytes { CRC32C.checksum(Array($0)) }
    }

    private static func expectEnd(_ scene: Scene) throws {
        let (rig, history) = (scene.rig, scene.history)
        try history.expectAll()
        try scene.origin.delayWrites(milliseconds: 0)
        try rig.finishMerge()
        try history.expectAll()
        try expectEqual(
            try rig.mapper.devices().filter { $0.name.volumePart?.part == .pausedOrigin }.count, 0,
            "devices of a pause")
        try expectEqual(rig.takeWarnings(), [], "warnings")
        try rig.deactivate()
        try history.expectOrigin()
        try rig.activate()
        try history.expectAll()
        try scene.faulty.expectGoesOn()
    }

    /// Writes into what is merged, what is not, and what needs no merging, whole chunks and parts of
    /// them, and over the borders.
    private static func writeEverywhere(_ scene: Scene, from chunk: Int) throws {
        let (faulty, history) = (scene.faulty, scene.history)
        for first in [chunk, 100 + chunk, 700 + chunk, 930 + chunk] {
            try history.write(faulty.blocks(first..<first + 1))
            let start = (first + 3) * blocksPerChunk
            try history.write(start + 1..<start + 2)
            try history.write(start + 6..<start + 27)
        }
        try history.write(faulty.blocks(690 + chunk..<712 + chunk), atOnce: 64)
    }

    private static func goesOn(_ context: GuestContext, takingSafety: Bool) throws {
        let scene = try inMiddle(context, takingSafety: takingSafety)
        let (rig, history) = (scene.rig, scene.history)
        try history.expectAll()
        let merged = try pause(scene)
        try history.expectAll()
        let sum = try originSum(scene)
        sleep(stillSeconds)
        try expectEqual(try originSum(scene), sum, "the origin's checksum")
        try expectPaused(scene, merged)
        try writeEverywhere(scene, from: 0)
        try history.expectAll()
        try history.takeSnapshot()
        try writeEverywhere(scene, from: 6)
        try history.expectAll()
        try history.takeSnapshot()
        try writeEverywhere(scene, from: 12)
        try rig.perform(.delete([scene.second]))
        history.forget([scene.second])
        try rig.perform(.collect)
        try history.expectAll()
        let problem = try expectFailure("a deactivation") { try rig.deactivate() } as? Problem
        try expectEqual(problem?.code, .refused, "code of \(String(describing: problem))")
        try expect(
            problem?.hint?.description.contains("mergeResume") ?? false, "hint of the refusal")
        try expectEqual(try rig.problem(of: .waitForMerge).code, .refused, "code of a wait")
        try expectPaused(scene, merged)
        try history.expectAll()
        try resume(scene)
        try history.expectAll()
        try scene.origin.delayWrites(milliseconds: slowMilliseconds)
        try writeEverywhere(scene, from: 18)
        try expectEnd(scene)
    }

    private static func lastPart(_ context: GuestContext) throws {
        let volumeBytes = (4 << 20) - 8192
        let (origin, faulty) = try slowRig(context, volumeBytes: volumeBytes)
        let history = faulty.history
        let last = (volumeBytes - 1) / VolumeHistory.blockBytes
        let target = try history.takeSnapshot()
        for chunk in stride(from: 0, to: 200, by: 2) {
            try history.write(faulty.blocks(chunk..<chunk + 1))
        }
        try history.write(last - 1..<last + 1)
        // So slow that it stands at its beginning: the kernel merges from the end.
        try origin.delayWrites(milliseconds: standingMilliseconds)
        let request = faulty.rig.revertRequest(to: target)
        try withSession(faulty.rig) { _, session in
            _ = try session.perform(.revert(request))
            _ = try session.perform(.pauseMerge)
        }
        try origin.delayWrites(milliseconds: 0)
        try history.noteRevert(to: target, safety: request.safety?.id)
        try expectEqual(try faulty.rig.mergeProgress()?.state, .paused, "state")
        try history.expectAll()
        try history.write(last..<last + 1)
        try history.expectAll()
        try faulty.rig.takeDown()
        try faulty.rig.activate()
        try history.expectAll()
        try faulty.rig.finishMerge()
        try faulty.expectGoesOn()
    }

    private static func reboot(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let (rig, history) = (scene.rig, scene.history)
        let merged = try pause(scene)
        try writeEverywhere(scene, from: 0)
        try rig.takeDown()
        try rig.activate()
        try expectPaused(scene, merged)
        try history.expectAll()
        try writeEverywhere(scene, from: 6)
        try history.takeSnapshot()
        try writeEverywhere(scene, from: 9)
        try history.expectAll()
        try rig.takeDown()
        try rig.activate()
        try rig.activate()
        try expectPaused(scene, merged)
        try history.expectAll()
        try writeEverywhere(scene, from: 15)
        try history.expectAll()
        try expectEqual(rig.takeWarnings(), [], "warnings")
        try expectEnd(scene)
    }

    private static func damagedPlan(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let rig = scene.rig
        try pause(scene)
        try writeEverywhere(scene, from: 0)
        try rig.takeDown()
        let known = try require(try rig.store.revert(scene.outcome.id), "revert")
        // The sixth entry of the first area names a chunk that there cannot be.
        let area = try rig.store.openArea(SnapshotOrdinal(rawValue: 1), writable: true)
        let place = chunkBytes + 5 * 16
        var entry = AlignedBuffer(count: 8)
        var bytes = entry.mutableBytes
        try area.read(into: &bytes, at: place)
        try area.write([UInt8](repeating: 0x7f, count: 8).span.bytes, at: place)
        try area.sync()
        let findings = try StoreVerifier.check(
            store: FileFolder(path: rig.storePath), origin: nil, readData: false, repair: true,
            mergesByItself: true)
        let remedies = findings.filter {
            $0.object == "revert \(known.id)" && $0.severity == .damage
        }.compactMap(\.remedy)
        try expect(
            remedies.count == 1 && remedies[0].description.contains("restore these areas"),
            "\(findings)")
        try expectEqual(try rig.store.revert(known.id), known, "record of the revert")
        let failure = try expectFailure("an activation without the area") { try rig.activate() }
        try expectEqual((failure as? Problem)?.code, .corrupt, "code of \(failure)")
        try area.write(entry.bytes, at: place)
        try area.sync()
        try rig.activate()
        try scene.history.expectVolume()
        try rig.finishMerge()
        try scene.history.expectVolume()
        try rig.deactivate()
        try scene.history.expectOrigin()
    }

    private static func cancel(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let (rig, history) = (scene.rig, scene.history)
        try pause(scene)
        try writeEverywhere(scene, from: 0)
        let safety = try require(scene.outcome.safety?.id, "safety snapshot")
        guard case .reverted(let undone) = try rig.perform(.cancelMerge(rig.revertID())) else {
            throw Problem(.failed, "no revert")
        }
        try expectEqual(undone.target, safety, "target of the undoing")
        try history.noteRevert(to: safety, safety: nil)
        try expect(try rig.mergeProgress()?.state != .paused, "the cancellation is paused")
        try writeEverywhere(scene, from: 9)
        try expectEnd(scene)
    }

    private static func secondRevert(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let (rig, history) = (scene.rig, scene.history)
        try pause(scene)
        try writeEverywhere(scene, from: 0)
        let refusal = try rig.problem(of: .revert(rig.revertRequest(to: scene.second)))
        try expectEqual(refusal.code, .refused, "code of \(refusal)")
        try expectEqual(try rig.mergeProgress()?.state, .paused, "state after the refusal")
        try history.expectAll()
        try history.revert(to: scene.second, takingSafety: false)
        try history.expectAll()
        try writeEverywhere(scene, from: 9)
        try expectEnd(scene)
    }

    /// What was taken in mid-merge hangs on the merge's device, not on the origin's.
    private static func lateSnapshot(_ context: GuestContext, pauses: Bool) throws {
        let scene = try inMiddle(context)
        let (rig, history) = (scene.rig, scene.history)
        if pauses { try pause(scene) }
        try history.takeSnapshot()
        try scene.origin.delayWrites(milliseconds: 0)
        try rig.finishMerge()
        try history.expectAll()
        try history.revert(to: scene.second, takingSafety: false)
        try history.expectAll()
        try writeEverywhere(scene, from: 0)
        try expectEnd(scene)
    }

    private static func waitForKernel(_ scene: Scene) throws {
        let rig = scene.rig
        try scene.origin.delayWrites(milliseconds: 0)
        let base = DeviceName(volume: rig.name, .content)
        let deadline = Deadline(milliseconds: 300_000)
        while try rig.mapper.status(base).first?.snapshot?.isMerged == false {
            try expect(!deadline.hasPassed, "the merge does not end")
            usleep(10_000)
        }
    }

    private static func nothingLeft(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let progress = try withSession(scene.rig) { _, session in
            try waitForKernel(scene)
            _ = try session.perform(.pauseMerge)
            guard case .merge(let progress) = try session.perform(.mergeStatus) else {
                throw Problem(.failed, "no progress")
            }
            return progress
        }
        try expect(progress == nil, "a merge runs: \(String(describing: progress))")
        try expectEnd(scene)
    }

    /// As a command leaves it that was killed after its mark, when the kernel came to the end.
    private static func nothingLeftAtMark(_ context: GuestContext, goesDown: Bool) throws {
        let scene = try inMiddle(context)
        let rig = scene.rig
        let id = try require(try rig.mergeProgress()?.revertID, "revert")
        try waitForKernel(scene)
        try rig.store.writeMark(StoreLayout.pausedMark(id))
        if goesDown {
            try rig.takeDown()
            try rig.activate()
        }
        try expect(try rig.mergeProgress() == nil, "a merge runs")
        try expectEnd(scene)
    }

    private static func twice(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let history = scene.history
        let merged = try pause(scene)
        try expectEqual(try pause(scene), merged, "merged by the second pause")
        try writeEverywhere(scene, from: 0)
        try resume(scene)
        try pause(scene)
        try history.expectAll()
        try resume(scene)
        try resume(scene)
        try history.expectAll()
        try expectEnd(scene)
    }

    private static func tooMany(_ context: GuestContext) throws {
        let scene = try inMiddle(context)
        let failure = try withSession(scene.rig) { volume, session in
            volume.pausedSegmentsMaximum = 50
            return try expectFailure("a pause") { _ = try session.perform(.pauseMerge) }
        }
        try expectEqual((failure as? Problem)?.code, .refused, "code of \(failure)")
        let progress = try require(try scene.rig.mergeProgress(), "merge")
        try expectEqual(progress.state, .merging, "state")
        try expect(
            try !scene.rig.store.folder.exists(StoreLayout.pausedMark(progress.revertID)), "marked")
        try expectEnd(scene)
    }

    private static func copied(_ context: GuestContext) throws {
        let scene = try inMiddle(context, windowsMaximum: 2)
        try expect(
            try scene.rig.store.folder.exists(StoreLayout.syntheticCopy(RevertID(rawValue: 1))),
            "the plan was not copied")
        try pause(scene)
        try writeEverywhere(scene, from: 0)
        try expectEnd(scene)
    }
}

import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

/// Reverts after, on top of and against each other, and their extremes.
enum RevertCases {
    static let cases = [
        GuestCase("two reverts in a row, the second to a newer snapshot", body: twoInARow),
        GuestCase("a revert is undone in the middle of its merge", body: undoInMiddle),
        GuestCase("the snapshot that is being merged is not deleted", body: deleteTarget),
        GuestCase("a revert with no changed chunk is done at once", body: nothingChanged),
        GuestCase("a revert of a volume whose every chunk has changed") {
            // As many chunks as a metadata block has entries.
            try everythingChanged($0, volumeBytes: 16 << 20)
        },
        GuestCase("a revert of a volume whose every chunk has changed, the last one a part") {
            try everythingChanged($0, volumeBytes: (4 << 20) - 4096)
        },
        GuestCase("a plan of more windows than the limit is copied into one file", body: copied),
        GuestCase("a plan of 100,000 windows is read through a table", body: manyWindows),
    ]

    private static func expectEnd(_ faulty: FaultRig) throws {
        try faulty.history.expectAll()
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
        try faulty.rig.deactivate()
        try faulty.history.expectOrigin()
        try faulty.rig.activate()
        try faulty.history.expectAll()
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
    }

    private static func twoInARow(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let history = faulty.history
        let first = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<40))
        try history.takeSnapshot()
        try history.write(faulty.blocks(20..<80))
        let third = try history.takeSnapshot()
        try history.write(faulty.blocks(60..<120))
        let outcome = try history.revert(to: first)
        try history.expectAll()
        try faulty.rig.finishMerge()
        try history.revert(to: third)
        try history.write(faulty.blocks(10..<15))
        try history.expectAll()
        try faulty.rig.finishMerge()
        try history.expectAll()
        // Back to where it all began, by what the first revert has saved.
        try history.revert(to: try require(outcome.safety?.id, "safety snapshot"))
        try faulty.rig.finishMerge()
        try expectEnd(faulty)
    }

    /// A slow revert of a volume whose chunks are small and many.
    private static func inMiddle(
        _ context: GuestContext
    ) throws -> (
        faulty: FaultRig, target: SnapshotID, outcome: RevertOutcome
    ) {
        let faulty = try FaultRig(context, volumeBytes: 16 << 20, chunkBytes: 4096)
        let history = faulty.history
        let target = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<1500))
        try history.takeSnapshot()
        try history.write(faulty.blocks(1000..<2500))
        try faulty.slowMerges()
        let outcome = try history.revert(to: target)
        try expect(try faulty.rig.mergeProgress() != nil, "the merge was too fast")
        return (faulty, target, outcome)
    }

    private static func undoInMiddle(_ context: GuestContext) throws {
        let (faulty, _, outcome) = try inMiddle(context)
        let (rig, history) = (faulty.rig, faulty.history)
        try history.write(faulty.blocks(2000..<2100))
        try history.expectAll()
        let safety = try require(outcome.safety?.id, "safety snapshot")
        // Another revert would need a snapshot of a volume that is half merged.
        let refusal = try rig.problem(of: .revert(rig.revertRequest(to: safety)))
        try expectEqual(refusal.code, .refused, "code of \(refusal)")
        guard case .reverted(let undone) = try rig.perform(.cancelMerge(rig.revertID())) else {
            throw Problem(.failed, "no revert")
        }
        try expectEqual(undone.target, safety, "target of the undoing")
        try history.noteRevert(to: safety, safety: nil)
        try history.expectAll()
        try history.write(faulty.blocks(100..<120))
        try history.expectAll()
        try faulty.finishMerge()
        try expectEnd(faulty)
    }

    private static func deleteTarget(_ context: GuestContext) throws {
        let (faulty, target, _) = try inMiddle(context)
        let problem = try faulty.rig.problem(of: .delete([target]))
        try expectEqual(problem.code, .refused, "code of \(problem)")
        try expect(problem.hint != nil, "no hint: \(problem)")
        let preview = try faulty.rig.problem(of: .previewDelete([target]))
        try expectEqual(preview.code, .refused, "code of \(preview)")
        try faulty.history.expectAll()
        try faulty.finishMerge()
        try faulty.rig.perform(.delete([target]))
        faulty.history.forget([target])
        try faulty.rig.perform(.collect)
        try expectEnd(faulty)
    }

    private static func nothingChanged(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let history = faulty.history
        for takesSafety in [true, false] {
            let target = try history.takeSnapshot()
            let outcome = try history.revert(to: target, takingSafety: takesSafety)
            try expectEqual(outcome.planBytes, 0, "bytes of the plan")
            try expectEqual(outcome.state, .done, "state of the merge")
            try expect(try faulty.rig.mergeProgress() == nil, "a merge runs")
            try history.expectAll()
            try history.write(faulty.blocks(5..<9))
            try history.expectAll()
        }
        try expectEnd(faulty)
    }

    private static func everythingChanged(_ context: GuestContext, volumeBytes: Int) throws {
        let chunkBytes = 16 << 10
        let faulty = try FaultRig(context, volumeBytes: volumeBytes, chunkBytes: chunkBytes)
        let history = faulty.history
        let all = 0..<volumeBytes / VolumeHistory.blockBytes
        let target = try history.takeSnapshot()
        try history.write(all)
        let outcome = try history.revert(to: target)
        try expectEqual(
            outcome.planBytes, (volumeBytes + chunkBytes - 1) / chunkBytes * chunkBytes,
            "bytes of the plan")
        try history.write(100..<110)
        try history.expectAll()
        try faulty.rig.finishMerge()
        try history.write(all)
        try history.revert(to: try require(outcome.safety?.id, "safety snapshot"))
        try faulty.rig.finishMerge()
        try expectEnd(faulty)
    }

    private static func copied(_ context: GuestContext) throws {
        let faulty = try FaultRig(context, volumeBytes: 16 << 20, chunkBytes: 4096)
        let (rig, history) = (faulty.rig, faulty.history)
        let target = try history.takeSnapshot()
        for chunk in stride(from: 0, to: 400, by: 2) {
            try history.write(faulty.blocks(chunk..<chunk + 1))
        }
        try history.write(faulty.blocks(400..<2500))
        try history.takeSnapshot()
        for chunk in stride(from: 1, to: 400, by: 2) {
            try history.write(faulty.blocks(chunk..<chunk + 1))
        }
        try faulty.slowMerges()
        try revert(faulty, to: target, windowsMaximum: 50)
        try history.write(faulty.blocks(7..<9))
        try history.expectAll()
        let revert = try require(try rig.store.revertFolders().first, "revert")
        try expect(
            try rig.store.folder.exists(StoreLayout.syntheticCopy(revert)),
            "the plan was not copied")
        try faulty.finishMerge()
        try expectEnd(faulty)
    }

    private static func revert(
        _ faulty: FaultRig, to target: SnapshotID, windowsMaximum: Int
    ) throws {
        let request = faulty.rig.revertRequest(to: target)
        let volume = try faulty.rig.volume()
        volume.windowsMaximum = windowsMaximum
        let session = DeviceSession(volume)
        defer { session.close() }
        _ = try session.perform(.revert(request)) { _ in }
        try faulty.history.noteRevert(to: target, safety: request.safety?.id)
    }

    private static let manyCount = 100_000

    /// The area is not grown by 100,000 writes but written as it would be after them, in an order in
    /// which no two neighbours lie next to each other.
    private static func manyWindows(_ context: GuestContext) throws {
        let (chunkBytes, blockBytes) = (4096, VolumeHistory.blockBytes)
        let faulty = try FaultRig(
            context, volumeBytes: manyCount * chunkBytes, chunkBytes: chunkBytes,
            storeBytes: 1200 << 20, isFilled: false)
        let rig = faulty.rig
        let target = try rig.takeSnapshot()
        try rig.deactivate()
        let ordinal = try require(try rig.store.manifests().first?.ordinal, "manifest")
        let area = try rig.store.openArea(ordinal, writable: true)
        var content = DiskContent(
            seed: 3, byteCount: manyCount * chunkBytes, blockBytes: blockBytes)
        let format = AreaFormat(chunkBytes: chunkBytes)
        var position = 0
        var place = AreaFormat.firstDataChunk
        while position < manyCount {
            var block = AlignedBuffer(count: chunkBytes)
            let first = position
            while position < min(manyCount, first + format.entriesPerBlock) {
                let chunk = position * 7919 % manyCount
                var bytes = block.mutableBytes
                format.encodeEntry(
                    AreaEntry(origin: ChunkIndex(chunk), area: place), slot: position - first,
                    into: &bytes)
                if position % 500 == 0 {
                    content.set(1, blocks: chunk..<chunk + 1)
                    try area.write(
                        content.bytes(of: chunk..<chunk + 1).bytes, at: format.offset(of: place))
                }
                position += 1
                place = format.dataChunk(after: place)
            }
            let offset = format.offset(of: format.metadataChunk(first / format.entriesPerBlock))
            try area.write(block.bytes, at: offset)
        }
        try area.sync()
        try rig.activate()
        try DriverRig.throttle(percent: 1)
        let outcome = try rig.revert(to: target)
        try expectEqual(outcome.planBytes, manyCount * chunkBytes, "bytes of the plan")
        let top = try DirectDevice(path: rig.devicePath, isReadOnly: true)
        var buffer = AlignedBuffer(count: blockBytes)
        for block in stride(from: 0, to: manyCount, by: 97) {
            try top.read(into: &buffer, at: block * blockBytes)
            let difference = content.difference(of: buffer.bytes, from: block..<block + 1)
            try expectEqual(difference, nil, "the volume at block \(block)")
        }
        for position in stride(from: 0, to: manyCount, by: 500) {
            let block = position * 7919 % manyCount
            try top.read(into: &buffer, at: block * blockBytes)
            let difference = content.difference(of: buffer.bytes, from: block..<block + 1)
            try expectEqual(difference, nil, "the volume at block \(block)")
        }
        let segments = try rig.mapper.devices().compactMap { device -> Int? in
            guard case .synthetic? = device.name.volumePart?.part else { return nil }
            return try rig.mapper.table(device.name).segments.count
        }
        try expect(segments.count == 1 && segments[0] >= manyCount, "segments: \(segments)")
    }
}

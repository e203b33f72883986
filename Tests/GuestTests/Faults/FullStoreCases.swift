import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

/// A store that runs full.
enum FullStoreCases {
    static let cases = [
        GuestCase(
            "what is reserved ahead takes first writes though the store is full", body: headroom),
        GuestCase(
            "a new area is written ahead as far as the last one was used, and half as far again",
            body: writtenAhead),
        GuestCase(
            "a snapshot is taken, or refused in words, however little room the store has",
            body: nextToNoRoom),
        GuestCase(
            "a full store costs the snapshots, loudly; the volume goes on, and a new chain begins",
            body: full),
        GuestCase(
            "a snapshot in a full store is taken whole or not at all", body: snapshotInFullStore),
        GuestCase(
            "a revert for which the store has no room is refused, and nothing has changed",
            body: revertWithoutRoom),
        GuestCase(
            "a merge has its room: it and writes in its middle go on though the store runs full",
            body: mergeInFullStore),
        GuestCase(
            "a clone in a full store fails alone, and has all that was answered when there is room",
            body: clone),
    ]

    private static let filler = FaultRig.storeFolder + "/filler"

    /// Gives back what ``fill(leaving:)`` has taken.
    static func empty() { unlink(filler) }

    private static func rig(_ context: GuestContext) throws -> FaultRig {
        let rig = try FaultRig(context, volumeBytes: 16 << 20, storeBytes: 48 << 20)
        context.cleanUp { unlink(filler) }
        return rig
    }

    /// Takes all space of the store but for some bytes.
    static func fill(leaving bytes: Int = 0) throws {
        let file = try FileDevice(path: filler, access: .create)
        let folder = FileFolder(path: FaultRig.storeFolder)
        let count = max(0, try folder.freeBytes() - bytes)
        try file.allocate(0..<count)
        guard bytes == 0 else { return }
        // The rest, block by block.
        var end = count
        do throws(IOFailure) {
            while true {
                try file.allocate(end..<end + 4096)
                end += 4096
            }
        } catch { try expect(error.isNoSpace, "\(error)") }
    }

    /// Writes chunks one by one until the newest snapshot is lost; how many it took.
    private static func writeUntilLost(_ faulty: FaultRig) throws -> Int {
        for chunk in 0..<faulty.chunkCount {
            try faulty.history.write(faulty.blocks(chunk..<chunk + 1))
            let volume = try DirectStatus.isInvalid(faulty.rig)
            if volume { return chunk + 1 }
        }
        return faulty.chunkCount
    }

    private static func headroom(_ context: GuestContext) throws {
        let faulty = try rig(context)
        let history = faulty.history
        try history.takeSnapshot()
        try history.write(faulty.blocks(100..<110))
        try history.takeSnapshot()
        try fill()
        // A quarter of what was free, at least.
        let chunks = (6 << 20) / faulty.chunkBytes
        try history.write(faulty.blocks(0..<chunks))
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
        try history.expectAll()
        unlink(filler)
        try history.expectAll()
        try faulty.expectGoesOn()
    }

    /// Space that is only reserved is a hole to those who look for data.
    private static func writtenAhead(_ context: GuestContext) throws {
        let faulty = try rig(context)
        func area(_ ordinal: Int) throws -> FileDevice {
            let path = StoreLayout.area(SnapshotOrdinal(rawValue: ordinal))
            return try FileDevice(path: faulty.rig.storePath + "/" + path, access: .readOnly)
        }
        try faulty.history.takeSnapshot()
        // Nothing is known of the first: what is reserved is written, here more than 6 MiB.
        let all = 2 * faulty.chunkBytes..<6 << 20
        try expectEqual(try area(1).firstData(in: all), all, "written ahead")
        try faulty.history.write(faulty.blocks(100..<110))
        try faulty.history.takeSnapshot()
        let least = 2 * faulty.chunkBytes..<4 << 20
        try expectEqual(try area(2).firstData(in: least), least, "written ahead")
        try expectEqual(try area(2).firstData(in: 4 << 20..<6 << 20), nil, "written for nothing")
        try expect(try area(2).allocatedBytes() > 6 << 20, "nothing more is reserved")
        try faulty.history.expectAll()
        try faulty.expectGoesOn()
    }

    private static func nextToNoRoom(_ context: GuestContext) throws {
        let faulty = try rig(context)
        try faulty.history.takeSnapshot()
        var taken = 0
        for kibibytes in stride(from: 56, through: 248, by: 32) {
            try fill(leaving: kibibytes << 10)
            do {
                _ = try faulty.history.takeSnapshot()
                taken += 1
            } catch let problem as Problem {
                try expectEqual(problem.code, .noSpace, "\(problem)")
            }
            unlink(filler)
        }
        try expect(taken > 0, "none was taken")
        try faulty.history.expectAll()
    }

    private static func full(_ context: GuestContext) throws {
        let faulty = try rig(context)
        let history = faulty.history
        let older = try history.takeSnapshot()
        try history.write(faulty.blocks(100..<110))
        let newer = try history.takeSnapshot()
        try fill()
        let count = try writeUntilLost(faulty)
        try expect(count < faulty.chunkCount, "the store was never full")
        // The volume takes all writes, those that come after it as well.
        try history.write(faulty.blocks(count..<faulty.chunkCount))
        try faulty.expectLost([older, newer])
        try history.expectVolume()
        unlink(filler)
        try faulty.expectGoesOn()
        // What is lost can be deleted, and its space comes back.
        try faulty.rig.perform(.delete([older, newer]))
        try faulty.rig.perform(.collect)
        try history.expectAll()
    }

    private static func snapshotInFullStore(_ context: GuestContext) throws {
        let faulty = try rig(context)
        let history = faulty.history
        let first = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<20))
        try fill()
        let problem = try faulty.rig.problem(of: .snapshot(faulty.rig.snapshotRequest()))
        try expectEqual(problem.code, .noSpace, "code of \(problem)")
        try expect(problem.hint != nil, "no hint: \(problem)")
        try expectEqual(Array(try faulty.rig.states().keys), [first], "snapshots")
        try history.expectAll()
        unlink(filler)
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
        try faulty.expectGoesOn()
    }

    private static func clone(_ context: GuestContext) throws {
        let faulty = try rig(context)
        let history = faulty.history
        let id = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<64))
        _ = try faulty.rig.perform(.createClone(CloneRequest(snapshot: id, name: "trial")))
        var content = try history.content(of: id)
        let name = DeviceName(volume: faulty.rig.name, .clone(CloneOrdinal(rawValue: 1)))
        var device: DirectDevice? = try DirectDevice(path: name.path)
        content.set(76, blocks: 0..<16)
        if let device { try content.write(0..<16, to: device) }
        try fill()
        var written = 0
        do throws(IOFailure) {
            for block in 0..<content.blockCount {
                var next = content
                next.set(77, blocks: block..<block + 1)
                if let device { try next.write(block..<block + 1, to: device) }
                content = next
                written += 1
            }
        } catch { try expect(error.code == EIO || error.isNoSpace, "\(error)") }
        try expect(written < content.blockCount, "the store was not full")
        try expectEqual(try faulty.rig.mapper.status(name).first?.snapshot, .invalid, "the clone")
        // Neither its snapshot nor the volume.
        try history.expectAll()
        unlink(filler)
        try expect(
            try faulty.rig.problem(of: .deleteClone("trial")).code == .refused, "it is closed")
        device = nil
        // The next command, whatever it is.
        _ = try faulty.rig.status()
        try history.expectAll()
        try content.expect(on: DirectDevice(path: name.path), "the clone, with room again,")
        try expectEqual(
            faulty.rig.takeWarnings().filter { $0.contains("all that was answered is there again") }
                .count, 1, "warnings")
        _ = try faulty.rig.perform(.deleteClone("trial"))
        try faulty.expectGoesOn()
    }

    private static func revertWithoutRoom(_ context: GuestContext) throws {
        let faulty = try rig(context)
        let history = faulty.history
        let target = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<512))
        try fill(leaving: 4 << 20)
        for takesSafety in [true, false] {
            let problem = try faulty.rig.problem(
                of: .revert(faulty.rig.revertRequest(to: target, takingSafety: takesSafety)))
            try expectEqual(problem.code, .noSpace, "code of \(problem)")
            try expect(problem.hint != nil, "no hint: \(problem)")
            try expectEqual(Array(try faulty.rig.states().keys), [target], "snapshots")
            try history.expectAll()
        }
        unlink(filler)
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
        try faulty.expectGoesOn()
    }

    private static func mergeInFullStore(_ context: GuestContext) throws {
        // Small chunks, which take the kernel long.
        let faulty = try FaultRig(
            context, volumeBytes: 16 << 20, chunkBytes: 4096, storeBytes: 64 << 20)
        context.cleanUp { unlink(filler) }
        let history = faulty.history
        let target = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<2048))
        try faulty.slowMerges()
        try history.revert(to: target)
        try fill()
        try expect(try faulty.rig.mergeProgress() != nil, "the merge was too fast")
        // Over what may be merged, and what is not; the kernel begins at the end.
        try history.write(faulty.blocks(0..<400))
        try history.write(faulty.blocks(1800..<2048))
        try history.expectAll()
        try faulty.finishMerge()
        try history.expectAll()
        unlink(filler)
        try expectEqual(faulty.rig.takeWarnings(), [], "warnings")
        try faulty.expectGoesOn()
    }
}

/// What the kernel says of a volume's snapshots, with no session that would change anything.
enum DirectStatus {
    /// Whether one of them is lost.
    static func isInvalid(_ rig: VolumeRig) throws -> Bool {
        for device in try rig.mapper.devices() {
            guard case .snapshot? = device.name.volumePart?.part,
                case .invalid? = try rig.mapper.status(device.name).first?.snapshot
            else { continue }
            return true
        }
        return false
    }
}

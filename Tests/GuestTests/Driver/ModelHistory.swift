import System
import DeviceDriver
import Glibc
import SnapshotModel
import StoreFormat
import TestKit
import VolumeAccess

/// A random history of a volume under device-mapper, against arrays of block versions: after each
/// operation the volume, every live snapshot and every clone are read whole.
struct ModelHistory {
    let rig: DriverRig
    private let origin: SlowOrigin
    private var isSlow = false
    var random: SeededGenerator
    var live: DiskContent
    var snapshots: [(id: SnapshotID, content: DiskContent)] = []
    var version: ChunkPattern.Version = 0
    /// The merge that may be running: its target, and its safety snapshot while none is newer.
    var merge: (target: SnapshotID, safety: SnapshotID?)?
    /// How much of a merge that rests was merged when it was paused.
    var pausedBytes: Int?
    /// The clones by their names.
    var clones: [String: ModelClone] = [:]
    /// The clones whose devices stay open while the history goes on.
    var openClones: [String: DirectDevice] = [:]
    /// The clone that the merge copies from, and whether it ends with it.
    var mergingClone: CloneUse?
    private(set) var counts: [String: Int] = [:]
    /// Devices that stay open while the history goes on, as a mount does.
    private var views: [SnapshotID: DirectDevice] = [:]

    private static let snapshotsMaximum = 6
    private static let blockBytes = 4096

    private static let slowMilliseconds = 60

    init(_ rig: DriverRig, _ origin: SlowOrigin, seed: UInt64) {
        self.rig = rig
        self.origin = origin
        random = SeededGenerator(seed: seed)
        live = DiskContent(
            seed: seed, byteCount: rig.volumeBytes, blockBytes: Self.blockBytes)
    }

    mutating func run(_ operations: Int) throws {
        for index in 0..<operations {
            let word = try step()
            counts[word, default: 0] += 1
            do { try check() } catch {
                throw ExpectationFailure(
                    message: "after operation \(index) (\(word)): \(error)",
                    place: SourcePlace(fileID: #fileID, line: #line))
            }
        }
        try slowDown(false)
        try rig.finishMerge()
        noteEnd()
        try check()
        _ = try reopenViews()
    }

    private mutating func step() throws -> String {
        if merge?.safety != nil, random.oneIn(5) { return try cancel() }
        if merge != nil, random.oneIn(4) { return try pauseOrResume() }
        switch random.below(160) {
        case 0..<45: return try write()
        case 45..<62: return try snapshot()
        case 62..<72: return try delete()
        case 72..<82: return try revert()
        case 82..<90: return try waitForMerge()
        case 90..<96: return try downAndUp()
        case 96..<100: return try reopenViews()
        default: return try stepOfClones()
        }
    }

    private mutating func write() throws -> String {
        var content = live
        try rig.withDevice { device in
            if random.oneIn(8) { try writeScattered(&content, to: device) }
            try write(&content, to: device)
        }
        live = content
        return "write"
    }

    /// A few stretches anywhere.
    mutating func write(_ content: inout DiskContent, to device: DirectDevice) throws {
        for _ in 0..<1 + random.below(6) {
            let first = random.below(content.blockCount)
            let count = min(content.blockCount - first, 1 + random.below(12))
            version += 1
            content.set(version, blocks: first..<first + count)
            try content.write(first..<first + count, to: device)
        }
    }

    /// Pieces that a merge takes one by one.
    private mutating func writeScattered(
        _ content: inout DiskContent, to device: DirectDevice
    ) throws {
        let step = 2 * rig.chunkBytes / Self.blockBytes
        let first = random.below(content.blockCount)
        let end = min(content.blockCount, first + 30 * step)
        for block in stride(from: first, to: end, by: step) {
            version += 1
            content.set(version, blocks: block..<block + 1)
            try content.write(block..<block + 1, to: device)
        }
    }

    private mutating func snapshot() throws -> String {
        if snapshots.count >= Self.snapshotsMaximum { return try delete() }
        snapshots.append((try rig.takeSnapshot(), live))
        merge?.safety = nil
        return merge == nil ? "snapshot" : "snapshot in mid-merge"
    }

    private mutating func delete() throws -> String {
        let cloned = Set(clones.values.map(\.base))
        let kept = clones.filter { $0.key != mergingClone?.name }.map(\.value.base).min()
        if let kept, random.oneIn(4) {
            try closeView(kept)
            try expectRefused("the deletion of a snapshot that has a clone") {
                try $0.delete([kept])
            }
        }
        let candidates = snapshots.map(\.id).filter { $0 != merge?.target && !cloned.contains($0) }
        guard !candidates.isEmpty else { return "nothing" }
        var chosen: Set<SnapshotID> = []
        for _ in 0..<1 + random.below(2) {
            chosen.insert(candidates[random.below(candidates.count)])
        }
        for id in chosen { try closeView(id) }
        try rig.delete(chosen.sorted())
        snapshots.removeAll { chosen.contains($0.id) }
        if let safety = merge?.safety, chosen.contains(safety) { merge?.safety = nil }
        return "delete"
    }

    private mutating func revert() throws -> String {
        try noteMergeEnd()
        guard !snapshots.isEmpty else { return "nothing" }
        let isSecond = merge != nil
        let target = snapshots[random.below(snapshots.count)]
        // One in three is slow, so that others come in its middle.
        if !isSecond { try slowDown(random.oneIn(3)) }
        let takesSafety = isSecond || !random.oneIn(4)
        let outcome: RevertOutcome
        do {
            outcome = try rig.revert(to: target.id, takingSafety: takesSafety)
        } catch let problem as Problem where isSecond && problem.code == .refused {
            return "second revert refused"
        }
        // The first merge may have ended since we looked; while it runs, there is no second.
        if isSecond { noteEnd() }
        if let safety = outcome.safety { snapshots.append((safety.id, live)) }
        live = target.content
        merge = (target.id, outcome.safety?.id)
        pausedBytes = nil
        return takesSafety ? "revert" : "revert without safety"
    }

    private mutating func cancel() throws -> String {
        try noteMergeEnd()
        guard let safety = merge?.safety, let content = snapshots.first(where: { $0.id == safety })
        else { return "nothing" }
        let reply: VolumeReply
        do {
            reply = try rig.perform(.cancelMerge(rig.revertID()))
        } catch let problem as Problem where problem.code == .notFound {
            // It has ended since we looked.
            noteEnd()
            return "nothing"
        }
        guard case .reverted(let outcome) = reply else { return "nothing" }
        try expectEqual(outcome.target, safety, "target of the cancellation")
        live = content.content
        merge = (safety, safety)
        // Its clone goes on.
        mergingClone = nil
        pausedBytes = nil
        return "cancel"
    }

    private mutating func waitForMerge() throws -> String {
        guard merge != nil else { return "nothing" }
        try slowDown(false)
        try rig.finishMerge()
        noteEnd()
        return "merge to the end"
    }

    private mutating func downAndUp() throws -> String {
        try noteMergeEnd()
        guard merge == nil else { return try crashInPause() }
        for id in Array(views.keys) { try closeView(id) }
        openClones = [:]
        try rig.deactivate()
        // The origin is a plain device now, and has what the volume showed.
        try live.expect(
            on: FirstBytes(
                rig.volumeBytes, of: try DirectDevice(path: rig.originPath, isReadOnly: true)),
            "the origin")
        try rig.activate()
        return "down and up"
    }

    private mutating func pauseOrResume() throws -> String {
        if pausedBytes != nil {
            // Sometimes what is paused is paused, and what was resumed is resumed again.
            if random.oneIn(4) {
                _ = try rig.perform(.pauseMerge)
                return "pause again"
            }
            try slowDown(random.oneIn(2))
            _ = try rig.perform(.resumeMerge)
            pausedBytes = nil
            return "resume"
        }
        _ = try rig.perform(.pauseMerge)
        guard let progress = try rig.mergeProgress() else {
            noteEnd()
            return "pause of what has ended"
        }
        pausedBytes = progress.mergedBytes
        // What is written meanwhile need not be slow; what is resumed is, now and then.
        try slowDown(false)
        return progress.mergedBytes > 0 ? "pause in mid-merge" : "pause at the beginning"
    }

    /// The machine goes down in the middle of a merge that rests.
    private mutating func crashInPause() throws -> String {
        guard pausedBytes != nil else { return "nothing" }
        for id in Array(views.keys) { try closeView(id) }
        openClones = [:]
        try rig.takeDown()
        try rig.activate()
        return "down and up in a pause"
    }

    private mutating func closeView(_ id: SnapshotID) throws {
        guard views.removeValue(forKey: id) != nil else { return }
        try rig.volume().closeView(id)
    }

    private mutating func reopenViews() throws -> String {
        for id in Array(views.keys) { try closeView(id) }
        openClones = [:]
        return "views reopened"
    }

    mutating func noteMergeEnd() throws {
        guard merge != nil, try rig.mergeProgress() == nil else { return }
        try slowDown(false)
        noteEnd()
    }

    mutating func slowDown(_ isWanted: Bool) throws {
        guard isSlow != isWanted else { return }
        try origin.delayWrites(milliseconds: isWanted ? Self.slowMilliseconds : 0)
        isSlow = isWanted
    }

    mutating func noteEnd() {
        if let ended = mergingClone, ended.ends { clones[ended.name] = nil }
        mergingClone = nil
        merge = nil
        pausedBytes = nil
    }

    private mutating func check() throws {
        try rig.withDevice { try live.expect(on: $0, "the volume") }
        for (id, content) in snapshots {
            if views[id] == nil {
                views[id] = try DirectDevice(
                    path: try rig.volume().openView(id), isReadOnly: true)
            }
            if let view = views[id] { try content.expect(on: view, "snapshot \(id)") }
        }
        try checkClones()
        let state = try rig.storedState()
        try expectEqual(
            Set(state.readable.map(\.id)), Set(snapshots.map(\.id)), "snapshots in the state")
        if let pausedBytes {
            try expect(try rig.isPaused(), "the merge does not rest")
            try expectEqual(state.revert?.phase, .paused, "the phase of a merge that rests")
            try expectEqual(
                try rig.mergeProgress()?.mergedBytes, pausedBytes, "merged bytes in a pause")
        }
        try expectEqual(rig.takeWarnings(), [], "warnings")
    }
}

import System
import CCrashPoint
import DeviceDriver
import DeviceMapper
import Glibc
import MergeKit
import SnapshotModel
import TestKit
import VolumeAccess

/// Kills the process that makes one kind of change before each of its steps, and has the next one
/// bring everything right. The kernel's devices stay as the killed process has left them.
struct KillSweep {
    /// What is cut short.
    enum Kind: String, CaseIterable {
        case snapshot = "a snapshot, with a writer at work"
        case snapshotBesideView = "a snapshot while an older one is open"
        case snapshotInMerge = "a snapshot in mid-merge"
        case revert = "a revert"
        case revertWithoutSafety = "a revert without a safety snapshot"
        case cancel = "the cancellation of a merge"
        case pause = "the pause of a merge"
        case resume = "the resumption of a merge"
        case endOfMerge = "the end of a merge, with a writer at work"
        case delete = "a deletion"
        case resize = "a resize"
        case activate = "an activation"
        case activateInMerge = "an activation in mid-merge"
        case deactivate = "a deactivation"

        var hasWriter: Bool { self == .snapshot || self == .endOfMerge }
        var revertsTheVolume: Bool { [.revert, .revertWithoutSafety, .cancel].contains(self) }
        var needsMerge: Bool {
            [.snapshotInMerge, .cancel, .activateInMerge].contains(self) || steersTheMerge
        }
        var steersTheMerge: Bool { self == .pause || self == .resume }
    }

    private let kind: Kind
    private let rig: DriverRig
    private let origin: SlowOrigin
    private var random: SeededGenerator
    private var expected: ExpectedVolume
    private var oldest: SnapshotID?
    /// Between which changes the process was killed.
    private var place = ""
    private(set) var done = 0
    private(set) var inMerge = 0

    private static let isVerbose = getenv("SNAPMGR_VERBOSE") != nil
    private static let volumeBytes = 1 << 20
    private static let resizeBytes = 16 << 10
    private static let originMebibytes = 16
    /// What a cancellation exits with when there is nothing to cancel any more.
    private static let missedStatus: Int32 = 3
    private static let slowMilliseconds = 80
    private static let resumeMilliseconds = 300_000
    /// In a row, of one point.
    private static let missesMaximum = 20
    /// One point of so many is followed by a revert.
    private static let revertStride = 4

    init(_ context: GuestContext, _ kind: Kind, seed: UInt64) throws {
        self.kind = kind
        random = SeededGenerator(seed: seed)
        expected = ExpectedVolume(seed: seed, byteCount: Self.volumeBytes)
        // A volume that grows shows what lies behind it.
        try DirectDevice(path: context.disks[0]).punch(0..<Self.originMebibytes << 20)
        try CrashPoint.prepare()
        let origin = try SlowOrigin(disk: context.disks[0], mebibytes: Self.originMebibytes)
        context.cleanUp { try origin.remove() }
        self.origin = origin
        rig = try DriverRig(
            context, volumeBytes: Self.volumeBytes, chunkBytes: ExpectedVolume.blockBytes,
            originPath: origin.path)
    }

    /// Kills at every point (from `first` on, in steps of `stride`), until the change has come to its
    /// end.
    mutating func run(from first: Int, stride: Int) throws {
        var point = first
        var misses = 0
        while true {
            do {
                try prepare()
                let fate = try killAndMend(at: point)
                if fate == .missed {
                    misses += 1
                    try expect(misses < Self.missesMaximum, "the merge is always over too soon")
                    continue
                }
                misses = 0
                if fate == .ended { return }
            } catch {
                throw ExpectationFailure(
                    message: "killed at point \(point), \(place): \(error)",
                    place: SourcePlace(fileID: #fileID, line: #line))
            }
            done += 1
            if Self.isVerbose { Console.say("    point \(point): \(place)") }
            point += stride
        }
    }

    // MARK: Before

    private mutating func prepare() throws {
        try rig.finishMerge()
        try write(12)
        let ids = expected.snapshots.keys.sorted()
        if ids.count > 2 {
            let gone = Array(ids.dropFirst().dropLast())
            try rig.delete(gone)
            try expected.apply(.delete(gone))
        }
        if ids.count < 2 { try takeSnapshot() }
        oldest = expected.snapshots.keys.min()
        try write(12)
        if kind.needsMerge {
            // What else was written would join the pieces, and a merge of one piece is one step: it
            // would be over before anybody looks.
            try takeSnapshot()
            oldest = expected.snapshots.keys.max()
            try writeScattered()
        }
        if kind == .delete {
            try takeSnapshot()
            try write(6)
        }
        if kind.needsMerge { try beginMerge(isSlow: true) }
        if kind == .resume { try pause() }
        if kind == .endOfMerge { try waitForKernel() }
        if kind == .activate { try rig.deactivate() }
        if kind == .activateInMerge { try rig.takeDown() }
    }

    private mutating func write(_ count: Int) throws {
        try rig.withDevice { device in
            for _ in 0..<count {
                let first = random.below(expected.live.blockCount)
                let blocks = first..<min(expected.live.blockCount, first + 1 + random.below(8))
                try expected.apply(.write(blocks, version: expected.takeVersion()))
                try expected.live.write(blocks, to: device)
            }
        }
    }

    /// What makes a merge long: the kernel takes each of these chunks by itself.
    private mutating func writeScattered() throws {
        try rig.withDevice { device in
            for block in stride(from: random.below(3), to: expected.live.blockCount, by: 3) {
                let blocks = block..<block + 1
                try expected.apply(.write(blocks, version: expected.takeVersion()))
                try expected.live.write(blocks, to: device)
            }
        }
    }

    private mutating func takeSnapshot() throws {
        let id = expected.takeSnapshotID()
        _ = try rig.perform(.snapshot(Self.request(id)))
        try expected.apply(.snapshot(id))
    }

    private mutating func beginMerge(isSlow: Bool) throws {
        if isSlow { try origin.delayWrites(milliseconds: Self.slowMilliseconds) }
        let target = try require(oldest, "oldest snapshot")
        let safety = expected.takeSnapshotID()
        _ = try rig.perform(
            .revert(
                RevertRequest(
                    id: expected.takeRevertID(), target: target, safety: Self.request(safety))))
        try expected.apply(.revert(target, safety: safety))
    }

    /// With something written into what is not merged, and into the rest.
    private mutating func pause() throws {
        _ = try rig.perform(.pauseMerge)
        try write(6)
    }

    /// Waits until the kernel has merged everything, and nobody has noted it.
    private mutating func waitForKernel() throws {
        // A merge that has ended before its command has is noted by it.
        repeat {
            try origin.delayWrites(milliseconds: 0)
            try rig.finishMerge()
            try writeScattered()
            try beginMerge(isSlow: true)
        } while try !rig.isKernelMerging
        try origin.delayWrites(milliseconds: 0)
        try rig.waitForKernelsMerge(milliseconds: Self.resumeMilliseconds)
    }

    private static func request(_ id: SnapshotID) -> SnapshotRequest {
        SnapshotRequest(id: id, description: SnapshotDescription(kind: .manual))
    }

    // MARK: The change

    /// What is to be made, and how.
    private mutating func change() throws -> (ExpectedVolume.Change?, (DriverRig) throws -> Void) {
        switch kind {
        case .snapshot, .snapshotBesideView, .snapshotInMerge:
            let id = expected.takeSnapshotID()
            return (.snapshot(id), { _ = try $0.perform(.snapshot(Self.request(id))) })
        case .revert, .revertWithoutSafety:
            let target = try require(oldest, "oldest snapshot")
            let safety = kind == .revert ? expected.takeSnapshotID() : nil
            let request = RevertRequest(
                id: expected.takeRevertID(), target: target, safety: safety.map(Self.request))
            return (.revert(target, safety: safety), { _ = try $0.perform(.revert(request)) })
        case .cancel:
            // Back to what the revert's safety snapshot holds, the newest.
            let safety = try require(expected.snapshots.keys.max(), "safety snapshot")
            let id = expected.takeRevertID()
            return (
                .revert(safety, safety: nil),
                {
                    do { _ = try $0.perform(.cancelMerge(id)) } catch let problem as Problem
                        where problem.code == .refused || problem.code == .notFound
                    {
                        if Self.isVerbose { Console.say("    missed: \(problem)") }
                        _exit(Self.missedStatus)
                    }
                }
            )
        case .pause: return (nil, { try Self.steer($0, .pauseMerge, into: .paused) })
        case .resume: return (nil, { try Self.steer($0, .resumeMerge, into: .merging) })
        case .endOfMerge: return (nil, { try $0.withSession { _ in } })
        case .delete:
            // One in the middle, and the newest, whose area goes on growing.
            let ids = Array(expected.snapshots.keys.sorted().dropFirst())
            return (.delete(ids), { try $0.delete(ids) })
        case .resize:
            let bytes = expected.live.byteCount + Self.resizeBytes
            return (.resize(bytes: bytes), { _ = try $0.perform(.resize(bytes: bytes)) })
        case .activate, .activateInMerge: return (nil, { try $0.activate() })
        case .deactivate: return (nil, { try $0.deactivate() })
        }
    }

    private static func steer(
        _ rig: DriverRig, _ request: VolumeRequest, into state: MergeState
    ) throws {
        try rig.withSession { session in
            _ = try session.perform(request)
            guard case .merge(let progress) = try session.perform(.mergeStatus) else { return }
            // It may have ended before.
            guard let progress else { _exit(missedStatus) }
            try expectEqual(progress.state, state, "state of the merge")
        }
    }

    private enum Fate {
        case killed
        /// The process came to its end before.
        case ended
        /// The merge had ended when the process looked.
        case missed
    }

    private mutating func killAndMend(at point: Int) throws -> Fate {
        let (change, perform) = try change()
        if try rig.isKernelMerging || kind == .activateInMerge { inMerge += 1 }
        var view: DirectDevice?
        if kind == .snapshotBesideView, let oldest {
            view = try DirectDevice(path: try rig.volume().openView(oldest), isReadOnly: true)
        }
        var writer: VolumeWriter?
        if kind.hasWriter {
            writer = try VolumeWriter(
                path: rig.devicePath, base: expected.live, first: expected.takeVersion())
        }
        let since = writer?.written ?? 0
        let status = try ChildProcess.fork { [rig] in
            try CrashPoint.run(after: point, SNAPMGR_CRASH_PROCESS) { try perform(rig) }
        }
        place = "after \"\(CrashPoint.beforeLast)\", before \"\(CrashPoint.last)\""
        if status == Self.missedStatus << 8 {
            try origin.delayWrites(milliseconds: 0)
            return .missed
        }
        let wasKilled = status == SIGKILL
        try expect(wasKilled || status == 0, "it ended with the status \(status)")
        try expectNothingWaits()
        try writer?.waitForWrites(3)
        if let view, let oldest {
            try expected.snapshots[oldest]?.expect(on: view, "the open view, after the kill,")
        }
        expected.pending = change
        try mend(at: point)
        let writes = try writer?.end(since: since)
        if let writes { expected.adopt(writes.content(after: writes.last), version: writes.last) }
        // What the kernel does is what the store says, whenever it was killed.
        if kind.steersTheMerge {
            let isPaused = try rig.isPaused()
            if !wasKilled { try expectEqual(isPaused, kind == .pause, "paused, at the end") }
        }
        let wasMade = try expected.resolve(rig, writes: writes)
        try expect(wasKilled || change == nil || wasMade, "it was acknowledged, and is not there")
        if let view, let oldest {
            try expected.snapshots[oldest]?.expect(on: view, "the open view")
        }
        view = nil
        if let oldest { try rig.volume().closeView(oldest) }
        try expected.check(rig)
        try expectSettled()
        try origin.delayWrites(milliseconds: 0)
        try goOn(point)
        return wasKilled ? .killed : .ended
    }

    // MARK: Behind

    /// No device keeps I/O waiting, but those of a volume that nobody has open and whose revert the
    /// next command finishes.
    private func expectNothingWaits() throws {
        if kind.revertsTheVolume { return }
        let deadline = Deadline(milliseconds: Self.resumeMilliseconds)
        for device in try rig.mapper.devices() {
            while let info = try rig.mapper.info(device.name), info.isSuspended, info.hasLiveTable {
                try expect(!deadline.hasPassed, "\(device.name) stays suspended")
                usleep(1000)
            }
        }
    }

    /// The next command, or the next boot's.
    private func mend(at point: Int) throws {
        if kind == .deactivate && !point.isMultiple(of: 2) {
            try rig.deactivate()
            try expected.live.expect(
                on: FirstBytes(
                    expected.live.byteCount,
                    of: try DirectDevice(path: rig.originPath, isReadOnly: true)),
                "the origin")
        }
        let needsActivation = [.activate, .activateInMerge, .deactivate].contains(kind)
        if needsActivation || point.isMultiple(of: 2) {
            try rig.activate()
        } else {
            try rig.withSession { _ in }
        }
        try expectNoLoss()
    }

    private func expectNoLoss() throws {
        let warnings = rig.takeWarnings()
        try expect(!warnings.contains { $0.contains("LOST") }, "\(warnings)")
    }

    /// Another recovery finds nothing to do. While a merge runs it may end in one of two.
    private func expectSettled() throws {
        for attempt in 0..<3 {
            let volume = try rig.volume()
            let count = try CrashPoint.countChanges { try volume.recover() }
            if count == 0 { return }
            try expect(
                attempt < (kind == .snapshot ? 0 : 2),
                "the second recovery changes something: \(count) times, at last: "
                    + CrashPoint.last)
        }
    }

    /// Writing, a further snapshot and a revert work.
    private mutating func goOn(_ point: Int) throws {
        try write(4)
        try takeSnapshot()
        try write(4)
        try rig.finishMerge()
        try expectNoLoss()
        if point.isMultiple(of: Self.revertStride) {
            // A revert takes a snapshot of the volume's size.
            oldest = expected.idsOfVolumeSize.first
            try beginMerge(isSlow: false)
            try rig.finishMerge()
        }
        try expected.check(rig)
        try expectNoLoss()
    }
}

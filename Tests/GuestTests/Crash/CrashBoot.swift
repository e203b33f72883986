import CCrashPoint
import DeviceMapper
import Glibc
import SnapshotModel
import TestKit
import VolumeAccess

/// One boot of a guest that is crashed again and again: verifies what the crash before has left, by
/// the ledger, and goes on changing the volume until it crashes.
struct CrashBoot {
    /// How a guest ends.
    enum End: String, CaseIterable {
        /// Before an exact change of a command.
        case atChange = "at-change"
        /// By a second process, at any time.
        case atTime = "at-time"
        /// By the machine, which kills the guest.
        case outside
        /// In order, after a last look.
        case never
    }

    let rig: DriverRig
    private let origin: SlowOrigin
    private let isFirst: Bool
    private var ledger: CrashLedger
    var expected: ExpectedVolume
    var random: SeededGenerator

    /// What the machine waits for before it kills the guest.
    static let ready = "ready"
    static let survived = "survived "

    private static let originMebibytes = 16
    private static let slowMilliseconds = 20
    private static let volumeBytes = 1 << 20
    private static let volumeBytesMaximum = 2 << 20
    private static let snapshotsMaximum = 5
    private static let millisecondsMaximum = 600

    /// Runs `crash-boot END SEED`; the status to exit with.
    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.count == 2, let end = End(rawValue: arguments[0]),
            let seed = UInt64(arguments[1]), let disks = getenv("SNAPMGR_GUEST_DISKS")
        else { Console.refuse("usage: snapmgr-guest-tests crash-boot END SEED, in a guest") }
        let context = GuestContext(
            disks: String(cString: disks).split(separator: " ").map(String.init))
        do {
            var boot = try CrashBoot(context, seed: seed)
            try boot.verify()
            try boot.goOn(until: end)
        } catch {
            Console.say("✘ \(error)")
            return 1
        }
        return 0
    }

    private init(_ context: GuestContext, seed: UInt64) throws {
        random = SeededGenerator(seed: seed)
        ledger = try CrashLedger(path: context.disks[2])
        let found = try ledger.read()
        isFirst = found == nil
        expected = found ?? ExpectedVolume(seed: seed, byteCount: Self.volumeBytes)
        try CrashPoint.prepare()
        origin = try SlowOrigin(disk: context.disks[0], mebibytes: Self.originMebibytes)
        // What a crash has left of a merge is looked at in its middle.
        if found != nil { try origin.delayWrites(milliseconds: Self.slowMilliseconds) }
        rig =
            found == nil
            ? try DriverRig(
                context, volumeBytes: Self.volumeBytes, chunkBytes: ExpectedVolume.blockBytes,
                originPath: origin.path)
            : try DriverRig(
                reopening: context, volumeBytes: Self.volumeBytes,
                chunkBytes: ExpectedVolume.blockBytes, originPath: origin.path)
    }

    // MARK: After the crash

    private mutating func verify() throws {
        let change = expected.pending
        let isMerging = try rig.mergeProgress() != nil
        let wasMade = try expected.resolve(rig)
        try expected.check(rig)
        try expectNoLoss()
        if !isFirst {
            let fate = change == nil ? "" : wasMade ? ", made" : ", not made"
            Console.say(
                Self.survived + Self.word(change) + (isMerging ? " in mid-merge" : "") + fate)
        }
        // Half of the merges go on while the volume is changed again.
        try origin.delayWrites(milliseconds: 0)
        if random.oneIn(2) {
            try rig.finishMerge()
            try expected.check(rig)
        }
        try ledger.write(expected)
    }

    private func expectNoLoss() throws {
        let warnings = rig.takeWarnings()
        try expect(!warnings.contains { $0.contains("LOST") }, "\(warnings)")
    }

    static func word(_ change: ExpectedVolume.Change?) -> String {
        switch change {
        case nil: "between two changes"
        case .write: "a write"
        case .snapshot: "a snapshot"
        case .revert(_, safety: nil): "a revert without safety"
        case .revert: "a revert"
        case .delete: "a deletion"
        case .resize: "a resize"
        case .clone(let change): change.word
        }
    }

    // MARK: On to the next one

    private mutating func goOn(until end: End) throws {
        switch end {
        case .never:
            try rig.finishMerge()
            try expected.check(rig)
            try rig.deactivate()
            try expected.live.expect(
                on: FirstBytes(
                    expected.live.byteCount,
                    of: try DirectDevice(path: rig.originPath, isReadOnly: true)),
                "the origin")
            return
        case .atChange:
            for _ in 0..<4 + random.below(4) { try step(isLast: false) }
            try step(isLast: true)
            snapmgr_crash_machine()
        case .atTime:
            let milliseconds = random.below(Self.millisecondsMaximum)
            _ = try ChildProcess.begin {
                usleep(UInt32(milliseconds * 1000))
                snapmgr_crash_machine()
            }
        case .outside: Console.say(Self.ready)
        }
        while true { try step(isLast: false) }
    }

    /// Makes one change; the last one crashes the guest somewhere, if it has so many steps.
    private mutating func step(isLast: Bool) throws {
        if isLast || random.oneIn(2) {
            try origin.delayWrites(milliseconds: random.oneIn(2) ? 0 : Self.slowMilliseconds)
            try makeChange(isLast: isLast)
            if !isLast { try origin.delayWrites(milliseconds: 0) }
        } else {
            for _ in 0..<1 + random.below(12) {
                if random.oneIn(3), let clone = try freeClone() {
                    try writeClone(clone)
                } else {
                    try write()
                }
            }
        }
        expected.pending = nil
        try ledger.write(expected)
        try expectNoLoss()
    }

    mutating func someBlocks(of content: DiskContent) -> Range<Int> {
        let first = random.below(content.blockCount)
        return first..<min(content.blockCount, first + 1 + random.below(12))
    }

    /// Notes a change before it is made.
    mutating func note(_ change: ExpectedVolume.Change) throws {
        expected.pending = change
        try ledger.write(expected)
    }

    private mutating func write() throws {
        let blocks = someBlocks(of: expected.live)
        let change = ExpectedVolume.Change.write(blocks, version: expected.takeVersion())
        try note(change)
        try expected.apply(change)
        try rig.withDevice { device in
            try expected.live.write(blocks, to: device)
            try device.sync()
        }
    }

    private mutating func makeChange(isLast: Bool) throws {
        guard let (change, request) = try chooseChange() else { return }
        try note(change)
        let limit = random.below(Self.stepCount(of: change))
        try CrashPoint.run(
            after: limit, isLast ? SNAPMGR_CRASH_MACHINE : SNAPMGR_CRASH_NEVER
        ) {
            _ = try rig.perform(request)
            if case .delete = change { _ = try rig.perform(.collect) }
        }
        try expected.apply(change)
    }

    /// About how many steps a change has: most crashes fall within it.
    private static func stepCount(of change: ExpectedVolume.Change) -> Int {
        switch change {
        case .write, .delete, .resize: 20
        case .clone(let change): change.stepCount
        case .snapshot: 32
        case .revert: 90
        }
    }

    private mutating func chooseChange() throws -> (ExpectedVolume.Change, VolumeRequest)? {
        let ids = expected.snapshots.keys.sorted()
        let isMerging = try rig.mergeProgress() != nil
        expected.noteEnd(try rig.storedState())
        let choice = random.below(16)
        if choice >= 10, let change = try chooseCloneChange(isMerging: isMerging) {
            return change
        }
        let candidates = ids.filter {
            $0 != expected.target && !expected.clones.bases.contains($0)
        }
        if ids.count >= Self.snapshotsMaximum || choice == 9 && ids.count > 2, !candidates.isEmpty {
            let chosen = Set((0..<2).map { _ in candidates[random.below(candidates.count)] })
            return (.delete(chosen.sorted()), .delete(chosen.sorted()))
        }
        let targets = expected.idsOfVolumeSize
        if !targets.isEmpty, !isMerging, choice >= 4, choice < 8 {
            let target = targets[random.below(targets.count)]
            let safety = random.oneIn(4) ? nil : expected.takeSnapshotID()
            return (
                .revert(target, safety: safety),
                .revert(
                    RevertRequest(
                        id: expected.takeRevertID(), target: target,
                        safety: safety.map(Self.request)))
            )
        }
        if choice == 8, !isMerging, expected.live.byteCount < Self.volumeBytesMaximum {
            let bytes = expected.live.byteCount + (16 << 10)
            return (.resize(bytes: bytes), .resize(bytes: bytes))
        }
        let id = expected.takeSnapshotID()
        return (.snapshot(id), .snapshot(Self.request(id)))
    }

    static func request(_ id: SnapshotID) -> SnapshotRequest {
        SnapshotRequest(id: id, description: SnapshotDescription(kind: .manual))
    }
}

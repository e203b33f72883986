import System
import DeviceMapper
import Glibc
import SnapshotModel
import VolumeAccess

/// Mounted and busy filesystems under snapshots.
enum BusyCases {
    static let cases = [("ext4", "delete"), ("xfs", "wal")].map { type, journalMode in
        GuestCase(
            "snapshots of a busy \(type) are clean and hold every transaction that was committed"
        ) { try run($0, type, journalMode) }
    }

    private static let mountPoint = "/mnt/snapmgr-busy"
    private static let snapshotCount = 10
    private static let pauseMilliseconds = 150

    private struct Taken {
        var id: SnapshotID
        /// The last transaction that was committed before the snapshot was asked for.
        var before: Int
        /// And the last one when it had been taken.
        var after: Int
    }

    private static func run(
        _ context: GuestContext, _ type: String, _ journalMode: String
    ) throws {
        let rig = try FilesystemRig.volume(
            context, mebibytes: type == "xfs" ? FilesystemRig.originMebibytes : 96)
        let checks = SnapshotChecks(
            type: type, devices: ScratchDevices(context), scratchDisk: context.disks[2])
        try rig.activate()
        try Mounting.make(type, on: rig.devicePath)
        context.cleanUp { try Mounting.unmount(mountPoint) }
        try Mounting.mount(rig.devicePath, at: mountPoint, type)
        let busy = try BusyFilesystem(context, folder: mountPoint, journalMode: journalMode)
        try busy.start()
        var taken: [Taken] = []
        for index in 0..<snapshotCount {
            let before = try busy.committed()
            let id = try rig.takeSnapshot()
            let after = try busy.committed()
            taken.append(Taken(id: id, before: before, after: after))
            // One is looked at while everything goes on.
            if index == 5 { try expectWhole(taken[3], rig, checks) }
            usleep(UInt32(pauseMilliseconds * 1000))
            let deadline = Deadline(milliseconds: 120_000)
            while try busy.committed() <= after + 1 {
                try expect(!deadline.hasPassed, "nothing is committed any more")
                usleep(10_000)
            }
        }
        try busy.stop()
        let atEnd = try busy.committed()
        try expect(
            taken.last.map { $0.before > taken[0].after + snapshotCount } ?? false,
            "nothing was committed between the snapshots: \(taken)")
        for snapshot in taken { try expectWhole(snapshot, rig, checks) }
        try goBack(rig, type, to: taken[snapshotCount / 2], atEnd)
        try expectEqual(rig.takeWarnings(), [], "warnings")
    }

    private static func expectWhole(
        _ taken: Taken, _ rig: VolumeRig, _ checks: SnapshotChecks
    ) throws {
        let last = try rig.withView(taken.id) { try checks.lastTransaction(through: $0) }
        // One may have been committed whose answer was not written yet.
        try expect(
            (taken.before...taken.after + 1).contains(last),
            "snapshot \(taken.id) has \(last) transactions: \(taken.before) were committed before it "
                + "and \(taken.after) after")
    }

    /// Reverts to a snapshot, which takes an unmounted volume, and back again.
    private static func goBack(
        _ rig: VolumeRig, _ type: String, to target: Taken, _ atEnd: Int
    ) throws {
        let refusal = try rig.problem(of: .revert(rig.revertRequest(to: target.id)))
        try expectEqual(refusal.code, .refused, "code of \(refusal)")
        try expect(
            refusal.message.contains(mountPoint), "the mount point is not named: \(refusal)")
        try expect(
            refusal.hint?.description.contains("umount \(mountPoint)") ?? false,
            "the hint does not help: \(refusal)")
        try Mounting.unmount(mountPoint)
        let last = try rig.withView(target.id) { view in
            let outcome = try rig.revert(to: target.id)
            // A small volume is compared as a whole, too.
            if type == "ext4" { try DeviceCompare.expectSame(rig.devicePath, view) }
            try Mounting.mount(rig.devicePath, at: mountPoint, type)
            let last = try BusyFilesystem.lastTransaction(in: mountPoint)
            try rig.finishMerge()
            try Mounting.unmount(mountPoint)
            try expect(outcome.safety != nil, "there is no safety snapshot")
            try rig.revert(to: try require(outcome.safety?.id, "safety snapshot"))
            return last
        }
        try expect((target.before...target.after + 1).contains(last), "went back to \(last)")
        try rig.finishMerge()
        try Mounting.mount(rig.devicePath, at: mountPoint, type)
        let again = try BusyFilesystem.lastTransaction(in: mountPoint)
        try expect((atEnd...atEnd + 1).contains(again), "\(again) transactions after \(atEnd)")
        try Mounting.unmount(mountPoint)
        try rig.deactivate()
    }
}

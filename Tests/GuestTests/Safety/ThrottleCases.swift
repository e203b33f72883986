import DeviceDriver
import DeviceMapper
import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import VolumeAccess

/// Limits of merges, of which the kernel has one for the machine.
enum ThrottleCases {
    static let cases = [
        GuestCase("DM1: a merge's limit holds, and goes with its end") { context in
            let faulty = try merging(context)
            try DriverRig.throttle(percent: 90)
            try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
            try expectEqual(try KernelThrottle.percent(), 1, "percent while it is limited")
            try faulty.origin.heal()
            try faulty.rig.perform(.waitForMerge)
            try expectEqual(try KernelThrottle.percent(), 90, "percent afterwards")
            try faulty.expectGoesOn()
        },
        GuestCase("DM1, R15: what lifts one volume's limit leaves another's") { context in
            let faulty = try merging(context)
            let devices = ScratchDevices(context)
            let disk = try FaultyDisk(
                devices, "faulty-other", on: context.disks[2], bytes: faulty.volumeBytes)
            let other = try VolumeRig(
                context, name: "other", originPath: disk.path, storeFolder: FaultRig.storeFolder,
                volumeBytes: faulty.volumeBytes, chunkBytes: faulty.chunkBytes)
            context.cleanUp { try disk.heal() }
            try other.activate()
            let history = VolumeHistory(other, volumeBytes: faulty.volumeBytes)
            let first = try history.takeSnapshot()
            try faulty.writeScattered(history)
            try disk.delayWrites(milliseconds: 1000)
            try history.revert(to: first)
            try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
            try other.perform(.resumeMerge)
            try expectEqual(try KernelThrottle.percent(), 1, "percent after the other's resume")
            try other.perform(.throttleMerge(bytesPerSecond: nil))
            try expectEqual(try KernelThrottle.percent(), 1, "percent after the other's `none`")
            try faulty.rig.perform(.throttleMerge(bytesPerSecond: nil))
            try expectEqual(try KernelThrottle.percent(), 100, "percent after its own")
            try disk.heal()
            try other.finishMerge()
            try faulty.finishMerge()
        },
        GuestCase("DM1: a merge that copies too slowly to be measured takes a limit") { context in
            let faulty = try merging(context)
            try faulty.origin.delayWrites(milliseconds: 60_000)
            try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
            try expectEqual(try KernelThrottle.percent(), 1, "percent while it is limited")
            try faulty.finishMerge()
            try expectEqual(try KernelThrottle.percent(), 100, "percent afterwards")
            try faulty.expectGoesOn()
        },
        GuestCase(
            "DM1: a limit of another volume holds wherever its store is mounted by now",
            body: otherMount),
        GuestCase("DM1: a resume lifts a merge's limit also behind a pause") { context in
            let faulty = try merging(context)
            try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
            try faulty.rig.perform(.pauseMerge)
            try faulty.rig.perform(.resumeMerge)
            try expectEqual(try KernelThrottle.percent(), 100, "percent afterwards")
            try faulty.finishMerge()
            try faulty.expectGoesOn()
        },
        GuestCase(
            "DM1: what is taken down without its store leaves no limit behind", body: takenDown),
        GuestCase("DM1: a limit that cannot be lifted keeps no merge from going on") {
            try fixedLimit($0, isPaused: false)
        },
        GuestCase("DM1: nor one that is paused") { try fixedLimit($0, isPaused: true) },
    ]

    /// The kernel's parameter, mounted so that nobody can write to it.
    private static func withFixedThrottle<Result>(
        _ body: () throws -> Result
    ) throws -> Result {
        let path = "/sys/module/dm_snapshot/parameters/snapshot_copy_throttle"
        try Program.run("mount", "--bind", path, path)
        defer { _ = umount(path) }
        try Program.run("mount", "-o", "remount,ro,bind", path)
        return try body()
    }

    private static func fixedLimit(_ context: GuestContext, isPaused: Bool) throws {
        let faulty = try merging(context)
        let rig = faulty.rig
        try rig.perform(.throttleMerge(bytesPerSecond: 1))
        if isPaused { try rig.perform(.pauseMerge) }
        let said = try withFixedThrottle {
            let session = try rig.session()
            defer { session.close() }
            _ = try session.perform(.resumeMerge) { _ in }
            return session.warnings
        }
        try expect(
            said.contains { $0.description.contains("could not be lifted") },
            "what was said: \(said)")
        try expect(try rig.mergeProgress()?.state != .paused, "it is paused")
        try faulty.finishMerge()
        try faulty.expectGoesOn()
        try expectEqual(try KernelThrottle.percent(), 100, "percent afterwards")
    }

    private static func takenDown(_ context: GuestContext) throws {
        let faulty = try merging(context)
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
        try expectEqual(try KernelThrottle.percent(), 1, "percent while it is limited")
        try faulty.origin.heal()
        let said = try DeviceTakedown(
            faulty.rig.store.volume(), storePath: faulty.rig.storePath, mapper: faulty.rig.mapper
        ).run()
        try expectEqual(try KernelThrottle.percent(), 100, "percent afterwards")
        try expectEqual(said.filter { $0.contains("1 percent, is lifted") }.count, 1, "\(said)")
        // The administrator's own stays where no merge has been.
        try faulty.rig.activate()
        try faulty.rig.finishMerge()
        try DriverRig.throttle(percent: 90)
        let silent = try DeviceTakedown(
            faulty.rig.store.volume(), storePath: faulty.rig.storePath, mapper: faulty.rig.mapper
        ).run()
        try expectEqual(silent, [], "what is said where no merge was")
        try expectEqual(try KernelThrottle.percent(), 90, "percent where no merge was")
        try DriverRig.throttle(percent: 100)
        try faulty.rig.activate()
        try faulty.expectGoesOn()
    }

    private static func otherMount(_ context: GuestContext) throws {
        let faulty = try merging(context)
        let (first, second) = ("/mnt/snapmgr-other", "/mnt/snapmgr-elsewhere")
        let devices = ScratchDevices(context)
        let disk = try FaultyDisk(
            devices, "faulty-other", on: context.disks[2], bytes: faulty.volumeBytes)
        let store = try devices.make(
            "other-store", bytes: 64 << 20, on: context.disks[1], from: 1 << 30)
        try Mounting.make("ext4", on: store)
        context.cleanUp {
            try Mounting.unmount(second)
            try Mounting.unmount(first)
        }
        try Mounting.mount(store, at: first, "ext4")
        let other = try VolumeRig(
            context, name: "other", originPath: disk.path, storeFolder: first,
            volumeBytes: faulty.volumeBytes, chunkBytes: faulty.chunkBytes)
        context.cleanUp { try disk.heal() }
        try other.activate()
        let history = VolumeHistory(other, volumeBytes: faulty.volumeBytes)
        let id = try history.takeSnapshot()
        try faulty.writeScattered(history)
        try disk.delayWrites(milliseconds: 1000)
        try history.revert(to: id)
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
        try other.perform(.throttleMerge(bytesPerSecond: 1))
        let revert = try require(try other.store.revertFolders().first, "revert")
        var limits = try require(try other.store.mergeLimits(revert), "limits")
        try expectEqual(limits.kernelPercentBefore, 100, "percent before all limits")
        limits.kernelPercent = 40
        try other.store.writeMergeLimits(limits, of: revert)
        // As the store of a service is seen by all others.
        try Program.run("umount", "--lazy", first)
        try Mounting.mount(store, at: second, "ext4")
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: nil))
        try expectEqual(try KernelThrottle.percent(), 40, "percent with the other's limit")
        try Program.run("umount", "--lazy", second)
        try Mounting.mount(store, at: first, "ext4")
        try other.perform(.throttleMerge(bytesPerSecond: nil))
        try expectEqual(try KernelThrottle.percent(), 100, "percent behind all limits")
        // With no mount of it at all nobody knows that the other has none.
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: 1))
        try Program.run("umount", "--lazy", first)
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: nil))
        try Mounting.mount(store, at: first, "ext4")
        try faulty.rig.perform(.throttleMerge(bytesPerSecond: nil))
        try expectEqual(try KernelThrottle.percent(), 100, "percent once it is known")
        try disk.heal()
        try other.finishMerge()
        try faulty.finishMerge()
        try other.deactivate()
        try faulty.expectGoesOn()
    }

    /// A volume with a merge that goes on for long.
    private static func merging(_ context: GuestContext) throws -> FaultRig {
        context.cleanUp { try DriverRig.throttle(percent: 100) }
        let faulty = try FaultRig(context)
        let first = try faulty.history.takeSnapshot()
        try faulty.writeScattered(faulty.history)
        try faulty.origin.delayWrites(milliseconds: 1000)
        try faulty.history.revert(to: first)
        return faulty
    }
}

extension FaultRig {
    /// Writes every second chunk: the kernel merges what lies together in one step.
    func writeScattered(_ history: VolumeHistory) throws {
        for chunk in stride(from: 0, to: chunkCount, by: 2) {
            try history.write(blocks(chunk..<chunk + 1))
        }
    }
}

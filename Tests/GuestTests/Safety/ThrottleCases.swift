import Control
import DeviceDriver
import DeviceMapper
import SnapshotModel

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
        GuestCase("DM1: what lifts one volume's limit leaves another's") { context in
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
            try disk.delayWrites(milliseconds: 100)
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
    ]

    /// A volume with a merge that goes on for long.
    private static func merging(_ context: GuestContext) throws -> FaultRig {
        context.cleanUp { try DriverRig.throttle(percent: 100) }
        let faulty = try FaultRig(context)
        let first = try faulty.history.takeSnapshot()
        try faulty.writeScattered(faulty.history)
        try faulty.origin.delayWrites(milliseconds: 100)
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

import System
import DeviceMapper
import Glibc
import SnapshotModel
import StoreFormat
import VolumeAccess

/// Suspends and resumes that the kernel refuses, and devices that were left suspended: nothing stays so,
/// and nobody waits for ever.
enum SuspensionCases {
    static let cases = [
        GuestCase(
            "DH7: whichever suspend or resume of a snapshot fails for good, I/O goes on",
            body: failingSnapshot),
        GuestCase(
            "DH7: whichever suspend or resume of a revert fails for good, I/O goes on",
            body: failingRevert),
        GuestCase(
            "DH8: a command resumes what was left suspended without waiting for itself",
            body: leftSuspended),
        GuestCase(
            "DH6: a device whose new table fails at its resume goes on with the one that it had",
            body: refusedTable),
        GuestCase(
            "DH6: a resize tries the table before the store says anything of it", body: triedTable),
    ]

    private static let storeFolder = "/mnt/snapmgr-stores"
    private static let volumeBytes = 4 << 20

    private static func volume(
        _ context: GuestContext, _ mapper: any DeviceMapping, originBytes: Int = volumeBytes
    ) throws -> VolumeRig {
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(storeFolder) }
        try Mounting.mount(context.disks[1], at: storeFolder, "ext4")
        let origin = try ScratchDevices(context).make(
            "origin", bytes: originBytes, on: context.disks[0])
        let rig = try VolumeRig(
            context, originPath: origin, storeFolder: storeFolder, volumeBytes: volumeBytes,
            chunkBytes: 16 << 10, mapper: mapper)
        try rig.activate()
        try DirectDevice(path: rig.devicePath).punch(0..<volumeBytes)
        return rig
    }

    private static func suspended(_ rig: VolumeRig) throws -> [String] {
        let mapper = KernelDeviceMapper()
        return try mapper.devices().map(\.name).filter {
            try $0.volumePart?.volume == rig.name && mapper.info($0)?.isSuspended ?? false
        }.map(\.text)
    }

    private static func expectGoesOn(_ rig: VolumeRig, _ count: Int) throws {
        let deadline = Deadline(milliseconds: 300_000)
        while true {
            let left = try suspended(rig)
            guard !left.isEmpty else { return }
            try expect(!deadline.hasPassed, "with \(count) that succeed \(left) stay suspended")
            BackgroundThread.sleep(milliseconds: 20)
        }
    }

    private static func failingSnapshot(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let rig = try volume(context, mapper)
        let history = VolumeHistory(rig, volumeBytes: volumeBytes)
        try history.write(0..<64)
        try history.takeSnapshot()
        try Mounting.make("ext4", on: rig.devicePath)
        var (hasFailed, count) = (true, 0)
        while hasFailed {
            defer { count += 1 }
            let point = "/mnt/snapmgr-volume"
            try Mounting.mount(rig.devicePath, at: point, "ext4")
            try TextFile.write("\(count)", to: point + "/file")
            mapper.fail(after: count)
            _ = try? rig.takeSnapshot()
            hasFailed = mapper.heal()
            try expectGoesOn(rig, count)
            try TextFile.write("after \(count)", to: point + "/file")
            try Mounting.unmount(point)
            _ = try rig.status()
            let said = rig.takeWarnings().filter { $0.contains("LOST") }
            try expectEqual(said, [], "what was lost with \(count) that succeed")
        }
    }

    private static func failingRevert(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let rig = try volume(context, mapper)
        let history = VolumeHistory(rig, volumeBytes: volumeBytes)
        try history.write(0..<256)
        let target = try history.takeSnapshot()
        let old = history.live
        try history.write(0..<300)
        let new = history.live
        var (hasFailed, count) = (true, 0)
        while hasFailed {
            defer { count += 1 }
            // From the same state each time.
            try new.write(0..<300, to: DirectDevice(path: rig.devicePath))
            mapper.fail(after: count)
            let isDone = (try? rig.revert(to: target)) != nil
            hasFailed = mapper.heal()
            try expectGoesOn(rig, count)
            // What it reads at once is what it reads after the next command.
            let device = try DirectDevice(path: rig.devicePath, isReadOnly: true)
            let isOld = (try? old.expect(on: device, "the volume")) != nil
            try expect(isOld || !isDone, "with \(count) that succeed it is done, and is not")
            try (isOld ? old : new).expect(on: device, "the volume with \(count) that succeed")
            _ = try rig.status()
            try (isOld ? old : new).expect(on: device, "the volume after the next command")
            try rig.finishMerge()
            try (isOld ? old : new).expect(on: device, "the volume at the end")
            try history.expectSnapshot(target)
        }
    }

    private static func refusedTable(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let rig = try volume(context, mapper, originBytes: 2 * volumeBytes)
        let history = VolumeHistory(rig, volumeBytes: volumeBytes)
        try history.write(0..<64)
        for part in [DeviceName.Part.linear, .content, .mounted] {
            mapper.refuseTable(of: DeviceName(volume: rig.name, part))
            _ = try rig.problem(of: .resize(bytes: 2 * volumeBytes))
            try expectEqual(try suspended(rig), [], "what is suspended behind \(part)")
            try expectEqual(
                try rig.store.volume().geometry.volumeBytes, volumeBytes, "size in the store")
            try history.expectVolume()
        }
        try rig.perform(.resize(bytes: 2 * volumeBytes))
        try expectEqual(
            try DirectDevice(path: rig.devicePath).byteCount(), 2 * volumeBytes, "size at the end")
    }

    private static func triedTable(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let rig = try volume(context, mapper, originBytes: 2 * volumeBytes)
        let path = rig.storePath
        let sizes = Monitored<[Int?]>([])
        mapper.refuseLoads(of: DeviceName(volume: rig.name, .linear)) {
            let size = try? Store(folder: FileFolder(path: path)).volume().geometry.volumeBytes
            sizes.change { $0.append(size) }
        }
        _ = try rig.problem(of: .resize(bytes: 2 * volumeBytes))
        try expectEqual(sizes.withLock { $0 }, [volumeBytes], "sizes in the store at each try")
        try expectEqual(
            try rig.store.volume().geometry.volumeBytes, volumeBytes, "size in the store")
        mapper.refuseLoads(of: nil)
        try rig.perform(.resize(bytes: 2 * volumeBytes))
    }

    /// As a command leaves it that is killed in the hold with its guard.
    private static func leftSuspended(_ context: GuestContext) throws {
        let mapper = KernelDeviceMapper()
        let rig = try volume(context, mapper)
        try Mounting.make("ext4", on: rig.devicePath)
        let point = "/mnt/snapmgr-volume"
        try Mounting.mount(rig.devicePath, at: point, "ext4")
        try rig.takeSnapshot()
        try TextFile.write("before", to: point + "/file")
        let (top, base) = (
            DeviceName(volume: rig.name, .mounted), DeviceName(volume: rig.name, .content)
        )
        try mapper.suspend(top, freezesFilesystem: true, flushes: true)
        try mapper.suspend(base, freezesFilesystem: false, flushes: true)
        try rig.noteSuspension([base, top])
        let child = try ChildProcess.begin { _ = try rig.status() }
        let deadline = Deadline(milliseconds: 300_000)
        var status: Int32 = 0
        while waitpid(child, &status, WNOHANG) == 0 {
            if deadline.hasPassed {
                try mapper.resume(base)
                ChildProcess.wait(for: child)
                try Mounting.unmount(point)
                try expect(false, "the command that resumes waits for itself")
            }
            BackgroundThread.sleep(milliseconds: 20)
        }
        try expectEqual(status, 0, "status of the command")
        try expectGoesOn(rig, 0)
        try TextFile.write("after", to: point + "/file")
        try Mounting.unmount(point)
        try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted at the end")
    }
}

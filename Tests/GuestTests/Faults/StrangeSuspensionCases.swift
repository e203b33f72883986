import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel
import StoreFormat
import VolumeAccess

/// Devices that somebody else than snapmgr has suspended, who wants them to stay so.
enum StrangeSuspensionCases {
    static let cases = [
        GuestCase(
            "DL6: what an administrator has suspended stays so: commands that read say it, and those "
                + "that would change tables refuse", body: refusals),
        GuestCase(
            "DL6: what is suspended in the middle of a snapshot stays so, and the snapshot is refused",
            body: intrusion),
        GuestCase(
            "DL6: a merge that has ended waits for who has suspended the volume", body: endedMerge),
        GuestCase(
            "DL6: what a command has suspended is noted from before its first suspend on",
            body: ownNote),
        GuestCase(
            "DL6: what an earlier version has left suspended goes on", body: earlierVersion),
        GuestCase(
            "DL6: what a killed command has noted counts no more behind the next one",
            body: leftNote),
    ]

    private static let volumeBytes = 4 << 20

    private static func rig(
        _ context: GuestContext, _ mapper: any DeviceMapping = KernelDeviceMapper(),
        originPath: String? = nil
    ) throws -> (rig: VolumeRig, history: VolumeHistory) {
        let folder = "/mnt/snapmgr-stores"
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(folder) }
        try Mounting.mount(context.disks[1], at: folder, "ext4")
        let origin =
            try originPath
            ?? ScratchDevices(context).make(
                "origin", bytes: 2 * volumeBytes, on: context.disks[0])
        let rig = try VolumeRig(
            context, originPath: origin, storeFolder: folder, volumeBytes: volumeBytes,
            chunkBytes: 16 << 10, mapper: mapper)
        try rig.activate()
        try DirectDevice(path: rig.devicePath).punch(0..<volumeBytes)
        return (rig, VolumeHistory(rig, volumeBytes: volumeBytes))
    }

    private static let mapper = KernelDeviceMapper()

    private static func suspend(_ device: DeviceName) throws {
        try mapper.suspend(device, freezesFilesystem: false, flushes: true)
    }

    private static func expectSuspended(_ device: DeviceName, _ isSo: Bool, _ when: String) throws {
        try expectEqual(
            try mapper.info(device)?.isSuspended, isSo, "\(device) is suspended \(when)")
    }

    private static func expectRefusal(
        _ device: DeviceName, _ what: String, _ body: () throws -> Void
    ) throws {
        let error = try expectFailure(what, body)
        let problem = try require(error as? Problem, "problem in \(error)")
        try expectEqual(problem.code, .refused, "\(what): \(problem)")
        try expect(
            "\(problem)".tail(after: "dmsetup resume \(device)`") != nil, "\(what): \(problem)")
        try expectSuspended(device, true, "behind \(what)")
    }

    private static func refusals(_ context: GuestContext) throws {
        let (rig, history) = try rig(context)
        try history.write(0..<64)
        let id = try history.takeSnapshot()
        try history.write(32..<96)
        let growing = DeviceName.Part.snapshot(SnapshotOrdinal(rawValue: 1))
        for part in [DeviceName.Part.mounted, .content, .linear, growing] {
            let device = DeviceName(volume: rig.name, part)
            try suspend(device)
            _ = rig.takeWarnings()
            try expectEqual(try rig.status().snapshots.count, 1, "snapshots that status tells")
            let said = rig.takeWarnings().filter { $0.contains("dmsetup resume \(device)") }
            try expectEqual(said.count, 1, "warnings of \(device)")
            _ = try rig.perform(.previewRevert(id))
            try expectSuspended(device, true, "behind commands that read")
            try expectRefusals(rig, id, device)
            if part == .mounted {
                try history.expectSnapshot(id)
                try expectSuspended(device, true, "behind a look at the snapshot")
            } else {
                try expectRefusal(device, "a view") { _ = try rig.volume().openView(id) }
            }
            try mapper.resume(device)
            try history.expectVolume()
            try history.expectSnapshot(id)
        }
        try history.takeSnapshot()
        try rig.perform(.resize(bytes: 2 * volumeBytes))
    }

    private static func expectRefusals(
        _ rig: VolumeRig, _ id: SnapshotID, _ device: DeviceName
    ) throws {
        let requests: [VolumeRequest] = [
            .snapshot(rig.snapshotRequest()), .prepareSnapshot(rig.snapshotRequest()),
            .revert(rig.revertRequest(to: id)), .previewDelete([id]), .delete([id]),
            .resize(bytes: 2 * volumeBytes), .pauseMerge, .resumeMerge,
        ]
        for request in requests {
            try expectRefusal(device, "\(request)") { try rig.perform(request) }
        }
        try expectRefusal(device, "activate") { try rig.activate() }
        try expectRefusal(device, "deactivate") { try rig.deactivate() }
    }

    private static func intrusion(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let (rig, history) = try rig(context, mapper)
        try history.write(0..<64)
        let id = try history.takeSnapshot()
        for part in [DeviceName.Part.mounted, .content] {
            let device = DeviceName(volume: rig.name, part)
            mapper.intrude(on: device)
            try expectRefusal(device, "a snapshot") { try rig.takeSnapshot() }
            try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted")
            try self.mapper.resume(device)
            try history.write(0..<32)
            try history.expectSnapshot(id)
            try expectEqual(try rig.states().count, 1, "snapshots")
        }
        try history.takeSnapshot()
    }

    private static func endedMerge(_ context: GuestContext) throws {
        let origin = try SlowOrigin(disk: context.disks[0], mebibytes: 8)
        context.cleanUp { try origin.remove() }
        let (rig, history) = try rig(context, originPath: origin.path)
        let id = try history.takeSnapshot()
        for first in stride(from: 0, to: 512, by: 32) { try history.write(first..<first + 4) }
        try origin.delayWrites(milliseconds: 100)
        try history.revert(to: id)
        let top = DeviceName(volume: rig.name, .mounted)
        try suspend(top)
        try origin.delayWrites(milliseconds: 0)
        let deadline = Deadline(milliseconds: 300_000)
        while try rig.mergeProgress()?.restBytes != 0 {
            try expect(!deadline.hasPassed, "the kernel does not end the merge")
            BackgroundThread.sleep(milliseconds: 50)
        }
        try expectRefusal(top, "waiting for the merge") { try rig.perform(.waitForMerge) }
        try mapper.resume(top)
        try rig.finishMerge()
        try history.expectVolume()
    }

    private static func ownNote(_ context: GuestContext) throws {
        let (rig, history) = try rig(context)
        let held = [DeviceName.Part.mounted, .content].map { DeviceName(volume: rig.name, $0).text }
        let session = try rig.session()
        defer { session.close() }
        func step(_ request: VolumeRequest) throws { _ = try session.perform(request) { _ in } }
        try step(.prepareSnapshot(rig.snapshotRequest()))
        try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted before")
        try step(.holdIO(milliseconds: 10_000))
        try expectEqual(rig.store.suspensionNote()?.devices, held.sorted(), "what is noted then")
        try step(.commit)
        try step(.releaseIO)
        try step(.status)
        try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted behind it")
        try step(.prepareSnapshot(rig.snapshotRequest()))
        try step(.holdIO(milliseconds: 10_000))
        try step(.releaseIO)
        try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted behind nothing")
        try history.expectVolume()
    }

    private static func earlierVersion(_ context: GuestContext) throws {
        let (rig, _) = try rig(context)
        let (base, top) = (
            DeviceName(volume: rig.name, .content), DeviceName(volume: rig.name, .mounted)
        )
        let path = rig.storePath + "/suspended.json"
        for text in [nil, "torn", ""] {
            unlink(path)
            if let text { try TextFile.write(text, to: path) }
            for device in [top, base] { try suspend(device) }
            _ = try rig.status()
            for device in [base, top] { try expectSuspended(device, false, "behind a command") }
            // From the next own suspension on there is a note.
            try rig.takeSnapshot()
            try expectEqual(rig.store.suspensionNote()?.devices, [], "what is noted then")
        }
    }

    private static func leftNote(_ context: GuestContext) throws {
        let (rig, _) = try rig(context)
        let top = DeviceName(volume: rig.name, .mounted)
        // As a command leaves it that is killed, and whose guard has resumed the device.
        try rig.noteSuspension([top])
        _ = try rig.status()
        try suspend(top)
        _ = try rig.status()
        try expectSuspended(top, true, "behind the command after the next")
    }
}

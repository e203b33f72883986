import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

/// Another disk at the origin's path, as when a machine's disks come in another order.
enum OriginIdentityCases {
    static let cases = [
        GuestCase(
            "DH4, DL3: after a crash, a device with another UUID at the origin's path is refused",
            body: otherDevice),
        GuestCase(
            "DH4: a pending merge is not let loose on a disk that does not hold what it overwrites",
            body: otherContent),
        GuestCase(
            "DH4: nor is the merge of a revert whose snapshot has preserved all of that before",
            body: keptContent),
        GuestCase(
            "DH4: a merge's cancellation is not let loose on a disk that nothing proves to be the origin",
            body: cancelledContent),
        GuestCase(
            "DH4: nor on a disk that nothing proves to be the origin when one step is left of it",
            body: lastStep),
        GuestCase(
            "DH4: after a crash, a disk with other content is refused where nothing else tells disks apart",
            body: unmarkedDisk),
        GuestCase(
            "DH4: an origin that another device stands on is not activated", body: heldOrigin),
        GuestCase(
            "DH5: a resize is refused when the origin's path leads to another device",
            body: resizeElsewhere),
        GuestCase(
            "DH6: a resize that the kernel does not take is taken back, and the volume goes on",
            body: resizeFails),
    ]

    private static let bytes = 8 << 20
    private static let link = "/run/snapmgr-origin"

    private static func lead(to path: String) throws {
        unlink(link)
        guard symlink(path, link) == 0 else { throw IOFailure("link", path: link, code: errno) }
    }

    private static func mountStore(_ context: GuestContext) throws {
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(FaultRig.storeFolder) }
        try Mounting.mount(context.disks[1], at: FaultRig.storeFolder, "ext4")
    }

    /// A volume whose origin's path is a link, to the first of two devices.
    private static func rig(
        _ context: GuestContext
    ) throws -> (rig: VolumeRig, own: String, other: String) {
        let devices = ScratchDevices(context)
        let own = try devices.make("own-disk", bytes: bytes, on: context.disks[0])
        let other = try devices.make("other-disk", bytes: 2 * bytes, on: context.disks[2])
        try mountStore(context)
        try lead(to: own)
        context.cleanUp { unlink(link) }
        return (
            try VolumeRig(
                context, originPath: link, storeFolder: FaultRig.storeFolder, volumeBytes: bytes,
                chunkBytes: 16 << 10), own, other
        )
    }

    private static func expectRefused(
        _ rig: VolumeRig, _ text: String, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let failure = try expectFailure("an activation", fileID: fileID, line: line) {
            try rig.activate()
        }
        let problem = try require(failure as? Problem, "problem in \(failure)")
        try expectEqual(problem.code, .refused, "code of \(problem)", fileID: fileID, line: line)
        try expect(problem.message.contains(text), "\(problem)", fileID: fileID, line: line)
        try expectEqual(
            try rig.mapper.devices().filter { $0.name.volumePart?.volume == rig.name }, [],
            "devices", fileID: fileID, line: line)
    }

    private static func otherDevice(_ context: GuestContext) throws {
        let (rig, own, other) = try rig(context)
        try rig.activate()
        try rig.takeSnapshot()
        // As a crash leaves it.
        try rig.takeDown()
        try lead(to: other)
        try expectRefused(rig, "is not the origin of volume vol")
        // To accept what was written to the origin is not to accept another one.
        try rig.volume().acceptOrigin()
        try expectRefused(rig, "is not the origin of volume vol")
        try lead(to: own)
        try rig.activate()
        try rig.deactivate()
        try lead(to: other)
        try expectRefused(rig, "is not the origin of volume vol")
        try rig.volume().acceptDevice()
        try rig.volume().acceptOrigin()
        // As after an activation that has failed then.
        try lead(to: own)
        try expectRefused(rig, "is not the origin of volume vol")
        try lead(to: other)
        try rig.activate()
        try expectEqual(
            try rig.store.volume().deviceIdentity?["dm_uuid"], "SNAPMGR-TEST-snapmgr-other-disk",
            "the device that was accepted")
    }

    private static func otherContent(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        let first = try history.takeSnapshot()
        try faulty.writeScattered(history)
        try faulty.slowMerges()
        try history.revert(to: first)
        try rig.takeDown()
        try expectElsewhereRefused(context, faulty, "the pending merge of snapshot \(first)")
        try rig.activate()
        try rig.finishMerge()
        try faulty.expectGoesOn()
    }

    /// Another disk at the origin's path, on a machine that knows nothing of its disks, and in a store
    /// that has not noted what else was where. Leaves the origin's own path.
    private static func expectElsewhereRefused(
        _ context: GuestContext, _ faulty: FaultRig, _ text: String,
        fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let rig = faulty.rig
        try faulty.origin.heal()
        let wrong = context.disks[2]
        try DirectDevice(path: wrong).punch(0..<faulty.volumeBytes)
        var record = try rig.store.volume()
        let path = record.originPath
        record.deviceIdentity = nil
        record.originPath = wrong
        try rig.store.writeVolume(record)
        try rig.store.writeOriginState(OriginState(isClosed: false, stamp: nil))
        try expectRefused(rig, text, fileID: fileID, line: line)
        let content = DiskContent(seed: 0, byteCount: faulty.volumeBytes, blockBytes: 4096)
        let disk = try DirectDevice(path: wrong, isReadOnly: true)
        try content.expect(
            on: FirstBytes(faulty.volumeBytes, of: disk), "the other disk", fileID: fileID,
            line: line)
        record.originPath = path
        try rig.store.writeVolume(record)
    }

    /// All that the merge overwrites is in the newest snapshot's area when it begins.
    private static func keptContent(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        let first = try history.takeSnapshot()
        try faulty.writeScattered(history)
        try faulty.slowMerges()
        try history.revert(to: first, takingSafety: false)
        // What is merged is not as it was: the merge's list tells.
        try waitForMerge(rig, bytes: 8 * faulty.chunkBytes)
        try rig.takeDown()
        // As the list tells, and not only because nothing shows that it is the origin.
        try expectElsewhereRefused(
            context, faulty, "merge of snapshot \(first) would overwrite what was not there")
        try rig.activate()
        try history.expectAll()
        try rig.finishMerge()
        try faulty.expectGoesOn()
    }

    private static func waitForMerge(_ rig: VolumeRig, bytes: Int) throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try rig.mergeProgress()?.mergedBytes ?? .max < bytes {
            try expect(!deadline.hasPassed, "the merge does not go on")
            BackgroundThread.sleep(milliseconds: 50)
        }
        try expect(try rig.mergeProgress() != nil, "the merge was too fast")
    }

    private static func cancelledContent(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        let first = try history.takeSnapshot()
        try faulty.writeScattered(history)
        try faulty.slowMerges()
        let outcome = try history.revert(to: first)
        let safety = try require(outcome.safety?.id, "safety snapshot")
        // Something is merged, and is to be taken back.
        try waitForMerge(rig, bytes: 1)
        try rig.perform(.cancelMerge(rig.revertID()))
        try history.noteRevert(to: safety, safety: nil)
        let identity = try rig.store.volume().deviceIdentity
        try rig.takeDown()
        try expectElsewhereRefused(context, faulty, "the pending merge of snapshot \(safety)")
        var record = try rig.store.volume()
        record.deviceIdentity = identity
        try rig.store.writeVolume(record)
        try rig.activate()
        try history.expectAll()
        try rig.finishMerge()
        try faulty.expectGoesOn()
    }

    /// What the kernel does in one step may be merged in part, and proves nothing.
    private static func lastStep(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        let first = try history.takeSnapshot()
        try history.write(faulty.blocks(0..<1))
        try faulty.slowMerges()
        try history.revert(to: first)
        let identity = try rig.store.volume().deviceIdentity
        try rig.takeDown()
        try expectElsewhereRefused(context, faulty, "nothing shows that it is")
        var record = try rig.store.volume()
        record.deviceIdentity = identity
        try rig.store.writeVolume(record)
        try rig.activate()
        try history.expectAll()
        try rig.finishMerge()
        try faulty.expectGoesOn()
    }

    private static func unmarkedDisk(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        let (rig, history) = (faulty.rig, faulty.history)
        try history.takeSnapshot()
        // The next command notes what is where.
        _ = try rig.states()
        try history.write(faulty.blocks(0..<20))
        try history.takeSnapshot()
        try history.write(faulty.blocks(100..<120))
        try rig.takeDown()
        let wrong = context.disks[2]
        try DirectDevice(path: wrong).punch(0..<faulty.volumeBytes)
        var record = try rig.store.volume()
        let path = record.originPath
        record.deviceIdentity = nil
        record.originPath = wrong
        try rig.store.writeVolume(record)
        try expectRefused(rig, "nothing is there of what must be")
        // To accept what was written to the origin is not to accept another one.
        try rig.volume().acceptOrigin()
        try expectRefused(rig, "nothing is there of what must be")
        record.originPath = path
        try rig.store.writeVolume(record)
        try rig.activate()
        try faulty.expectGoesOn()
    }

    private static func heldOrigin(_ context: GuestContext) throws {
        let (rig, own, _) = try rig(context)
        try rig.activate()
        try rig.takeDown()
        let devices = ScratchDevices(context)
        let above = ScratchDevices.name("logical-volume")
        try devices.create(
            above,
            DeviceTable(
                sectorCount: bytes / Geometry.sectorBytes, .linear(device: .path(own), offset: 0)))
        try expectRefused(rig, "(snapmgr-logical-volume)")
        try devices.mapper.remove(above)
        try rig.activate()
    }

    private static func resizeElsewhere(_ context: GuestContext) throws {
        let (rig, own, other) = try rig(context)
        try rig.activate()
        let number = try BlockDevices.number(own)
        try lead(to: other)
        let problem = try rig.problem(of: .resize(bytes: 2 * bytes))
        try expectEqual(problem.code, .refused, "code of \(problem)")
        try expect(problem.message.contains("leads to another device"), "\(problem)")
        let real = DeviceName(volume: rig.name, .linear)
        try expectEqual(
            try rig.mapper.dependencies(real), [number], "what the volume stands on")
        try expectEqual(
            try rig.store.volume().geometry.volumeBytes, bytes, "the size in the store")
    }

    /// A size in the store that the kernel does not take, as an interrupted resize could leave it.
    private static func resizeFails(_ context: GuestContext) throws {
        let (rig, _, _) = try rig(context)
        try rig.activate()
        var record = try rig.store.volume()
        record.geometry.volumeBytes = 4 * bytes
        try rig.store.writeVolume(record)
        try rig.takeSnapshot()
        try expect(
            rig.takeWarnings().contains { $0.contains("was taken back") }, "nothing was said")
        try expectEqual(
            try rig.store.volume().geometry.volumeBytes, bytes, "the size in the store")
        for device in try rig.mapper.devices() where device.name.volumePart?.volume == rig.name {
            try expectEqual(
                try rig.mapper.info(device.name)?.isSuspended, false, "\(device.name) is suspended")
        }
        try rig.deactivate()
        try rig.activate()
    }
}

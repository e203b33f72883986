import System
import DeviceDriver
import DeviceMapper
import Glibc
import MergeKit
import SnapshotModel
import StoreFormat

/// What the store notes of the origin: it is right whatever comes in between, and never in the way.
enum OriginNoteCases {
    static let cases = [
        GuestCase(
            "DH4: a volume whose activation was cut short behind its device is not taken for closed",
            body: cutShort),
        GuestCase(
            "DH4: a volume that is active and noted as closed is noted as open by the next command",
            body: notedAsClosed),
        GuestCase("DH4: a full store does not keep a volume from being active") {
            try fullStore($0, isClosed: true)
        },
        GuestCase("DH4: nor does it keep one that a crash has left open") {
            try fullStore($0, isClosed: false)
        },
        GuestCase(
            "DH4: what cannot be noted of an origin that fails keeps no command from its work",
            body: failingOrigin),
        GuestCase(
            "DM6: a volume whose origin's path is gone is taken down, and known again",
            body: goneOrigin),
        GuestCase(
            "DH4: an origin that somebody has open all the while is known by what lies on the disk",
            body: cachedOrigin),
        GuestCase(
            "DM6: areas that take no writes keep nobody from taking the volume down",
            body: readOnlyStore),
        GuestCase("DM6: without its store, no loop device of others goes with a volume") {
            try takenDown($0)
        },
    ]

    private static let bytes = 4 << 20
    private static let link = "/run/snapmgr-noted-origin"

    private static func rig(
        _ context: GuestContext, _ mapper: any DeviceMapping = KernelDeviceMapper()
    ) throws -> (rig: VolumeRig, disk: String) {
        let disk = try ScratchDevices(context).make(
            "noted-disk", bytes: bytes, on: context.disks[0])
        try Mounting.make("ext4", on: context.disks[1])
        context.cleanUp { try Mounting.unmount(FaultRig.storeFolder) }
        try Mounting.mount(context.disks[1], at: FaultRig.storeFolder, "ext4")
        unlink(link)
        guard symlink(disk, link) == 0 else { throw IOFailure("link", path: link, code: errno) }
        context.cleanUp { unlink(link) }
        let rig = try VolumeRig(
            context, originPath: link, storeFolder: FaultRig.storeFolder, volumeBytes: bytes,
            chunkBytes: 16 << 10, mapper: mapper)
        return (rig, disk)
    }

    private static func cutShort(_ context: GuestContext) throws {
        let mapper = FailingMapper()
        let (rig, _) = try rig(context, mapper)
        try rig.activate()
        try rig.takeSnapshot()
        try rig.deactivate()
        try expectEqual(try rig.store.originState()?.isClosed, true, "closed, inactive")
        mapper.fail(behind: DeviceName(volume: rig.name, .mounted))
        try expectFailure("an activation") { try rig.activate() }
        try expect(access(rig.devicePath, F_OK) == 0, "the volume has no device")
        try expectEqual(try rig.store.originState()?.isClosed, false, "closed, cut short")
        try DirectDevice(path: rig.devicePath).punch(0..<bytes)
        try rig.takeDown()
        try rig.activate()
    }

    private static func notedAsClosed(_ context: GuestContext) throws {
        let (rig, _) = try rig(context)
        try rig.activate()
        try rig.store.writeOriginState(OriginState(isClosed: true, stamp: nil, fingerprint: 1))
        _ = try rig.states()
        try expectEqual(try rig.store.originState()?.isClosed, false, "closed")
    }

    private static func fullStore(_ context: GuestContext, isClosed: Bool) throws {
        let faulty = try FaultRig(context, storeBytes: 48 << 20)
        let rig = faulty.rig
        context.cleanUp { FullStoreCases.empty() }
        try faulty.history.takeSnapshot()
        if isClosed { try rig.deactivate() } else { try rig.takeDown() }
        var record = try rig.store.volume()
        record.deviceIdentity = nil
        try rig.store.writeVolume(record)
        try FullStoreCases.fill()
        try rig.activate()
        try expect(try !(rig.store.originState()?.isClosed ?? false), "it is noted as closed")
        try faulty.history.expectAll()
        FullStoreCases.empty()
        _ = rig.takeWarnings()
        try rig.activate()
        try expect(try rig.store.volume().deviceIdentity != nil, "the origin is not known")
        try faulty.expectGoesOn()
    }

    private static func failingOrigin(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        try faulty.history.takeSnapshot()
        for fail in [faulty.origin.failWrites, faulty.origin.failAll] {
            try fail()
            let volume = try faulty.rig.volume()
            try volume.recover()
            try expect(
                volume.warnings.contains { $0.description.contains("could not be noted") },
                "what was said: \(volume.warnings)")
            try expect(try faulty.rig.store.originState()?.samples == nil, "samples of nothing")
        }
        try faulty.origin.heal()
        _ = try faulty.rig.states()
        try expect(try faulty.rig.store.originState()?.samples?.isEmpty == false, "no samples")
    }

    private static func cachedOrigin(_ context: GuestContext) throws {
        let (rig, disk) = try rig(context)
        let reader = try FileDevice(path: disk, access: .readOnly)
        var buffer = AlignedBuffer(count: 1 << 20)
        var span = buffer.mutableBytes
        try reader.read(into: &span, at: 0)
        try rig.activate()
        let history = VolumeHistory(rig, volumeBytes: bytes)
        try DirectDevice(path: rig.devicePath).punch(0..<bytes)
        try history.write(0..<16)
        try rig.deactivate()
        _ = try reader.byteCount()
        try BlockDevices.flush(disk)
        try Program.run("sh", "-c", "echo 1 > /proc/sys/vm/drop_caches")
        try rig.activate()
        try history.expectVolume()
    }

    private static func readOnlyStore(_ context: GuestContext) throws {
        let faulty = try FaultRig(context)
        try faulty.history.takeSnapshot()
        try faulty.history.write(faulty.blocks(0..<20))
        let snapshots = faulty.rig.storePath + "/" + StoreLayout.snapshots
        try Program.run("mount", "--bind", snapshots, snapshots)
        context.cleanUp { try Mounting.unmount(snapshots) }
        try Program.run("mount", "-o", "remount,ro,bind", snapshots)
        try faulty.rig.deactivate()
        try faulty.history.expectOrigin()
    }

    /// Devices that a killed command has only begun to make, over a loop device of somebody's.
    private static func takenDown(_ context: GuestContext) throws {
        let (rig, disk) = try rig(context)
        let file = FaultRig.storeFolder + "/disk"
        try Program.run("truncate", "--size", "\(bytes)", file)
        let loop = try LoopDevice.attach(path: file, isReadOnly: false, directIO: false)
        context.cleanUp { try loop.detach() }
        let record = try rig.store.volume()
        let name = DeviceName(volume: rig.name, .linear)
        try rig.mapper.prepare(
            name, uuid: DeviceIdentity.uuid(volumeUUID: record.uuid, .linear), isReadOnly: false,
            table: DeviceTable(
                sectorCount: bytes / Geometry.sectorBytes,
                .linear(device: .path(loop.path), offset: 0)))
        _ = try DeviceTakedown(record, storePath: rig.storePath, mapper: rig.mapper).run()
        try expectEqual(try rig.mapper.info(name)?.uuid, nil, "the device")
        try expect(LoopDevice.all().contains { $0.number == loop.number }, "the loop is gone")
        _ = disk
    }

    private static func goneOrigin(_ context: GuestContext) throws {
        let (rig, disk) = try rig(context)
        try rig.activate()
        try rig.takeSnapshot()
        unlink(link)
        try rig.deactivate()
        let state = try require(try rig.store.originState(), "state of the origin")
        try expect(state.isClosed && state.fingerprint != nil, "what is noted: \(state)")
        guard symlink(disk, link) == 0 else { throw IOFailure("link", path: link, code: errno) }
        try rig.activate()
        try rig.deactivate()
    }
}

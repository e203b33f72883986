import System
import DeviceDriver
import DeviceMapper
import Glibc
import SnapshotModel

/// Origins that are not what they were when the volume is to be activated.
enum OriginCases {
    static let cases = [
        GuestCase("an origin that is too short is refused with both sizes", body: short),
        GuestCase("an origin that is missing is refused", body: missing),
        GuestCase("an origin that has grown is taken as far as the volume goes", body: grown),
        GuestCase("an ext4 that was mounted while inactive is refused until it is accepted") {
            try mounted($0, "ext4")
        },
        GuestCase("an XFS that was mounted while inactive is refused until it is accepted") {
            try mounted($0, "xfs")
        },
        GuestCase(
            "an origin that was only read while inactive is as good as ever", body: readOnly),
    ]

    private static let mountPoint = "/mnt/snapmgr-origin"

    private static func resize(_ context: GuestContext, _ origin: DeviceName, _ bytes: Int) throws {
        let mapper = KernelDeviceMapper()
        try mapper.load(
            origin,
            table: DeviceTable(
                sectorCount: bytes / Geometry.sectorBytes,
                .linear(device: .path(context.disks[0]), offset: 0)), isReadOnly: false)
        try mapper.suspend(origin, freezesFilesystem: false, flushes: true)
        try mapper.resume(origin)
    }

    private static func refusal(_ rig: VolumeRig) throws -> Problem {
        let failure = try expectFailure("an activation") { try rig.activate() }
        let problem = try require(failure as? Problem, "problem in \(failure)")
        try expect(problem.hint != nil, "no hint: \(problem)")
        // Nothing was made.
        try expectEqual(
            try rig.mapper.devices().filter { $0.name.volumePart?.volume == rig.name }, [],
            "devices")
        return problem
    }

    private static func inactive(_ context: GuestContext) throws -> (FaultRig, DeviceName) {
        let faulty = try FaultRig(context)
        try faulty.history.takeSnapshot()
        try faulty.history.write(faulty.blocks(0..<20))
        try faulty.history.takeSnapshot()
        try faulty.rig.deactivate()
        let name = try require(
            DeviceName(String(faulty.origin.path.dropFirst("/dev/mapper/".count))), "name")
        return (faulty, name)
    }

    private static func short(_ context: GuestContext) throws {
        let (faulty, origin) = try inactive(context)
        try resize(context, origin, faulty.volumeBytes - 4096)
        let problem = try refusal(faulty.rig)
        try expectEqual(problem.code, .corrupt, "code of \(problem)")
        try expect(
            problem.message.contains("\(faulty.volumeBytes)")
                && problem.message.contains("\(faulty.volumeBytes - 4096)"), "\(problem)")
        try resize(context, origin, faulty.volumeBytes)
        try faulty.rig.activate()
        try faulty.expectGoesOn()
    }

    private static func missing(_ context: GuestContext) throws {
        let (faulty, origin) = try inactive(context)
        let mapper = KernelDeviceMapper()
        try mapper.remove(origin)
        let problem = try refusal(faulty.rig)
        try expectEqual(problem.code, .missing, "code of \(problem)")
        try expect(problem.message.contains(faulty.rig.originPath), "\(problem)")
        try mapper.create(
            origin, uuid: DeviceIdentity.prefix + "TEST-" + origin.text, isReadOnly: false,
            table: DeviceTable(
                sectorCount: faulty.volumeBytes / Geometry.sectorBytes,
                .linear(device: .path(context.disks[0]), offset: 0)))
        try faulty.rig.activate()
        try faulty.expectGoesOn()
    }

    private static func grown(_ context: GuestContext) throws {
        let (faulty, origin) = try inactive(context)
        try resize(context, origin, faulty.volumeBytes + (1 << 20))
        try faulty.rig.activate()
        try expectEqual(
            try BlockDevices.sizeInSectors(faulty.rig.devicePath),
            faulty.volumeBytes / Geometry.sectorBytes, "sectors of the volume")
        try faulty.expectGoesOn()
    }

    /// A volume with a filesystem, inactive.
    private static func withFilesystem(
        _ context: GuestContext, _ type: String
    ) throws -> (FaultRig, SnapshotID) {
        let faulty = try FaultRig(
            context, volumeBytes: type == "xfs" ? 320 << 20 : 32 << 20, chunkBytes: 64 << 10,
            isFilled: false)
        let rig = faulty.rig
        try Mounting.make(type, on: rig.devicePath)
        context.cleanUp { try Mounting.unmount(mountPoint) }
        try Mounting.mount(rig.devicePath, at: mountPoint, type)
        try Tool.write("first", to: mountPoint + "/first")
        let id = try rig.takeSnapshot()
        try Mounting.unmount(mountPoint)
        try rig.deactivate()
        return (faulty, id)
    }

    private static func mounted(_ context: GuestContext, _ type: String) throws {
        let (faulty, id) = try withFilesystem(context, type)
        let rig = faulty.rig
        try Mounting.mount(rig.originPath, at: mountPoint, type)
        try Tool.write("second", to: mountPoint + "/second")
        try Mounting.unmount(mountPoint)
        for _ in 0..<2 {
            let problem = try refusal(rig)
            try expectEqual(problem.code, .refused, "code of \(problem)")
            try expectEqual(
                problem.hint?.remedies, [.activate(rig.name, accepting: .origin)],
                "hint of \(problem)")
        }
        try rig.volume().acceptOrigin()
        try rig.activate()
        try Mounting.mount(rig.devicePath, at: mountPoint, type)
        try expectEqual(try Tool.read(mountPoint + "/second"), "second", "what was written outside")
        try Tool.write("third", to: mountPoint + "/third")
        let later = try rig.takeSnapshot()
        try Mounting.unmount(mountPoint)
        try rig.revert(to: later)
        try rig.finishMerge()
        try Mounting.mount(rig.devicePath, at: mountPoint, type)
        try expectEqual(try Tool.read(mountPoint + "/third"), "third", "what was written inside")
        try Mounting.unmount(mountPoint)
        try rig.deactivate()
        try rig.activate()
        try expect(try rig.states()[id] != nil, "the old snapshot is not listed")
    }

    private static func readOnly(_ context: GuestContext) throws {
        let (faulty, id) = try withFilesystem(context, "ext4")
        let rig = faulty.rig
        try Tool.run("e2fsck", "-fn", rig.originPath)
        try Tool.run("dd", "if=\(rig.originPath)", "of=/dev/null", "bs=1M", "iflag=direct")
        try rig.activate()
        try rig.withView(id) { _ = try Tool.run("e2fsck", "-fn", $0) }
        try rig.deactivate()
    }
}

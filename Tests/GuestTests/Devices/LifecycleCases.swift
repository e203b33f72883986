import System
import DeviceMapper
import Glibc
import SnapshotModel

enum LifecycleCases {
    static let cases = [
        GuestCase("a device is created, suspended, resumed and removed", body: lifecycle),
        GuestCase("a prepared device takes no I/O until it is resumed", body: prepared),
        GuestCase("a loaded table waits in its slot for a resume, or is dropped", body: slots),
        GuestCase("a suspended device holds writes back until it is resumed", body: holdsBack),
        GuestCase("a mounted filesystem is frozen by a suspend, and thawed", body: freezes),
        GuestCase("a read-only device refuses writes", body: readOnly),
        GuestCase("a device that is busy is not removed, and says by whom", body: busy),
        GuestCase("a device that is busy for a moment is removed after it", body: busyForAMoment),
        GuestCase("devices of others are neither listed nor changed", body: foreign),
        GuestCase("the kernel's versions are told", body: versions),
        GuestCase("what a device lies on is told", body: dependencies),
    ]

    private static func lifecycle(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = DeviceRig.name(.snapshot(SnapshotOrdinal(rawValue: 42)))
        try expect(try rig.mapper.info(name) == nil, "there is \(name) before")
        try rig.create(name, rig.linear(2048, at: 64))
        let info = try rig.info(name)
        try expect(
            info.hasLiveTable && !info.hasInactiveTable && !info.isSuspended && !info.isReadOnly
                && info.openCount == 0 && info.segmentCount == 1
                && info.uuid == DeviceRig.uuid(name), "\(info)")
        try expectEqual(name.path, "/dev/mapper/snapmgr-guest:snap-000042", "path")
        try expectEqual(try BlockDevices.number(name.path), info.number, "number of the node")
        try expectEqual(try BlockDevices.sizeInSectors(name.path), 2048, "sectors")
        try expectEqual(try BlockDevices.logicalBlockSize(name.path), 512, "sector size")
        try expectEqual(
            try rig.mapper.devices(),
            [ListedDevice(name: name, uuid: info.uuid, number: info.number)], "devices")

        try DeviceRig.write(7, 8, at: 100, of: name.path)
        try BlockDevices.flush(name.path)
        try expectEqual(
            try DeviceRig.byte(at: 164, of: context.disks[0]), 7, "the disk's byte")

        for _ in 1...2 {
            try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
            try expect(try rig.info(name).isSuspended, "is not suspended")
        }
        for _ in 1...2 {
            try rig.mapper.resume(name)
            try expect(!(try rig.info(name).isSuspended), "is suspended")
        }
        try rig.mapper.suspend(name, freezesFilesystem: false, flushes: false)
        try expect(try rig.info(name).isSuspended, "is not suspended without a flush")
        try rig.mapper.resume(name)
        try rig.mapper.remove(name)
        try expect(try rig.mapper.info(name) == nil, "there is \(name) afterwards")
        try expect(access(name.path, F_OK) != 0, "there is \(name.path) afterwards")
    }

    private static func prepared(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.prepare(DeviceRig.name(.content), rig.linear(1024))
        let info = try rig.info(name)
        try expect(!info.hasLiveTable && info.hasInactiveTable, "\(info)")
        try expect(try rig.mapper.table(name).segments.isEmpty, "there is a live table")
        try expect(!BlockDevices.isBlockDevice(name.path), "there is a node already")
        try rig.mapper.resume(name)
        try rig.mapper.settle(name)
        try expect(try rig.info(name).hasLiveTable, "there is no live table")
        try expectEqual(try BlockDevices.sizeInSectors(name.path), 1024, "sectors")
        // With a node that is there, settling has nothing to do.
        try rig.mapper.settle(name)
    }

    private static func slots(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(1024))
        func sectors() throws -> Int { try rig.mapper.table(name).sectorCount }

        try rig.mapper.load(name, table: rig.linear(2048), isReadOnly: false)
        try expect(try rig.info(name).hasInactiveTable, "nothing is loaded")
        try expectEqual(try sectors(), 1024, "sectors of the live table")
        try rig.mapper.clear(name)
        try expect(!(try rig.info(name).hasInactiveTable), "a table is loaded after clear")
        try rig.mapper.clear(name)

        try rig.mapper.load(name, table: rig.linear(2048), isReadOnly: false)
        try rig.mapper.load(name, table: rig.linear(4096), isReadOnly: false)
        try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
        try rig.mapper.resume(name)
        try expectEqual(try sectors(), 4096, "sectors after the resume")
        try expectEqual(try BlockDevices.sizeInSectors(name.path), 4096, "the device's sectors")
    }

    private static func holdsBack(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(1024))
        try DeviceRig.write(1, 8, at: 0, of: name.path)
        try rig.mapper.suspend(name, freezesFilesystem: false, flushes: true)
        let isBegun = Monitored(false)
        let result = Monitored<String?>(nil)
        let writer = BackgroundThread.start(name: "writer") {
            isBegun.change { $0 = true }
            let text: String
            do {
                try DeviceRig.write(2, 8, at: 0, of: name.path)
                text = "written"
            } catch { text = "\(error)" }
            result.change { $0 = text }
        }
        _ = isBegun.wait { $0 ? true : nil }
        try expect(result.wait(milliseconds: 200) { $0 } == nil, "the write was not held back")
        try expectEqual(try DeviceRig.byte(at: 0, of: context.disks[0]), 1, "byte while suspended")
        try rig.mapper.resume(name)
        writer.join()
        try expectEqual(result.withLock { $0 }, "written", "the write")
        try expectEqual(try DeviceRig.byte(at: 0, of: context.disks[0]), 2, "byte afterwards")
    }

    private static func freezes(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(32_768))
        let folder = try mountedFolder(rig, name)
        let file = try FileDevice(path: folder + "/file", access: .create)
        try file.write([UInt8](repeating: 9, count: 100_000).span.bytes, at: 0)
        try rig.mapper.suspend(name, freezesFilesystem: true, flushes: true)
        // What was not yet written is on the device: a copy of it has a clean filesystem.
        let copy = try rig.makeFile("copy", byteCount: 16 << 20)
        try ChildProcess.run(
            "dd", "if=" + context.disks[0], "of=" + copy, "bs=1M", "count=16", "status=none")
        try rig.mapper.resume(name)
        try ChildProcess.run("e2fsck", "-fn", copy)
        try file.write([1, 2, 3].span.bytes, at: 0)
        try file.sync()
    }

    /// The folder that a new filesystem on a device is mounted on until the case ends.
    static func mountedFolder(_ rig: DeviceRig, _ name: DeviceName) throws -> String {
        let folder = "/dev/shm/snapmgr-mount-\(getpid())"
        try ChildProcess.run("mkfs.ext4", "-q", "-F", name.path)
        try ChildProcess.run("mkdir", "-p", folder)
        try ChildProcess.run("mount", "-t", "ext4", name.path, folder)
        rig.context.cleanUp {
            try ChildProcess.run("umount", folder)
            try ChildProcess.run("rmdir", folder)
        }
        return folder
    }

    private static func readOnly(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(
            DeviceRig.name(.view(SnapshotID(rawValue: 42))), rig.linear(1024), isReadOnly: true)
        try expect(try rig.info(name).isReadOnly, "is not read-only")
        try expectEqual(name.path, "/dev/mapper/snapmgr-guest@42", "path")
        _ = try DeviceRig.byte(at: 0, of: name.path)
        try expectFailure("a write") { try DeviceRig.write(1, 8, at: 0, of: name.path) }
    }

    private static func busy(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(1024))
        let open = try OwnedDescriptor(path: name.path, flags: O_RDONLY)
        let failure = try DeviceRig.failure(of: "a removal") {
            try rig.mapper.remove(name)
        }
        _ = open.number
        try expect(failure.isBusy && failure.code == EBUSY, "\(failure)")
        try expect(
            "\(failure)".hasPrefix("cannot remove \(name): it is opened by process \(getpid()) ("),
            "\(failure)")
    }

    private static func busyForAMoment(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(1024))
        let isOpen = Monitored(false)
        let holder = BackgroundThread.start(name: "holder") {
            let open = try? OwnedDescriptor(path: name.path, flags: O_RDONLY)
            isOpen.change { $0 = true }
            BackgroundThread.sleep(milliseconds: 100)
            _ = consume open
        }
        _ = isOpen.wait { $0 ? true : nil }
        try KernelDeviceMapper(busyMilliseconds: 60_000).remove(name)
        holder.join()
        try expect(try rig.mapper.info(name) == nil, "there is \(name) afterwards")
    }

    private static func foreign(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        // A name like ours does not make it ours.
        let name = DeviceRig.name(volume: "foreign")
        try ChildProcess.run("dmsetup", "create", name.text, "--table", "0 1024 zero")
        context.cleanUp { try ChildProcess.run("dmsetup", "remove", name.text) }
        let ours = try rig.create(DeviceRig.name(), rig.linear(1024))
        try expectEqual(try rig.mapper.devices().map(\.name), [ours], "devices")
        let before = try rig.info(name)
        try expect(!before.isOurs, "it is taken for ours")

        let mapper = rig.mapper
        let changes: [(String, () throws -> Void)] = [
            (
                "load",
                {
                    try mapper.load(
                        name, table: DeviceTable(sectorCount: 8, .zero), isReadOnly: false)
                }
            ),
            (
                "clear",
                {
                    try mapper.clear(name)
                }
            ),
            (
                "suspend",
                {
                    try mapper.suspend(name, freezesFilesystem: false, flushes: true)
                }
            ),
            (
                "resume",
                {
                    try mapper.resume(name)
                }
            ),
            (
                "remove",
                {
                    try mapper.remove(name)
                }
            ),
            (
                "create",
                {
                    try mapper.create(
                        DeviceRig.name(volume: "new"), uuid: "LVM-1", isReadOnly: false,
                        table: DeviceTable(sectorCount: 8, .zero))
                }
            ),
        ]
        for (action, change) in changes {
            let failure = try DeviceRig.failure(of: action, change)
            try expectEqual(failure.cause, .foreign, "cause of \(action)")
        }
        try expectEqual(try rig.info(name), before, "the foreign device")
    }

    private static func versions(_ context: GuestContext) throws {
        let mapper = DeviceRig(context).mapper
        try expect(try mapper.driverVersion() >= VersionNumber(4, 0, 0), "the driver's version")
        let targets = try mapper.targets()
        for kind in ["linear", "snapshot", "snapshot-origin", "snapshot-merge"] {
            let version = try require(targets[kind], "target \(kind)")
            try expect(version >= VersionNumber(1, 0, 0), "\(kind) \(version)")
        }
        let release = try require(KernelRelease.current, "kernel release")
        try expect(release.version >= VersionNumber(3, 0, 0), "\(release)")
    }

    private static func dependencies(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let real = try rig.create(DeviceRig.name(.linear), rig.linear(1024))
        let base = try rig.create(
            DeviceRig.name(.content),
            DeviceTable(
                consecutive: [
                    (512, .linear(device: .path(real.path), offset: 0)),
                    (512, .linear(device: rig.otherDisk, offset: 0)),
                ]))
        let expected = [
            try rig.info(real).number, try BlockDevices.number(context.disks[1]),
        ]
        try expectEqual(
            Set(try rig.mapper.dependencies(base)), Set(expected), "dependencies")
        try expectEqual(try rig.info(real).openCount, 1, "how often it is open")
        let kernelName = try require(BlockDevices.kernelName(expected[0]), "kernel's name")
        try expect(kernelName.hasPrefix("dm-"), kernelName)
        try expectEqual(BlockDevices.path(expected[1]), context.disks[1], "the disk's path")
    }
}

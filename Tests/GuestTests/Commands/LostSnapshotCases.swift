import System
import DeviceMapper
import Glibc
import SnapshotModel

/// Snapshots that have lost exceptions: whoever looks says so, whatever has become of the store.
enum LostSnapshotCases {
    static let cases = [
        GuestCase(
            "DH2: who removes all devices that nobody has open takes no snapshot's", body: removeAll
        ),
        GuestCase(
            "DH2: a snapshot whose device was removed is lost, and each command says so",
            body: removedDevice),
        GuestCase(
            "DH2: the daemon notes at once that a snapshot's device was removed", body: daemon),
        GuestCase(
            "DH3: what a failing store could not note is broken after a restart, too",
            body: failingStore),
        GuestCase(
            "DH3: an area whose header says that it was given up is broken for every command",
            body: invalidHeader),
        GuestCase(
            "DM9: a command whose guard may be killed or paged out says so", body: weakGuard),
    ]

    private static let snapshotDevice = DeviceName(
        volume: "data", .snapshot(SnapshotOrdinal(rawValue: 1)))
    private static let exported = "/run/snapmgr-exported"

    /// A volume that is mounted, with one snapshot.
    private static func mounted(_ context: GuestContext) throws -> (CommandRig, String, [String]) {
        let rig = try CommandRig(context)
        let point = try rig.createMounted("data")
        try rig.fill(point, seed: 1)
        let old = try rig.digest(point)
        try rig.snapshot("data", "one")
        context.cleanUp { unlink(exported) }
        return (rig, point, old)
    }

    private static func removeAll(_ context: GuestContext) throws {
        let (rig, point, old) = try mounted(context)
        try Program.run("dmsetup", "remove_all")
        try rig.fill(point, seed: 2)
        try rig.snapmgr.run("status", "--nagios")
        let view = try rig.viewFolder("one")
        try rig.snapmgr.run("mount", "data@one", view)
        try expectEqual(try rig.digest(view), old, "the snapshot's files")
        try rig.snapmgr.run("umount", view)
        // What holds it is no reason not to take it down.
        try rig.unmount(point)
        try rig.snapmgr.run("deactivate", "data")
        try expectEqual(try HeldDevices.all().count, 0, "devices that are held")
    }

    /// Removes the device that keeps the snapshot's exceptions, as a stranger who insists.
    private static func removeDevice() throws {
        try HeldDevices.letGo()
        try Program.run("dmsetup", "remove", snapshotDevice.text)
    }

    private static func expectLost(
        _ rig: CommandRig, fileID: StaticString = #fileID, line: Int = #line
    ) throws {
        let list = try rig.snapmgr.run("list", "--json", fileID: fileID, line: line)
        try expectEqual(list.text("state"), "broken", "state", fileID: fileID, line: line)
        try rig.snapmgr.fails(
            1, "export", "data@one", exported, saying: ["is broken"], fileID: fileID, line: line)
        try rig.snapmgr.fails(
            1, "diff", "data@one", "data@live", saying: ["is broken"], fileID: fileID, line: line)
        try rig.snapmgr.fails(
            1, "revert", "data@one", "--yes", saying: ["is broken"], fileID: fileID, line: line)
        let view = try rig.viewFolder("one")
        try rig.snapmgr.fails(
            1, "mount", "data@one", view, saying: ["is broken"], fileID: fileID, line: line)
    }

    private static func removedDevice(_ context: GuestContext) throws {
        let (rig, point, _) = try mounted(context)
        try removeDevice()
        try rig.fill(point, seed: 2)
        let nagios = try rig.snapmgr.start(["status", "--nagios"])
        try expectEqual(nagios.status, 2, "status of `status --nagios`: \(nagios.output)")
        try rig.snapmgr.run("status")
        let check = try rig.snapmgr.start(["check", "data"])
        try expect(check.status != 0, "`check` found nothing: \(check.output)")
        try expectLost(rig)
        let again = try rig.snapmgr.run("activate", "data")
        try expect(again.errors.tail(after: "LOST") == nil, "it is said again: \(again.errors)")
        // A new chain begins.
        let second = try rig.digest(point)
        try rig.snapshot("data", "two")
        try rig.fill(point, seed: 3)
        let view = try rig.viewFolder("two")
        try rig.snapmgr.run("mount", "data@two", view)
        try expectEqual(try rig.digest(view), second, "the new snapshot's files")
        try rig.snapmgr.run("umount", view)
        // `activate` is what people run first.
        try HeldDevices.letGo()
        try Program.run(
            "dmsetup", "remove",
            DeviceName(volume: "data", .snapshot(SnapshotOrdinal(rawValue: 2))).text)
        let activated = try rig.snapmgr.run("activate", "data")
        try expect(activated.errors.tail(after: "ARE LOST") != nil, activated.errors)
        try rig.snapmgr.fails(1, "export", "data@two", exported, saying: ["is broken"])
    }

    private static func daemon(_ context: GuestContext) throws {
        let (rig, point, _) = try mounted(context)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try removeDevice()
        try daemon.waitFor("word of what is lost") { try daemon.said("ARE LOST") }
        try rig.fill(point, seed: 2)
        let mark = CommandRig.store("data") + "/snapshots/000001/broken"
        try expect(access(mark, F_OK) == 0, "there is no \(mark)")
        try expectLost(rig)
    }

    private static func failingStore(_ context: GuestContext) throws {
        let devices = ScratchDevices(context)
        let disk = try FaultyDisk(
            devices, "faulty-store", on: context.disks[3], bytes: 400 << 20)
        // It goes on when its disk works again.
        let rig = try CommandRig(
            context, storeDisk: disk.path, storeOptions: ["-O", "^has_journal"])
        context.cleanUp {
            unlink(exported)
            try disk.heal()
        }
        try rig.create("data", on: rig.origins[0])
        _ = try rig.fill("data", version: 1, seed: 4)
        try rig.snapshot("data", "one")
        try disk.failAll()
        _ = try rig.fill("data", version: 2, seed: 4)
        _ = try rig.snapmgr.start(["status"])
        // The machine goes down before the store works again.
        try crash(rig)
        try rig.unmount(CommandRig.storeRoot)
        try disk.heal()
        _ = try Program.status(["e2fsck", "-fy", disk.path])
        try rig.mount(disk.path, on: CommandRig.storeRoot)
        let mark = CommandRig.store("data") + "/snapshots/000001/broken"
        try expect(access(mark, F_OK) != 0, "the store took the mark: this case shows nothing")
        try rig.snapmgr.fails(1, "export", "data@one", exported, saying: ["is broken"])
        try rig.snapmgr.run("activate", "data")
        try expect(access(mark, F_OK) == 0, "there is no \(mark)")
        try expectLost(rig)
        _ = try rig.fill("data", version: 3, seed: 4)
        try rig.snapshot("data", "two")
        try rig.snapmgr.run("export", "data@two", exported)
    }

    /// Removes all devices of volumes, without a word to anybody.
    private static func crash(_ rig: CommandRig) throws {
        let mapper = KernelDeviceMapper(busyMilliseconds: 0)
        for _ in 0..<20 {
            try HeldDevices.letGo()
            for device in try mapper.devices() where device.name.volumePart?.volume == "data" {
                try? mapper.remove(device.name)
            }
        }
        for loop in try LoopDevice.all() { try loop.detach() }
        try expectEqual(
            try mapper.devices().filter { $0.name.volumePart?.volume == "data" }.count, 0,
            "devices left")
    }

    private static func invalidHeader(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        context.cleanUp { unlink(exported) }
        try rig.create("data", on: rig.origins[0])
        for (version, name) in ["one", "two"].enumerated() {
            _ = try rig.fill("data", version: version, seed: 4)
            try rig.snapshot("data", name)
        }
        let content = try rig.fill("data", version: 3, seed: 4)
        try rig.snapmgr.run("deactivate", "data")
        let area = CommandRig.store("data") + "/snapshots/000001/area.cow"
        let zeroes: [UInt8] = [0, 0, 0, 0]
        try FileDevice(path: area, access: .readWrite).write(zeroes.span.bytes, at: 4)
        try rig.snapmgr.run("activate", "data")
        let list = try rig.snapmgr.run("list", "--json").output
        try expectEqual(list.count(of: "\"broken\""), 1, "broken snapshots in \(list)")
        for verb in [["export", "data@one", exported], ["revert", "data@one", "--yes"]] {
            let outcome = try rig.snapmgr.start(verb)
            try expect(
                outcome.status == 1 && outcome.errors.tail(after: "is broken") != nil,
                "\(verb) ended with \(outcome.status): \(outcome.errors)")
        }
        let check = try rig.snapmgr.start(["check", "data"])
        try expect(check.output.tail(after: "broken") != nil, "`check`: \(check.output)")
        try rig.snapmgr.run("export", "data@two", exported)
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
    }

    private static func weakGuard(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        try rig.create("data", on: rig.origins[0])
        let safe = try rig.snapmgr.run("snapshot", "data")
        try expect(safe.errors.tail(after: "is not safe") == nil, safe.errors)
        rig.snapmgr.launcher = [
            "setpriv", "--bounding-set", "-ipc_lock,-sys_resource", "prlimit", "--memlock=65536",
        ]
        let weak = try rig.snapmgr.run("snapshot", "data")
        for text in ["is not safe", "CAP_IPC_LOCK", "OOMScoreAdjust=-1000"] {
            try expect(weak.errors.tail(after: text) != nil, "no `\(text)`: \(weak.errors)")
        }
    }
}

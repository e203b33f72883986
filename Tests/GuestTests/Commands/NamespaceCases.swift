import System
import DeviceMapper
import Glibc

/// Commands in mount namespaces of their own, as systemd's services run them, and loop devices that are
/// none of theirs.
enum NamespaceCases {
    static let cases = [
        GuestCase(
            "DH1: commands in mounts of their own leave no loop device, and deleted space comes back",
            body: mountsOfItsOwn),
        GuestCase(
            "DM5: others' loop devices on a store's files are neither in the way nor detached",
            body: foreignLoops),
    ]

    /// What is mounted in such a namespace.
    static let mounts = [
        GuestCase(
            "DH1: what a command mounts in mounts of its own goes with them, and is in nobody's way",
            body: mountThatGoes),
        GuestCase(
            "DH1: a snapshot that a service has mounted for itself is spared as long as it runs",
            body: mountOfService),
    ]

    private static func mountThatGoes(_ context: GuestContext) throws {
        let (rig, view) = try mountable(context)
        let first = try rig.snapmgr.run("list", "data", "--json").numbers("id").min() ?? 0
        try rig.snapmgr.run("mount", "data@one", view)
        try expect(try !isMounted(view), "everybody sees the mount")
        try rig.snapmgr.run("tick")
        try rig.snapmgr.run("revert", "data@two", "--yes", "--wait")
        try rig.snapmgr.run("delete", "\(first)")
        try takeDown(rig)
    }

    private static func mountOfService(_ context: GuestContext) throws {
        let (rig, view) = try mountable(context)
        let sign = "/run/snapmgr-mounted"
        unlink(sign)
        var service = rig.snapmgr
        service.launcher =
            Snapmgr.inMountsOfItsOwn
            + ["sh", "-c", "\"$@\" && touch \(sign) && exec sleep 600", "service"]
        let output = ["/run/snapmgr-service", "/run/snapmgr-service-errors"]
        let id = try service.spawn(["mount", "data@one", view], output: output)
        var isRunning = true
        func end() throws {
            guard isRunning else { return }
            isRunning = false
            kill(id, SIGTERM)
            _ = try Program.wait(for: id)
        }
        context.cleanUp { try end() }
        let deadline = Deadline(milliseconds: 120_000)
        while access(sign, F_OK) != 0 {
            try expect(
                !deadline.hasPassed, "not mounted: \((try? TextFile.read(output[1])) ?? "")")
            BackgroundThread.sleep(milliseconds: 50)
        }
        try expect(try !isMounted(view), "everybody sees the mount")
        try rig.snapmgr.fails(13, "delete", "data@one")
        try rig.snapmgr.fails(13, "deactivate", "data")
        try rig.snapmgr.run("tick")
        try rig.snapshot("data", "three")
        try end()
        try rig.snapmgr.run("delete", "data@one")
        try takeDown(rig)
    }

    /// A volume with two snapshots of a filesystem that nobody has mounted, and a folder for a mount.
    private static func mountable(_ context: GuestContext) throws -> (CommandRig, String) {
        let rig = try CommandRig(context)
        let point = try rig.createMounted("data")
        for (seed, name) in ["one", "two"].enumerated() {
            try rig.fill(point, seed: UInt64(seed))
            try rig.snapshot("data", name)
        }
        try rig.unmount(point)
        return (rig, try rig.viewFolder("own"))
    }

    private static func isMounted(_ point: String) throws -> Bool {
        try TextFile.read("/proc/self/mounts").contains(" \(point) ")
    }

    private static func takeDown(_ rig: CommandRig) throws {
        try rig.snapmgr.run("deactivate", "data")
        try expectEqual(LoopDevice.all().map(\.backingPath), [], "loop devices at the end")
        try expectEqual(KernelDeviceMapper().devices().count, 0, "devices at the end")
    }

    private static func freeBytes() throws -> Int {
        try FileFolder(path: CommandRig.storeRoot).freeBytes()
    }

    private static func mountsOfItsOwn(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        rig.snapmgr.launcher = Snapmgr.inMountsOfItsOwn
        try rig.create("data", on: rig.origins[0])
        _ = try rig.fill("data", version: 1, seed: 4)
        let free = try freeBytes()
        for round in 1...4 {
            try rig.snapshot("data", "s\(round)")
            _ = try rig.fill("data", version: round + 1, seed: 4)
            // The area that grows, and what keeps its device open.
            try expectEqual(LoopDevice.all().count, 2, "loop devices after \(round) snapshots")
        }
        try rig.snapmgr.run("export", "data@s1", "/run/snapmgr-exported")
        context.cleanUp { unlink("/run/snapmgr-exported") }
        try expectEqual(LoopDevice.all().count, 2, "loop devices after an export")
        for round in 1...4 { try rig.snapmgr.run("delete", "data@s\(round)") }
        try rig.snapmgr.run("deactivate", "data")
        try expectEqual(LoopDevice.all().map(\.backingPath), [], "loop devices at the end")
        let freeAgain = try freeBytes()
        // The newest one's area may stay until there is another: one of four.
        try expect(freeAgain > free - (32 << 20), "of \(free) bytes \(freeAgain) are free again")
    }

    private static func foreignLoops(_ context: GuestContext) throws {
        let rig = try CommandRig(context)
        try rig.create("data", on: rig.origins[0])
        _ = try rig.fill("data", version: 1, seed: 4)
        try rig.snapshot("data", "one")
        _ = try rig.fill("data", version: 2, seed: 4)
        let image = CommandRig.store("data") + "/image.img"
        try Program.run("truncate", "--size", "8M", image)
        let area = CommandRig.store("data") + "/snapshots/000001/area.cow"
        let loops = try [image, area].map { path in
            // As losetup does it.
            let loop = try LoopDevice.attach(
                path: path, isReadOnly: true, directIO: false, label: String(path.suffix(63)))
            context.cleanUp { try loop.detach() }
            return loop
        }
        // Somebody reads them, too.
        var opened = try loops.map { try DirectDevice(path: $0.path, isReadOnly: true) }
        try rig.snapshot("data", "two")
        _ = try rig.fill("data", version: 3, seed: 4)
        try rig.snapmgr.run("export", "data@one", "/run/snapmgr-exported")
        context.cleanUp { unlink("/run/snapmgr-exported") }
        try rig.snapmgr.run("delete", "data@two")
        try rig.snapmgr.run("deactivate", "data")
        func left() throws -> Set<String> { try Set(LoopDevice.all().map(\.path)) }
        try expectEqual(left(), Set(loops.map(\.path)), "loop devices that are left")
        // One that is detached while it is open goes when it is closed.
        withExtendedLifetime(opened) {}
        opened.removeAll()
        try expectEqual(left(), Set(loops.map(\.path)), "loop devices behind their readers")
    }
}

import System
import DeviceMapper
import Glibc

enum HolderCases {
    static let cases = [
        GuestCase(
            "mounts, devices, loop devices, swap and processes that hold a device are told",
            body: all)
    ]

    private static func all(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let real = try rig.create(DeviceRig.name(.linear), rig.linear(65_536))
        let number = try rig.info(real).number
        try expectEqual(DeviceHolder.list(of: number), [], "holders of an idle device")

        let base = try rig.create(
            DeviceRig.name(.content),
            DeviceTable(sectorCount: 65_536, .linear(device: .path(real.path), offset: 0)))
        let baseNumber = try rig.info(base).number
        try expectEqual(
            try DeviceHolder.list(of: number).map(\.description),
            ["held by dm-\(baseNumber.minor) (\(base))"], "holders under a device")

        try mountAndOpen(rig, base, baseNumber)
        try expectEqual(DeviceHolder.list(of: baseNumber), [], "holders at the end")
        try swapAndLoop(rig, base, baseNumber)
    }

    private static func mountAndOpen(
        _ rig: DeviceRig, _ base: DeviceName, _ number: DeviceNumber
    ) throws {
        let context = GuestContext(disks: rig.context.disks)
        let inner = DeviceRig(context)
        let folder = try LifecycleCases.mountedFolder(inner, base)
        try expectEqual(
            try DeviceHolder.list(of: number), [.mount(point: folder, process: nil)], "mount")
        let sleeper = try ChildProcess.start(["sh", "-c", "exec 3<\(base.path); exec sleep 6000"])
        let deadline = Deadline(milliseconds: 300_000)
        var holders: [DeviceHolder] = []
        while holders.count < 2, !deadline.hasPassed { holders = try DeviceHolder.list(of: number) }
        kill(sleeper, SIGKILL)
        ChildProcess.wait(for: sleeper)
        guard case .process(let process) = holders.last else {
            return try expect(false, "\(holders)")
        }
        try expectEqual(process.id, Int(sleeper), "process")
        try expect(["sh", "sleep"].contains(process.program), process.program)
        let failures = context.end()
        try expect(failures.isEmpty, "\(failures)")
    }

    private static func swapAndLoop(
        _ rig: DeviceRig, _ base: DeviceName, _ number: DeviceNumber
    ) throws {
        try ChildProcess.run("mkswap", base.path)
        try ChildProcess.run("swapon", base.path)
        let holders = try DeviceHolder.list(of: number)
        try ChildProcess.run("swapoff", base.path)
        try expectEqual(holders.map(\.description), ["used as swap"], "holders of swap")
        let loop = try LoopDevice.attach(path: base.path, isReadOnly: true, directIO: false)
        let looped = try DeviceHolder.list(of: number)
        try loop.detach()
        try expectEqual(
            looped.map(\.description), ["the backing device of \(loop.path)"],
            "holders under a loop")
    }
}

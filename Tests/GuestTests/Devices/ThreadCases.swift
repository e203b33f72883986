import System
import DeviceMapper
import SnapshotModel

enum ThreadCases {
    static let cases = [
        GuestCase("many threads make, change and remove devices at once", body: concurrent)
    ]

    private static func concurrent(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let failures = Monitored<[String]>([])
        let (mapper, disk) = (rig.mapper, rig.disk)
        let threads = (0..<4).map { index in
            BackgroundThread.start(name: "worker-\(index)") {
                do {
                    for round in 0..<10 { try cycle(mapper, disk, index, round) }
                } catch {
                    failures.change { $0.append("thread \(index): \(error)") }
                }
            }
        }
        threads.forEach { $0.join() }
        for index in 0..<4 { rig.removeAtEnd(name(index)) }
        try expectEqual(failures.withLock { $0 }, [], "failures")
        try expectEqual(try mapper.devices(), [], "devices left")
    }

    private static func name(_ index: Int) -> DeviceName {
        DeviceRig.name(.overlay(RevertID(rawValue: Int64(index))))
    }

    private static func cycle(
        _ mapper: KernelDeviceMapper, _ disk: DeviceReference, _ index: Int, _ round: Int
    ) throws {
        let name = name(index)
        let sectors = 8 * (1 + index + round)
        func table(_ count: Int) -> DeviceTable {
            DeviceTable(sectorCount: count, .linear(device: disk, offset: 1024 * index))
        }
        try mapper.create(
            name, uuid: DeviceRig.uuid(name), isReadOnly: false, table: table(sectors))
        try expectEqual(
            try mapper.table(name), try table(sectors).resolvingPaths(), "table of \(name)")
        // An error of one thread must not get into the words of another.
        let failure = try DeviceRig.failure(of: "a bad table") {
            try mapper.load(
                name,
                table: DeviceTable(sectorCount: 8, .other(kind: "none-\(index)", arguments: [])),
                isReadOnly: false)
        }
        try expect(
            failure.device == name.text && failure.detail.contains("none-\(index)"), "\(failure)")
        let guarding = try SuspensionGuard.begin(devices: [name], milliseconds: 60_000)
        try mapper.load(name, table: table(2 * sectors), isReadOnly: false)
        try mapper.suspend(name, freezesFilesystem: true, flushes: true)
        try mapper.resume(name)
        try expectEqual(guarding.end(), .undisturbed, "outcome of the guard")
        try expectEqual(try mapper.table(name).sectorCount, 2 * sectors, "sectors of \(name)")
        try mapper.remove(name)
    }
}

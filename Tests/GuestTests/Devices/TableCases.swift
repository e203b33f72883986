import DeviceMapper
import SnapshotModel

enum TableCases {
    static let cases = [
        GuestCase("the kernel gives a table back as it was loaded", body: roundTrip),
        GuestCase("a table of 100,000 segments is loaded and read back", body: hundredThousand),
        GuestCase("a table of 1,000,000 segments is loaded and read back", body: million),
    ]

    private static func roundTrip(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let (disk, other) = (rig.disk, rig.otherDisk)
        let delay = Target.other(
            kind: "delay",
            arguments: [disk.textOfNumber, "0", "0", disk.textOfNumber, "0", "5"])
        let tables = [
            DeviceTable(
                consecutive: [
                    (8, .linear(device: disk, offset: 0)), (16, .zero),
                    (1024, .linear(device: other, offset: 2048)), (8, .error), (64, delay),
                ]),
            DeviceTable(sectorCount: 2048, .snapshotOrigin(disk)),
            DeviceTable(
                sectorCount: 2048, .snapshot(origin: disk, exceptions: other, chunkSectors: 8)),
            DeviceTable(
                sectorCount: 2048,
                .snapshot(
                    origin: disk, exceptions: other, chunkSectors: 128, store: .persistentOverflow)),
            DeviceTable(
                sectorCount: 2048,
                .snapshot(origin: disk, exceptions: other, chunkSectors: 16, store: .transient)),
        ]
        for table in tables {
            try DeviceRig.write(0, 128, at: 0, of: context.disks[1])
            let name = try rig.create(DeviceRig.name(), table)
            let read = try rig.mapper.table(name)
            try expectEqual(read, try table.resolvingPaths(), "table")
            try expectEqual(try DeviceTable(text: read.text), read, "table through its text")
            try rig.mapper.remove(name)
        }
    }

    private static func hundredThousand(_ context: GuestContext) throws {
        try load(100_000, DeviceRig(context))
    }

    private static func million(_ context: GuestContext) throws {
        try load(1_000_000, DeviceRig(context))
    }

    /// Sectors of the disk in an order in which no two of them follow each other.
    private static func load(_ count: Int, _ rig: DeviceRig) throws {
        let sectors = 131_072
        let table = DeviceTable(
            consecutive: (0..<count).map {
                (1, .linear(device: rig.disk, offset: $0 * 7919 % sectors))
            })
        let name = try rig.create(DeviceRig.name(.synthetic(RevertID(rawValue: 1))), table)
        try expectEqual(try rig.info(name).segmentCount, count, "segments")
        try expect(
            try rig.mapper.table(name) == table.resolvingPaths(), "the table read back differs")
        try DeviceRig.write(5, 1, at: 12_345 * 7919 % sectors, of: rig.context.disks[0])
        try expectEqual(try DeviceRig.byte(at: 12_345, of: name.path), 5, "byte through the table")
    }
}

extension DeviceReference {
    /// As the kernel prints it.
    fileprivate var textOfNumber: String {
        switch self {
        case .number(let number): "\(number)"
        case .path(let path): (try? BlockDevices.number(path)).map(String.init(describing:)) ?? path
        }
    }
}

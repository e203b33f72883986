import DeviceMapper
import Glibc

enum FailureCases {
    static let cases = [
        GuestCase("a missing target is named, with its module", body: missingTarget),
        GuestCase("an absent device below is named", body: absentOrigin),
        GuestCase("a table that the kernel refuses is told in the kernel's words", body: badTable),
        GuestCase(
            "a table that cannot be one is refused before there is a device", body: invalidTable),
        GuestCase("an absent device is told by every request", body: absentDevice),
        GuestCase("a name and a UUID are taken once", body: taken),
    ]

    private static func failure(
        _ rig: DeviceRig, of table: DeviceTable, _ name: DeviceName = DeviceRig.name(),
        uuid: String? = nil, fileID: StaticString = #fileID, line: Int = #line
    ) throws -> DeviceFailure {
        let failure = try DeviceRig.failure(of: "create", fileID: fileID, line: line) {
            try rig.mapper.create(
                name, uuid: uuid ?? DeviceRig.uuid(name), isReadOnly: false, table: table)
        }
        try expect(
            "\(failure)".contains(name.text), "the device is not named: \(failure)",
            fileID: fileID, line: line)
        return failure
    }

    private static func expectNothingLeft(_ rig: DeviceRig) throws {
        try expectEqual(try rig.mapper.devices(), [], "devices left behind")
    }

    private static func missingTarget(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let table = DeviceTable(
            sectorCount: 1024, .other(kind: "no-such", arguments: ["1", "2"]))
        let failure = try failure(rig, of: table)
        try expect(failure.isMissingModule, "\(failure)")
        try expect(
            failure.detail.contains("no-such") && failure.detail.contains("dm_no_such"),
            "\(failure)")
        try expectNothingLeft(rig)
    }

    private static func absentOrigin(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let byPath = try failure(
            rig,
            of: DeviceTable(
                sectorCount: 8, .linear(device: .path("/dev/mapper/absent"), offset: 0)))
        try expectEqual(byPath.cause, .badTable, "cause")
        try expect(byPath.detail.contains("/dev/mapper/absent"), "\(byPath)")
        let number = DeviceNumber(major: 239, minor: 17)
        let byNumber = try failure(
            rig,
            of: DeviceTable(sectorCount: 8, .linear(device: .number(number), offset: 0)))
        try expectEqual(byNumber.cause, .badTable, "cause")
        try expect(byNumber.detail.contains("239:17"), "\(byNumber)")
        let noDevice = try failure(
            rig, of: DeviceTable(sectorCount: 8, .snapshotOrigin(.path("/etc/passwd"))))
        try expect(noDevice.detail.contains("/etc/passwd"), "\(noDevice)")
        try expectNothingLeft(rig)
    }

    private static func badTable(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        // Behind the end of the disk.
        let tooLarge = try failure(rig, of: rig.linear(1 << 30))
        try expectEqual(tooLarge.cause, .badTable, "cause")
        try expect(tooLarge.detail.contains("too small"), "\(tooLarge)")
        let badArguments = try failure(
            rig, of: DeviceTable(sectorCount: 8, .other(kind: "linear", arguments: ["1"])))
        try expectEqual(badArguments.cause, .badTable, "cause")
        try expect(badArguments.detail.contains("argument"), "\(badArguments)")
        try expectNothingLeft(rig)
    }

    private static func invalidTable(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let gap = DeviceTable(segments: [
            Segment(startSector: 0, sectorCount: 8, target: .zero),
            Segment(startSector: 16, sectorCount: 8, target: .zero),
        ])
        let failure = try failure(rig, of: gap)
        try expectEqual(failure.cause, .badTable, "cause")
        try expect(failure.detail.contains("row 2"), "\(failure)")
        try expectNothingLeft(rig)
    }

    private static func absentDevice(_ context: GuestContext) throws {
        let mapper = DeviceRig(context).mapper
        let name = DeviceRig.name(volume: "absent")
        let table = DeviceTable(sectorCount: 8, .zero)
        let requests: [() throws -> Void] = [
            {
                _ = try mapper.table(name)
            },
            {
                _ = try mapper.status(name)
            },
            {
                _ = try mapper.dependencies(name)
            },
            {
                try mapper.load(name, table: table, isReadOnly: false)
            },
            {
                try mapper.clear(name)
            },
            {
                try mapper.suspend(name, freezesFilesystem: true, flushes: true)
            },
            {
                try mapper.resume(name)
            },
            {
                try mapper.settle(name)
            },
            {
                try mapper.remove(name)
            },
        ]
        for request in requests {
            let failure = try DeviceRig.failure(of: "a request of an absent device", request)
            try expect(failure.isNotFound && failure.device == name.text, "\(failure)")
        }
    }

    private static func taken(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let name = try rig.create(DeviceRig.name(), rig.linear(1024))
        let before = try rig.info(name)
        let byName = try failure(rig, of: rig.linear(8), uuid: "SNAPMGR-another")
        try expectEqual(byName.cause, .exists, "cause")
        let other = DeviceRig.name(volume: "other")
        let byUUID = try failure(rig, of: rig.linear(8), other, uuid: DeviceRig.uuid(name))
        try expectEqual(byUUID.cause, .exists, "cause")
        try expectEqual(try rig.info(name), before, "the device that was there")
        try expect(try rig.mapper.info(other) == nil, "there is \(other)")
    }
}

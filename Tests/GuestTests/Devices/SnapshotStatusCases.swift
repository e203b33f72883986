import System
import DeviceMapper
import SnapshotModel

enum SnapshotStatusCases {
    static let cases = [
        GuestCase(
            "a snapshot tells its usage, and that it is invalid once it is full", body: fills),
        GuestCase("a snapshot that may overflow says so, and keeps what it has", body: overflows),
        GuestCase("a merge tells how far it is, and when it has ended", body: merges),
    ]

    private static let chunkSectors = 8

    private static func status(_ rig: DeviceRig, _ name: DeviceName) throws -> SnapshotTargetStatus
    {
        let statuses = try rig.mapper.status(name)
        try expectEqual(statuses.count, 1, "segments of \(name)")
        return try require(statuses[0].snapshot, "status of a snapshot")
    }

    /// An origin of `sectors` and a snapshot of it whose exceptions have room for `chunks`, the
    /// header and the metadata among them.
    private static func makeStack(
        _ rig: DeviceRig, sectors: Int, chunks: Int, store: ExceptionStore
    ) throws -> (origin: DeviceName, snapshot: DeviceName) {
        try DeviceRig.write(0, chunkSectors, at: 0, of: rig.context.disks[1])
        try DeviceRig.write(1, sectors, at: 0, of: rig.context.disks[0])
        let base = try rig.create(DeviceRig.name(.content), rig.linear(sectors))
        let area = try rig.create(
            DeviceRig.name(.linear),
            DeviceTable(
                sectorCount: chunks * chunkSectors, .linear(device: rig.otherDisk, offset: 0)))
        let origin = try rig.create(
            DeviceRig.name(), DeviceTable(sectorCount: sectors, .snapshotOrigin(.path(base.path))))
        // An origin learns of the snapshots' chunks when it is resumed: before, it would preserve
        // only the first chunk of a large write.
        try rig.mapper.suspend(origin, freezesFilesystem: true, flushes: true)
        let snapshot = try rig.create(
            DeviceRig.name(.snapshot(SnapshotOrdinal(rawValue: 1))),
            DeviceTable(
                sectorCount: sectors,
                .snapshot(
                    origin: .path(base.path), exceptions: .path(area.path),
                    chunkSectors: chunkSectors, store: store)))
        try rig.mapper.resume(origin)
        return (origin, snapshot)
    }

    private static func fills(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let (origin, snapshot) = try makeStack(rig, sectors: 1024, chunks: 10, store: .persistent)
        try expectEqual(
            try status(rig, snapshot),
            .usage(allocatedSectors: 16, totalSectors: 80, metadataSectors: 16), "at first")
        try expect(
            try rig.mapper.status(origin)[0].snapshot == nil, "an origin has a snapshot's status")
        try DeviceRig.write(2, 16, at: 0, of: origin.path)
        try expectEqual(
            try status(rig, snapshot),
            .usage(allocatedSectors: 32, totalSectors: 80, metadataSectors: 16), "after two chunks")
        try expectEqual(try DeviceRig.byte(at: 0, of: snapshot.path), 1, "the snapshot's byte")
        try DeviceRig.write(3, 512, at: 256, of: origin.path)
        try expectEqual(try status(rig, snapshot), .invalid, "when full")
        try expectFailure("a read of the invalid snapshot") {
            _ = try DeviceRig.byte(at: 0, of: snapshot.path)
        }
    }

    private static func overflows(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let (_, snapshot) = try makeStack(
            rig, sectors: 1024, chunks: 10, store: .persistentOverflow)
        try DeviceRig.write(2, 8, at: 0, of: snapshot.path)
        try expectFailure("a write into the full snapshot") {
            for chunk in 1..<16 { try DeviceRig.write(2, 8, at: chunk * 8, of: snapshot.path) }
        }
        try expectEqual(try status(rig, snapshot), .overflow, "when full")
        try expectEqual(try DeviceRig.byte(at: 0, of: snapshot.path), 2, "the snapshot's byte")
    }

    private static func merges(_ context: GuestContext) throws {
        let rig = DeviceRig(context)
        let (origin, snapshot) = try makeStack(
            rig, sectors: 4096, chunks: 600, store: .persistent)
        try DeviceRig.write(2, 1024, at: 1024, of: origin.path)
        let before = try status(rig, snapshot)
        try expect(!before.isMerged, "\(before)")
        let (base, area) = (DeviceRig.name(.content), DeviceRig.name(.linear))
        try rig.mapper.remove(snapshot)
        let merge = DeviceTable(
            sectorCount: 4096,
            .snapshotMerge(
                origin: .path(base.path), exceptions: .path(area.path), chunkSectors: chunkSectors))
        try rig.mapper.load(origin, table: merge, isReadOnly: false)
        try rig.mapper.suspend(origin, freezesFilesystem: true, flushes: true)
        try rig.mapper.resume(origin)
        try expectEqual(try rig.mapper.table(origin), try merge.resolvingPaths(), "table")
        try expectEqual(try DeviceRig.byte(at: 1024, of: origin.path), 1, "byte at once")
        let deadline = Deadline(milliseconds: 60_000)
        while !(try status(rig, origin)).isMerged {
            try expect(!deadline.hasPassed, "the merge does not end")
            BackgroundThread.sleep(milliseconds: 10)
        }
        try expectEqual(try DeviceRig.byte(at: 1024, of: base.path), 1, "byte of the origin")
    }
}

import System
import DeviceDriver
import DeviceMapper
import SnapshotModel
import VolumeAccess

/// Sets of snapshots over three volumes that one program writes in an order: a, then b, then c, each
/// made durable before the next.
enum SetCases {
    static let cases = [
        GuestCase(
            "a set over three volumes never has a later write without the earlier", body: sets),
        GuestCase("a set of which one volume fails leaves no snapshot in any", body: failedSet),
    ]

    private static let names = ["a", "b", "c"]
    private static let volumeBytes = 4 << 20
    private static let setCount = 32

    private static func rigs(_ context: GuestContext) throws -> [VolumeRig] {
        try FilesystemRig.mountStore(context)
        let devices = ScratchDevices(context)
        return try names.enumerated().map { index, name in
            let origin = ScratchDevices.name("origin-\(name)")
            try devices.create(
                origin,
                DeviceTable(
                    sectorCount: volumeBytes / Geometry.sectorBytes,
                    .linear(
                        device: .path(context.disks[0]),
                        offset: index * volumeBytes / Geometry.sectorBytes)))
            try DirectDevice(path: origin.path).punch(0..<volumeBytes)
            let rig = try VolumeRig(
                context, name: name, originPath: origin.path,
                storeFolder: FilesystemRig.storeFolder, volumeBytes: volumeBytes,
                chunkBytes: 16 << 10)
            try rig.activate()
            return rig
        }
    }

    private static func sets(_ context: GuestContext) throws {
        let rigs = try rigs(context)
        let writer = OrderedWriter(rigs.map(\.devicePath))
        // Ended before the devices go.
        context.cleanUp { try writer.stop() }
        writer.start()
        var seen: Set<[Int]> = []
        for index in 0..<setCount {
            let before = writer.written
            // In every order: what counts is that all are held before any changes.
            let ids = try take(rotated(rigs, by: index))
            let after = writer.written
            let found = try zip(rotated(rigs, by: index), ids).map { rig, id in
                (rig.name, try rig.withView(id) { try OrderedWriter.number(on: $0) })
            }.sorted { $0.0 < $1.0 }.map(\.1)
            try expect(
                found[0] >= found[1] && found[1] >= found[2] && found[0] - found[2] <= 1,
                "set \(index) has the writes \(found) of a, b and c")
            try expect(
                found[2] >= before && found[0] <= after + 1,
                "set \(index) has the writes \(found); \(before) were done before, \(after) after")
            seen.insert(found.map { $0 - found[2] })
            BackgroundThread.sleep(milliseconds: index % 3)
        }
        try writer.stop()
        try expect(writer.written > setCount, "only \(writer.written) rounds were written")
        Console.say("sets by how far a and b were ahead of c: \(seen.sorted { $0[0] < $1[0] })")
        for rig in rigs { try expectEqual(rig.takeWarnings(), [], "warnings") }
    }

    private static func rotated(_ rigs: [VolumeRig], by count: Int) -> [VolumeRig] {
        let first = count % rigs.count
        return Array(rigs[first...] + rigs[..<first])
    }

    /// Takes a set as the manager does: prepares all, holds all, commits all, releases all.
    private static func take(_ rigs: [VolumeRig]) throws -> [SnapshotID] {
        let members = try rigs.map { ($0.snapshotRequest(), try $0.session()) }
        defer { members.forEach { $0.1.close() } }
        for (request, session) in members { _ = try session.perform(.prepareSnapshot(request)) }
        for (_, session) in members { _ = try session.perform(.holdIO(milliseconds: 10_000)) }
        for (_, session) in members { _ = try session.perform(.commit) }
        for (_, session) in members { _ = try session.perform(.releaseIO) }
        return members.map(\.0.id)
    }

    private static func failedSet(_ context: GuestContext) throws {
        let rigs = try rigs(context)
        let writer = OrderedWriter(rigs.map(\.devicePath))
        context.cleanUp { try writer.stop() }
        writer.start()
        let kept = try take(rigs)
        for failing in 0..<rigs.count {
            let members = try rigs.map { ($0.snapshotRequest(), try $0.session()) }
            for (request, session) in members {
                _ = try session.perform(.prepareSnapshot(request))
            }
            for (_, session) in members { _ = try session.perform(.holdIO(milliseconds: 10_000)) }
            for (_, session) in members.prefix(failing) { _ = try session.perform(.commit) }
            for (_, session) in members.prefix(failing).reversed() {
                _ = try session.perform(.rollBack)
            }
            // Those that were held only are released by the end of their session.
            for (_, session) in members { session.close() }
            let rounds = writer.written
            for (rig, id) in zip(rigs, kept) {
                try expectEqual(
                    try rig.status().snapshots.map(\.manifest.id), [id],
                    "snapshots of \(rig.name)")
            }
            for _ in 0..<30_000 where writer.written <= rounds {
                BackgroundThread.sleep(milliseconds: 10)
            }
            try expect(writer.written > rounds, "the writer does not go on")
        }
        // The next set comes about as if nothing had been.
        let ids = try take(rigs)
        let found = try zip(rigs, ids).map { rig, id in
            try rig.withView(id) { try OrderedWriter.number(on: $0) }
        }
        try writer.stop()
        try expect(found[0] >= found[1] && found[1] >= found[2], "the set has \(found)")
        for rig in rigs { try expectEqual(rig.takeWarnings(), [], "warnings") }
    }
}

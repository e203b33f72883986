import System
import DeviceDriver
import DeviceMapper
import SnapshotModel
import VolumeAccess

/// For how long I/O waits for snapshots while writers are at work.
enum WindowBenchmark {
    private static let snapshotCount = 200
    private static let setCount = 50
    private static let memberCount = 8
    /// How many snapshots stay, so that the store does not fill up.
    private static let keptCount = 4
    private static let memberBytes = 32 << 20

    static func run(_ context: GuestContext) throws {
        Console.say("\n## windows\n")
        Console.say(
            "| what, with a writer at work | I/O waits: ms, p50 | p99 | all of it: ms, p50 |")
        Console.say("| --- | --- | --- | --- |")
        say("a snapshot, \(snapshotCount) times", try GuestBenchmarks.with(context, snapshots))
        say(
            "a set of \(memberCount) volumes, \(setCount) times",
            try GuestBenchmarks.with(context, sets))
    }

    /// For how long I/O waited, and how long all of it took, in milliseconds.
    private struct Times {
        var held: Double
        var whole: Double
    }

    private static func say(_ what: String, _ times: [Times]) {
        let held = times.map(\.held)
        let whole = GuestBenchmarks.median(times.map(\.whole))
        Console.say(
            "| \(what) | \(GuestBenchmarks.text(GuestBenchmarks.percentile(held, 50), 1)) "
                + "| \(GuestBenchmarks.text(GuestBenchmarks.percentile(held, 99), 1)) "
                + "| \(GuestBenchmarks.text(whole)) |")
    }

    /// Calls `body` while a thread writes to the devices in turn, a chunk at a time.
    private static func whileWriting<Result>(
        to paths: [String], bytes volumeBytes: Int, _ body: () throws -> Result
    ) throws -> Result {
        let isEnded = Monitored(false)
        let writer = try BackgroundThread.startIfPossible(name: "writer") {
            let devices = paths.compactMap { try? DirectDevice(path: $0) }
            let buffer = AlignedBuffer(count: GuestBenchmarks.chunkBytes)
            let chunkCount = volumeBytes / GuestBenchmarks.chunkBytes
            var index = 0
            while !isEnded.withLock({ $0 }) {
                for device in devices {
                    try? device.write(
                        buffer, at: index * 1021 % chunkCount * GuestBenchmarks.chunkBytes)
                }
                index += 1
            }
        }
        defer {
            isEnded.change { $0 = true }
            writer.join()
        }
        return try body()
    }

    private static func snapshots(_ context: GuestContext) throws -> [Times] {
        let rig = try DriverRig(
            context, volumeBytes: GuestBenchmarks.volumeBytes,
            chunkBytes: GuestBenchmarks.chunkBytes, isZeroed: false)
        var ids: [SnapshotID] = []
        return try whileWriting(to: [rig.devicePath], bytes: GuestBenchmarks.volumeBytes) {
            try (0..<snapshotCount).map { _ in
                if ids.count > keptCount {
                    _ = try rig.perform(.delete([ids.removeFirst()]))
                    _ = try rig.perform(.collect)
                }
                let request = rig.snapshotRequest()
                ids.append(request.id)
                var times = Times(held: 0, whole: 0)
                times.whole = try GuestBenchmarks.milliseconds {
                    times.held = try held(rig.perform(.snapshot(request)))
                }
                return times
            }
        }
    }

    private static func held(_ reply: VolumeReply) throws -> Double {
        guard case .snapshot(let outcome) = reply else { throw Problem(.failed, "no snapshot") }
        return Double(outcome.heldNanoseconds) / 1e6
    }

    /// From the first volume's hold to the last one's release.
    private static func sets(_ context: GuestContext) throws -> [Times] {
        try FilesystemRig.mountStore(context)
        let devices = ScratchDevices(context)
        let rigs = try (0..<memberCount).map { index in
            let origin = ScratchDevices.name("origin-\(index)")
            try devices.create(
                origin,
                DeviceTable(
                    sectorCount: memberBytes / Geometry.sectorBytes,
                    .linear(
                        device: .path(context.disks[0]),
                        offset: index * memberBytes / Geometry.sectorBytes)))
            let rig = try VolumeRig(
                context, name: "member\(index)", originPath: origin.path,
                storeFolder: FilesystemRig.storeFolder, volumeBytes: memberBytes,
                chunkBytes: GuestBenchmarks.chunkBytes)
            try rig.activate()
            return rig
        }
        var sets: [[SnapshotID]] = []
        return try whileWriting(to: rigs.map(\.devicePath), bytes: memberBytes) {
            try (0..<setCount).map { _ in
                if sets.count > keptCount {
                    for (rig, id) in zip(rigs, sets.removeFirst()) {
                        _ = try rig.perform(.delete([id]))
                        _ = try rig.perform(.collect)
                    }
                }
                let requests = rigs.map { $0.snapshotRequest() }
                sets.append(requests.map(\.id))
                return try takeSet(rigs, requests)
            }
        }
    }

    private static func takeSet(
        _ rigs: [VolumeRig], _ requests: [SnapshotRequest]
    ) throws -> Times {
        var times = Times(held: 0, whole: 0)
        times.whole = try GuestBenchmarks.milliseconds {
            let members = try zip(requests, rigs).map { ($0, try $1.session()) }
            defer { members.forEach { $0.1.close() } }
            for (request, session) in members {
                _ = try session.perform(.prepareSnapshot(request))
            }
            times.held = try GuestBenchmarks.milliseconds {
                for (_, session) in members {
                    _ = try session.perform(.holdIO(milliseconds: 10_000))
                }
                for (_, session) in members { _ = try session.perform(.commit) }
                for (_, session) in members { _ = try session.perform(.releaseIO) }
            }
        }
        return times
    }
}

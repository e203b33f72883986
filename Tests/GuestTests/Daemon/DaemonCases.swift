import System
import DeviceDriver
import DeviceMapper
import Glibc
import StoreFormat
import SnapshotModel
import TestKit

/// What the daemon does by itself.
enum DaemonCases {
    static let cases = [
        GuestCase("space is reserved again while writes use it up", body: refill),
        GuestCase(
            "the end of a merge is noted without a command, and the revert's files go",
            body: endOfMerge),
        GuestCase(
            "a revert that waits is done soon after the volume was unmounted by others",
            body: queuedRevert),
        GuestCase(
            "a revert that waits and cannot be done is said once, and not tried without a pause",
            body: hopelessRevert),
        GuestCase(
            "in a store below its floor it prunes what the policy lets go, and no more",
            body: prune),
        GuestCase(
            "when nothing makes room it gives the snapshots up before the kernel does; the volume "
                + "goes on, and a new chain begins", body: giveUp),
        GuestCase(
            "a volume of which nothing is written keeps its snapshots in a store that is full",
            body: idleInFullStore),
        GuestCase("snapshots that the kernel has given up are told of at once", body: lost),
        GuestCase(
            "DL6: a volume that somebody has suspended is told of once, and the others are watched",
            body: suspended),
        GuestCase(
            "SIGTERM ends it with 0, a second one with 11, and volumes that come later are watched",
            body: life),
    ]

    private static let filler = CommandRig.storeRoot + "/filler"

    private static func rig(_ context: GuestContext) throws -> CommandRig {
        let rig = try CommandRig(context)
        context.cleanUp { unlink(filler) }
        return rig
    }

    private static var storeFolder: FileFolder { FileFolder(path: CommandRig.storeRoot) }

    /// Takes space of the stores' filesystem until so many bytes are left.
    private static func fill(leaving bytes: Int) throws {
        let access: FileDevice.Access = Glibc.access(filler, F_OK) == 0 ? .readWrite : .create
        let file = try FileDevice(path: filler, access: access)
        var end = try file.allocatedBytes()
        // Less and less at a time: the filesystem needs blocks of its own.
        for piece in [16 << 20, 1 << 20, 64 << 10, 4096] {
            while try storeFolder.freeBytes() >= bytes + piece {
                do throws(IOFailure) { try file.allocate(end..<end + piece) } catch {
                    guard error.isNoSpace else { throw error }
                    break
                }
                end += piece
            }
        }
    }

    private static func area(_ volume: String, _ ordinal: Int) throws -> FileDevice {
        let path = StoreLayout.area(SnapshotOrdinal(rawValue: ordinal))
        return try FileDevice(
            path: CommandRig.store(volume) + "/" + path, access: .readOnly)
    }

    /// Writes blocks of a volume one by one, with a pause after each.
    private static func write(
        _ content: inout DiskContent, _ blocks: Range<Int>, version: Int, to volume: String,
        pauseMilliseconds: Int
    ) throws {
        let device = try DirectDevice(path: CommandRig.device(volume))
        for block in blocks {
            content.set(ChunkPattern.Version(version), blocks: block..<block + 1)
            try content.write(block..<block + 1, to: device)
            BackgroundThread.sleep(milliseconds: pauseMilliseconds)
        }
    }

    // MARK: Cases

    private static func refill(_ context: GuestContext) throws {
        let rig = try rig(context)
        // 12 MiB of room give the new area 3 MiB of reserve.
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 3)
        try fill(leaving: 12 << 20)
        try rig.snapshot("data", "one")
        unlink(filler)
        let area = try area("data", 1)
        let first = try area.allocatedBytes()
        try expect(first < 8 << 20, "\(first) bytes are reserved already")
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try daemon.waitFor("reserve of 32 MiB and more") { try area.allocatedBytes() > 32 << 20 }
        // As much again as was written, while it is written.
        try write(&content, 0..<200, version: 2, to: "data", pauseMilliseconds: 5)
        try daemon.waitFor("reserve behind what is used") {
            try area.allocatedBytes() > 75 << 20
        }
        try expect(!daemon.said("GIVEN UP"), "snapshots were given up")
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
    }

    private static func endOfMerge(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[1])
        let old = try rig.fill("data", version: 1, seed: 4)
        let first = try rig.snapshot("data", "one")
        _ = try rig.fill("data", version: 2, seed: 4)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try rig.snapmgr.run("revert", "\(first)", "--no-wait")
        let reverts = FileFolder(path: CommandRig.store("data") + "/reverts")
        try daemon.waitFor("end of the merge") { try reverts.list("").isEmpty }
        // The store comes first, then the catalog.
        try daemon.waitFor("event") {
            try rig.snapmgr.run("events").output.contains("the merge of snapshot")
        }
        try old.expect(on: DirectDevice(path: rig.origins[1]), "the origin")
    }

    private static func queuedRevert(_ context: GuestContext) throws {
        let rig = try rig(context)
        try Program.run("mkfs.ext4", "-q", "-F", rig.origins[1])
        try rig.create("data", on: rig.origins[1])
        let point = "\(CommandRig.volumeRoot)/data"
        try rig.mount(CommandRig.device("data"), on: point)
        try rig.fill(point, seed: 1)
        let old = try rig.digest(point)
        try rig.snapshot("data", "one")
        try rig.fill(point, seed: 2)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try rig.snapmgr.run("revert", "data@one", "--lazy-on-close")
        try rig.unmount(point)
        try daemon.waitFor("revert") { try daemon.said("as queued") }
        try rig.mount(CommandRig.device("data"), on: point)
        try expectEqual(try rig.digest(point), old, "the files")
    }

    private static func hopelessRevert(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 2)
        let first = try rig.snapshot("data", "one")
        try write(&content, 0..<200, version: 2, to: "data", pauseMilliseconds: 0)
        let opener = open(CommandRig.device("data"), O_RDONLY | O_CLOEXEC)
        try expect(opener >= 0, "the volume cannot be opened")
        let queued = try rig.snapmgr.start(["revert", "\(first)", "--lazy-on-close"])
        try fill(leaving: 8 << 20)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        close(opener)
        try expectEqual(queued.status, 0, "status of the queueing: \(queued.errors)")
        try daemon.waitFor("word of it") { try daemon.said("no room for this revert") }
        BackgroundThread.sleep(milliseconds: 5000)
        let tries = try rig.snapmgr.run("events", "--json").output.count(of: "\"revert_failed\"")
        try expectEqual(tries, 1, "tries")
        try expectEqual(try daemon.log.count(of: "no room for this revert"), 1, "notes")
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
    }

    private static func suspended(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[1])
        try rig.create("other", on: rig.origins[0])
        var content = try rig.fill("other", version: 1, seed: 3)
        try fill(leaving: 12 << 20)
        try rig.snapshot("other", "one")
        unlink(filler)
        context.cleanUp { try Program.run("dmsetup", "resume", "snapmgr-data") }
        try Program.run("dmsetup", "suspend", "snapmgr-data")
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try daemon.waitFor("word of it") {
            try daemon.said("dmsetup resume snapmgr-data`")
        }
        let area = try area("other", 1)
        try daemon.waitFor("reserve of the other") { try area.allocatedBytes() > 32 << 20 }
        try write(&content, 0..<100, version: 2, to: "other", pauseMilliseconds: 20)
        try expectEqual(try daemon.log.count(of: "is suspended"), 1, "notes")
    }

    private static func prune(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 5)
        let config = "/run/snapmgr-daemon.toml"
        try TextFile.write(
            """
            policy = "few"
            free-space-floor = "32MiB"

            [volumes.data]

            [policies.few]
            last = 2
            include-manual = true
            """, to: config)
        var contents: [Int: DiskContent] = [:]
        for round in 0..<5 {
            let id = try rig.snapshot("data", "s\(round)")
            contents[id] = content
            try write(
                &content, round * 20..<round * 20 + 40, version: 2 + round, to: "data",
                pauseMilliseconds: 0)
        }
        let ids = contents.keys.sorted()
        let daemon = try RunningDaemon(context, rig.snapmgr, config: config)
        // Above its floor, it lets all of them be.
        try write(&content, 0..<4, version: 90, to: "data", pauseMilliseconds: 5)
        try expectEqual(
            try rig.snapmgr.run("list", "data", "--json").numbers("id"), ids, "ids")
        try fill(leaving: 20 << 20)
        try daemon.waitFor("pruning") {
            try rig.snapmgr.run("list", "data", "--json").numbers("id").count <= 2
        }
        try expectEqual(
            try rig.snapmgr.run("list", "data", "--json").numbers("id"),
            Array(ids.suffix(2)), "ids")
        try expect(!daemon.said("GIVEN UP"), "snapshots were given up")
        for id in ids.suffix(2) {
            let path = "/run/snapmgr-export"
            try rig.snapmgr.run("export", "\(id)", path)
            try contents[id]?.expect(on: FileDevice(path: path, access: .readOnly), "\(id)")
            unlink(path)
        }
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
    }

    private static func giveUp(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 6)
        try fill(leaving: 24 << 20)
        let first = try rig.snapshot("data", "one")
        try write(&content, 0..<2, version: 2, to: "data", pauseMilliseconds: 0)
        let second = try rig.snapshot("data", "two")
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try fill(leaving: 4 << 20)
        // Slowly until the daemon has given up, so that it comes before the kernel on a busy machine, too.
        for block in 0..<content.blockCount {
            let isSaid = try daemon.said("ITS SNAPSHOTS UP TO \(second)")
            try write(
                &content, block..<block + 1, version: 3, to: "data",
                pauseMilliseconds: isSaid ? 0 : 400)
        }
        try daemon.waitFor("word of it") { try daemon.said("ITS SNAPSHOTS UP TO \(second)") }
        // The kernel marks an area that it gives up in its header.
        let reader = AreaReader(
            device: try area("data", 2), format: AreaFormat(chunkBytes: 16 << 10),
            originChunkCount: 0)
        try expect(try reader.header().isValid, "the kernel gave it up itself")
        try expect(try storeFolder.freeBytes() > 0, "the store was filled to the last byte")
        let list = try rig.snapmgr.run("list", "data", "--json")
        try expectEqual(list.numbers("id"), [first, second], "ids")
        try expect(list.output.tail(after: "\"state\":\"active\"") == nil, list.output)
        try rig.snapmgr.fails(1, "export", "\(first)", "/run/none", saying: ["is broken"])
        try expect(
            try rig.snapmgr.run("events").output.contains("GIVEN UP"), "nothing in the events")
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
        // A new chain.
        unlink(filler)
        try rig.snapmgr.run("delete", "\(first)", "\(second)")
        let old = content
        let third = try rig.snapshot("data", "three")
        try write(&content, 0..<60, version: 4, to: "data", pauseMilliseconds: 0)
        let path = "/run/snapmgr-export"
        try rig.snapmgr.run("export", "\(third)", path)
        try old.expect(on: FileDevice(path: path, access: .readOnly), "the new snapshot")
        unlink(path)
        try rig.snapmgr.run("check", "data")
    }

    private static func idleInFullStore(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 7)
        try fill(leaving: 16 << 20)
        let first = try rig.snapshot("data", "one")
        let old = content
        try write(&content, 0..<4, version: 2, to: "data", pauseMilliseconds: 0)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try fill(leaving: 0)
        // Two of its longest pauses.
        BackgroundThread.sleep(milliseconds: 2 * 10_000 + 2000)
        try expect(!daemon.said("GIVEN UP"), "snapshots were given up")
        unlink(filler)
        let path = "/run/snapmgr-export"
        try rig.snapmgr.run("export", "\(first)", path)
        try old.expect(on: FileDevice(path: path, access: .readOnly), "the snapshot")
        unlink(path)
    }

    private static func lost(_ context: GuestContext) throws {
        let rig = try rig(context)
        try rig.create("data", on: rig.origins[0])
        var content = try rig.fill("data", version: 1, seed: 8)
        try fill(leaving: 16 << 20)
        let first = try rig.snapshot("data", "one")
        let daemon = try RunningDaemon(context, rig.snapmgr)
        // The kernel says itself that there is no more room; nobody could foresee it.
        let device = try require(
            KernelDeviceMapper().devices().first { device in
                if case .snapshot? = device.name.volumePart?.part { true } else { false }
            }, "device of the snapshot")
        try expect(!daemon.said("LOST"), "said too early")
        try fill(leaving: 0)
        try write(&content, 0..<content.blockCount, version: 2, to: "data", pauseMilliseconds: 0)
        try daemon.waitFor("word of it") {
            try daemon.said("LOST") || daemon.said("GIVEN UP")
        }
        try daemon.waitFor("end of the snapshot's device") {
            try KernelDeviceMapper().info(device.name) == nil
        }
        try expect(
            try rig.snapmgr.run("list", "data", "--json").output.contains("\"broken\""),
            "snapshot \(first) is not told as broken")
        try content.expect(on: DirectDevice(path: CommandRig.device("data")), "the volume")
    }

    private static func life(_ context: GuestContext) throws {
        let rig = try rig(context)
        let daemon = try RunningDaemon(context, rig.snapmgr)
        try rig.snapmgr.fails(11, "daemon", saying: ["another daemon"])
        try rig.create("data", on: rig.origins[1])
        let old = try rig.fill("data", version: 1, seed: 4)
        let first = try rig.snapshot("data", "one")
        _ = try rig.fill("data", version: 2, seed: 4)
        try rig.snapmgr.run("revert", "\(first)", "--no-wait")
        let reverts = FileFolder(path: CommandRig.store("data") + "/reverts")
        try daemon.waitFor("end of the merge") { try reverts.list("").isEmpty }
        try old.expect(on: DirectDevice(path: rig.origins[1]), "the origin")
        try rig.snapmgr.run("deactivate", "data")
        try rig.snapmgr.run("volume", "remove", "data", "--yes")
        try expectEqual(daemon.end(SIGTERM), 0, "status after SIGTERM")
        try expectEqual(
            try daemon.log, "snapmgr: note: watching the kernel's devices\n", "all that it said")
    }
}

import System
import DeviceMapper
import Glibc
import SnapshotModel
import TestKit

/// Volumes under device-mapper over NBD.
enum ServeCases {
    static let cases = [
        GuestCase("a client copies an old snapshot whole while writes and a new snapshot go on") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let old = try rig.fill("data", version: 1, seed: 7)
            let first = try rig.snapshot("data", "one")
            // Part of it lies in an area by now, part is shared with the volume.
            var live = old
            try rig.write(3, blocks: 0..<live.blockCount / 3, of: "data", &live)
            let second = try rig.snapshot("data", "two")
            let between = live
            let server = try NBDServer(rig, context, "data")
            let reader = try server.client("data@two")
            try between.expect(from: reader, "data@two")

            let file = "/run/snapmgr-copy.img"
            context.cleanUp { unlink(file) }
            let copy = try Program.start(["nbdcopy", server.uri("data@\(first)"), file])
            try rig.write(4, blocks: 0..<live.blockCount / 2, of: "data", &live)
            let third = try rig.snapshot("data", "three")
            try rig.write(5, blocks: live.blockCount / 4..<live.blockCount, of: "data", &live)
            try expectEqual(try Program.wait(for: copy), 0, "status of nbdcopy")
            try old.expect(on: FileDevice(path: file, access: .readOnly), "the copy")

            try between.expect(from: reader, "data@two, open all the time,")
            try old.expect(from: server.client("data@\(first)"), "data@\(first)")
            try between.expect(from: server.client("data@\(second)"), "data@\(second)")
            // A snapshot that was not there when the server started.
            _ = try server.client("data@\(third)")
            try live.expect(from: server.client("data"), "data")
        },
        GuestCase("an open snapshot reads the same before, in and after a merge") { context in
            let disk = try SlowDisk(context, disk: context.disks[0], mebibytes: 24)
            let rig = try CommandRig(context)
            try rig.create("data", on: disk.path)
            let old = try rig.fill("data", version: 1, seed: 8)
            let first = try rig.snapshot("data", "one")
            var new = old
            try rig.fillScattered(&new, "data", version: 2)
            try rig.snapshot("data", "two")
            let server = try NBDServer(rig, context, "data")
            let older = try server.client("data@one")
            let newer = try server.client("data@two")
            try disk.delayWrites(milliseconds: 4000)
            context.cleanUp { try disk.delayWrites(milliseconds: 0) }
            try rig.snapmgr.run("revert", "\(first)", "--yes")
            try old.expect(from: server.client("data"), "the volume in mid-merge")
            try old.expect(from: older, "data@one in mid-merge")
            try new.expect(from: newer, "data@two in mid-merge")
            try new.expect(from: server.client("data@two"), "data@two, opened in mid-merge,")
            try expect(
                try !rig.snapmgr.run("merge", "status", "--json").numbers("revert_id").isEmpty,
                "the merge was over before all was read")
            try disk.delayWrites(milliseconds: 0)
            try rig.waitForMerges()
            try old.expect(from: older, "data@one after the merge")
            try new.expect(from: newer, "data@two after the merge")
            try new.expect(from: server.client("data@two"), "data@two, opened after the merge,")
        },
        GuestCase("what a client writes is on the disk after a flush, and in a snapshot before") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            var content = try rig.fill("data", version: 1, seed: 9)
            try rig.snapshot("data", "one")
            let old = content
            let server = try NBDServer(rig, context, "data")
            // Blocks of version 0 are holes of the file: nbdcopy has the server zero them.
            let file = "/run/snapmgr-source.img"
            context.cleanUp { unlink(file) }
            content.set(0, blocks: 8..<40)
            content.set(6, blocks: 40..<64)
            let source = try FileDevice(path: file, access: .create)
            try source.resize(to: content.byteCount)
            try content.writeAllButZeroes(to: source)
            try Program.run("nbdcopy", "--flush", file, server.uri("data"))
            // Below the volume's page cache, which a read of the volume itself would see or write
            // out.
            let origin = try DirectDevice(path: rig.origins[0], isReadOnly: true)
            try content.expect(on: origin, "the origin after a copy")

            let client = try server.client("data")
            // No sector's boundary: the rest of the sectors stays.
            let offset = content.range(of: 70).lowerBound + 100
            let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try client.write(bytes, at: offset, isDurable: true)
            try expectEqual(try rig.bytes(origin, at: offset, count: 1000), bytes, "FUA's bytes")
            content.set(7, blocks: 70..<71)
            try client.write(
                content.bytes(of: 70..<71).bytes.array, at: content.range(of: 70).lowerBound)
            let taken = try rig.snapshot("data", "two")
            content.set(8, blocks: 71..<72)
            let later = content.bytes(of: 71..<72).bytes.array
            try client.write(later, at: content.range(of: 71).lowerBound)
            try client.flush()
            try content.expect(on: origin, "the origin after a flush")
            content.set(1, blocks: 71..<72)
            try content.expect(from: server.client("data@\(taken)"), "the snapshot")
            try old.expect(from: server.client("data@one"), "data@one")
            try expectFailure("a write to a snapshot") {
                try server.client("data@one").write([1], at: 0)
            }
        },
        GuestCase("a snapshot that clients read is deleted only when the last one has gone") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            _ = try rig.fill("data", version: 1, seed: 1)
            let first = try rig.snapshot("data", "one")
            try rig.snapshot("data", "two")
            let server = try NBDServer(rig, context, "data")
            var clients = [try server.client("data@one"), try server.client("data@\(first)")]
            while !clients.isEmpty {
                try rig.snapmgr.fails(
                    13, "delete", "\(first)",
                    saying: [
                        "opened by \(try server.description())",
                        "NBD client of export data@\(first)",
                    ])
                try rig.snapmgr.fails(13, "deactivate", "data", saying: [try server.description()])
                _ = try clients.removeLast().read(0..<4096)
            }
            try rig.waitForNoViews()
            try rig.snapmgr.run("delete", "\(first)")
            try server.refuses("data@\(first)")
            try rig.snapmgr.run("deactivate", "data")
            try server.refuses("data")
            try server.refuses("data@two")
            try rig.snapmgr.run("activate", "data")
            _ = try server.client("data@two").read(0..<4096)
        },
        GuestCase("clients come and go while snapshots are taken and deleted, and none is refused")
        {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let contents = try ["one", "two"].enumerated().map { index, name in
                let content = try rig.fill("data", version: 1 + index, seed: 5)
                try rig.snapshot("data", name)
                return (export: "data@\(name)", content: content)
            }
            _ = try rig.fill("data", version: 3, seed: 5)
            let server = try NBDServer(rig, context, "data")
            let visits = Visits(socket: server.socket, contents: contents)
            visits.begin(threadCount: 3)
            context.cleanUp { visits.end() }
            var rounds = 0
            while rounds < 3 || visits.count < 20 && visits.failures.isEmpty {
                let id = try rig.snapshot("data", "passing")
                try rig.snapmgr.run("delete", "\(id)")
                rounds += 1
            }
            visits.end()
            let log = try server.log
            try expectEqual(
                visits.failures, [], "what clients met, while the server said: \(log)")
            try rig.waitForNoViews()
        },
        GuestCase("a revert is refused while a client has the volume open, and names the server") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            let old = try rig.fill("data", version: 1, seed: 2)
            let first = try rig.snapshot("data", "one")
            let new = try rig.fill("data", version: 2, seed: 2)
            let server = try NBDServer(rig, context, "data")
            var client: NBDClient? = try server.client("data")
            try rig.snapmgr.fails(
                13, "revert", "\(first)", "--yes",
                saying: ["opened by \(try server.description())", "NBD client of export data"])
            if let client { try new.expect(from: client, "the volume after the refusal") }
            client = nil
            try rig.waitForNoOpener(of: "data")
            try rig.snapmgr.run("revert", "\(first)", "--yes")
            try old.expect(from: server.client("data"), "the volume after the revert")
            try rig.waitForMerges()
        },
        GuestCase("a volume is either mounted or written to by clients, and never both") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.snapshot("data", "one")
            let server = try NBDServer(rig, context, "data")
            try expectFailure("a client of a volume that is mounted") {
                _ = try server.client("data")
            }
            // Its snapshots are read all the same.
            _ = try server.client("data@one")
            try rig.unmount(point)
            var clients = [try server.client("data"), try server.client("data")]
            for _ in 0..<2 {
                try expectFailure("a mount of what a client may write to") {
                    try rig.mount(CommandRig.device("data"), on: point)
                }
                clients.removeLast()
                if !clients.isEmpty { BackgroundThread.sleep(milliseconds: 500) }
            }
            try rig.waitForNoOpener(of: "data")
            try rig.mount(CommandRig.device("data"), on: point)
        },
        GuestCase("what a killed server had open is swept by a delete, and by the next server") {
            context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            _ = try rig.fill("data", version: 1, seed: 3)
            let first = try rig.snapshot("data", "one")
            _ = try rig.fill("data", version: 2, seed: 3)
            try rig.snapshot("data", "two")
            for isDeletedNext in [false, true] {
                let server = try NBDServer(rig, context, "data")
                try expectEqual(try rig.views(), [], "views that the next server finds")
                let client = try server.client("data@\(first)")
                _ = try client.read(0..<4096)
                server.kill()
                try expectEqual(try rig.views(), [SnapshotID(rawValue: Int64(first))], "views left")
                if isDeletedNext {
                    try rig.snapmgr.run("delete", "\(first)", "--dry-run")
                    try rig.snapmgr.run("delete", "\(first)")
                }
            }
            try expectEqual(try rig.views(), [], "views")
            try rig.snapmgr.run("deactivate", "data")
            let loops = try LoopDevice.all().filter {
                $0.backingPath.hasPrefix(CommandRig.storeRoot)
            }
            try expectEqual(loops.map(\.path), [], "loop devices on stores")
        },
        GuestCase("what is active is served beside images, what is not is refused with the command")
        { context in
            let rig = try CommandRig(context)
            try rig.create("data", on: rig.origins[0])
            try rig.create("idle", on: rig.origins[1])
            let image = "\(CommandRig.storeRoot)/image.img"
            try rig.snapmgr.run(
                "volume", "create", "image", "--origin", image, "--create-size", "4M")
            let content = try rig.fill("data", version: 1, seed: 4)
            let first = try rig.snapshot("data", "one")
            try rig.snapmgr.run("deactivate", "idle")
            try rig.snapmgr.fails(
                13, "serve", "data", "idle", "--socket", "/run/snapmgr-no.sock",
                saying: ["volume idle is not active", "snapmgr activate idle"])
            let server = try NBDServer(rig, context)
            try server.client("image").write([1, 2, 3], at: 5)
            let imaged = try rig.snapshot("image", "one")
            try expectEqual(
                try server.client("image@\(imaged)").read(5..<8), [1, 2, 3], "the image's snapshot")
            try content.expect(from: server.client("data@one"), "data@one")
            try server.refuses("idle")
            let list = "/run/snapmgr-exports"
            context.cleanUp { unlink(list) }
            try Program.run("sh", "-c", "nbdinfo --list '\(server.uri(""))' >\(list)")
            let exports = try TextFile.read(list)
            for name in ["data", "image", "data@\(first)", "image@\(imaged)"] {
                try expect(exports.tail(after: "export=\"\(name)\":") != nil, exports)
            }
            server.stop()
            // Clients that went before it ended have left nothing.
            try expectEqual(try rig.views(), [], "views")
        },
    ]
}

/// Clients that connect, read a little and go, on several threads, until they are told to end.
private final class Visits: Sendable {
    private let socket: String
    private let contents: [(export: String, content: DiskContent)]
    private let state = Monitored(State())

    private struct State {
        var isWanted = true
        var running = 0
        var count = 0
        var failures: [String] = []
    }

    init(socket: String, contents: [(export: String, content: DiskContent)]) {
        self.socket = socket
        self.contents = contents
    }

    var count: Int { state.withLock(\.count) }
    var failures: [String] { state.withLock(\.failures) }

    func begin(threadCount: Int) {
        state.withLock { $0.running = threadCount }
        for seed in 0..<threadCount {
            BackgroundThread.start(name: "visits") { [self] in
                var random = SeededGenerator(seed: UInt64(seed))
                while state.withLock(\.isWanted) {
                    let (export, content) = contents[random.below(contents.count)]
                    do {
                        try visit(export, content, block: random.below(content.blockCount))
                    } catch {
                        state.withLock { $0.failures.append("\(export): \(error)") }
                    }
                }
                state.change { $0.running -= 1 }
            }
        }
    }

    private func visit(_ export: String, _ content: DiskContent, block: Int) throws {
        let client = try NBDClient(socket: socket, export: export)
        let bytes = try client.read(content.range(of: block))
        let difference = content.difference(of: bytes.span.bytes, from: block..<block + 1)
        state.withLock { state in
            state.count += 1
            if let difference { state.failures.append("\(export) \(difference)") }
        }
    }

    /// Returns when all threads have ended.
    func end() {
        state.withLock { $0.isWanted = false }
        _ = state.wait { $0.running == 0 ? true : nil }
    }
}

extension CommandRig {
    /// Writes some blocks of a volume's device, and notes it.
    fileprivate func write(
        _ version: Int, blocks: Range<Int>, of volume: String, _ content: inout DiskContent
    ) throws {
        content.set(ChunkPattern.Version(version), blocks: blocks)
        let device = try DirectDevice(path: Self.device(volume))
        for block in blocks { try content.write(block..<block + 1, to: device) }
    }

    /// Bytes of a device at any offset.
    fileprivate func bytes(_ device: DirectDevice, at offset: Int, count: Int) throws -> [UInt8] {
        let start = offset / 4096 * 4096
        var buffer = AlignedBuffer(count: (offset + count - start + 4095) / 4096 * 4096)
        try device.read(into: &buffer, at: start)
        return Array(buffer.bytes.array[offset - start..<offset - start + count])
    }

    /// The snapshots that have a device.
    fileprivate func views() throws -> [SnapshotID] {
        try KernelDeviceMapper().devices().compactMap { device in
            if case .view(let id) = device.name.volumePart?.part { id } else { nil }
        }
    }

    /// The server closes behind a client that has gone.
    fileprivate func waitForNoViews() throws {
        let deadline = Deadline(milliseconds: 300_000)
        while try !views().isEmpty {
            try expect(!deadline.hasPassed, "the last client's end leaves a view")
            BackgroundThread.sleep(milliseconds: 20)
        }
    }

    fileprivate func waitForNoOpener(of volume: String) throws {
        let deadline = Deadline(milliseconds: 300_000)
        let name = DeviceName(volume: volume, .mounted)
        while try KernelDeviceMapper().info(name)?.openCount ?? 0 > 0 {
            try expect(!deadline.hasPassed, "the client's end leaves \(name) open")
            BackgroundThread.sleep(milliseconds: 20)
        }
    }
}

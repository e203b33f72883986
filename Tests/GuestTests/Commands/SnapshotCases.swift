import System
import Glibc
import Synchronization

/// Snapshots of a filesystem in use, and what they show.
enum SnapshotCases {
    static let cases = [
        GuestCase("a snapshot of a busy ext4 mounts clean and holds what was there") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point + "/tree", seed: 1)
            let before = try rig.digest(point + "/tree")
            let writer = try LogWriter(point + "/log")
            defer { writer.stop() }
            try writer.waitForLines(20)
            let early = writer.lineCount
            try rig.snapshot("data", "one")
            let late = writer.lineCount
            try rig.fill(point + "/tree", seed: 2)
            try rig.snapshot("data", "two")
            writer.stop()

            let view = try rig.viewFolder("one")
            try rig.snapmgr.run("mount", "data@one", view)
            try expectEqual(try rig.digest(view + "/tree"), before, "the snapshot's files")
            let lines = try TextFile.read(view + "/log").split(separator: "\n").count
            try expect(
                // One may be in it that the writer has not counted yet.
                early <= lines && lines <= late + 1,
                "\(lines) lines in the snapshot, taken between \(early) and \(late)")
            try rig.checkFilesystem(RigNames.view("data", 1))
            try expect(mkdir(view + "/new", 0o700) != 0 && errno == EROFS, "it can be written")
            try rig.snapmgr.run("umount", view)
            try expect(access(RigNames.view("data", 1), F_OK) != 0, "the view's device stays")
        },
        GuestCase("a prune spares a mounted snapshot, and takes the others") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            var ids: [Int] = []
            for (seed, name) in ["one", "two", "three"].enumerated() {
                try rig.fill(point, seed: UInt64(seed))
                ids.append(try rig.snapshot("data", name))
            }
            let config = "/run/snapmgr-prune.toml"
            try TextFile.write(
                """
                [policies.p]
                last = 1
                include-manual = true
                [volumes.data]
                policy = "p"
                """, to: config)
            let view = try rig.viewFolder("one")
            try rig.snapmgr.run("mount", "data@one", view)
            let plan = try rig.snapmgr.run("--config", config, "prune", "-n", "--explain")
            try expect(plan.output.contains("it is mounted on \(view)"), plan.output)
            try expect(plan.output.contains("snapmgr umount \(view)"), plan.output)
            try rig.snapmgr.run("--config", config, "prune")
            func left() throws -> [Int] {
                try rig.snapmgr.run("list", "data", "--json").numbers("id")
            }
            try expectEqual(left(), [ids[0], ids[2]], "what the prune left")
            try rig.snapmgr.run("umount", view)
            try rig.snapmgr.run("--config", config, "prune")
            try expectEqual(left(), [ids[2]], "what the next prune left")
        },
        GuestCase("list, show, diff and export tell of a volume under device-mapper") { context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            try rig.fill(point, seed: 3)
            let before = try rig.digest(point)
            let first = try rig.snapshot("data", "one")
            try rig.fill(point, seed: 4)
            let second = try rig.snapshot("data", "two")

            let list = try rig.snapmgr.run("list", "data", "--json")
            try expectEqual(list.numbers("id"), [first, second], "ids")
            let show = try rig.snapmgr.run("volume", "show", "data", "--json")
            try expectEqual(show.text("driver"), "dm", "driver")
            try expectEqual(show.text("state"), "active", "state")
            try expectEqual(show.text("device"), CommandRig.device("data"), "device")
            try expectEqual(show.text("origin"), rig.origins[0], "origin")
            let status = try rig.snapmgr.run("status", "--json")
            try expectEqual(status.text("state"), "active", "state in status")
            let diff = try rig.snapmgr.run("diff", "\(first)", "data@live", "--json")
            try expect((diff.number("changed_bytes") ?? 0) > 0, "nothing changed: \(diff.output)")
            // On the disk of the stores, which has the room.
            let file = "\(CommandRig.storeRoot)/one.img"
            try rig.snapmgr.run("export", "\(first)", file)
            try rig.checkFilesystem(file)
            let view = try rig.viewFolder("export")
            try Program.run("mount", "-o", "loop,ro,noload", file, view)
            try expectEqual(try rig.digest(view), before, "the exported files")
        },
        GuestCase("a deleted snapshot is gone, the others are whole, a mounted one stays") {
            context in
            let rig = try CommandRig(context)
            let point = try rig.createMounted("data")
            var contents: [[String]] = []
            for (index, name) in ["one", "two", "three"].enumerated() {
                try rig.fill(point, seed: UInt64(10 + index))
                contents.append(try rig.digest(point))
                try rig.snapshot("data", name)
            }
            try rig.fill(point, seed: 20)
            let views = try [rig.viewFolder("first"), rig.viewFolder("third")]
            try rig.snapmgr.run("mount", "data@one", views[0])
            try rig.snapmgr.fails(
                13, "delete", "data@one", saying: ["mounted on \(views[0])", "snapmgr umount"])
            try rig.snapmgr.run("delete", "data@two")
            try rig.snapmgr.fails(4, "mount", "2", views[1])
            try rig.snapmgr.run("mount", "data@three", views[1])
            try expectEqual(try rig.digest(views[0]), contents[0], "the first snapshot")
            try expectEqual(try rig.digest(views[1]), contents[2], "the third snapshot")
            for view in views { try rig.snapmgr.run("umount", view) }
            try rig.snapmgr.run("check", "--data")
        },
    ]
}

/// Names that the contract of the command line gives.
enum RigNames {
    static func view(_ volume: String, _ id: Int) -> String {
        "/dev/mapper/snapmgr-\(volume)@\(id)"
    }
}

/// Appends lines to a file until it is stopped, each durable before the next.
final class LogWriter: Sendable {
    private struct State {
        var lineCount = 0
        var isStopping = false
    }

    private let state = Monitored(State())
    private let thread = Mutex<BackgroundThread?>(nil)

    init(_ path: String) throws {
        let state = state
        let started = try BackgroundThread.startIfPossible(name: "log-writer") {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            defer { close(descriptor) }
            var number = 0
            while !state.withLock({ $0.isStopping }) {
                let line = "line \(number)\n"
                guard write(descriptor, line, line.utf8.count) > 0, fdatasync(descriptor) == 0
                else { return }
                number += 1
                let count = number
                state.change { $0.lineCount = count }
                BackgroundThread.sleep(milliseconds: 2)
            }
        }
        thread.withLock { $0 = started }
    }

    /// How many lines are durable.
    var lineCount: Int { state.withLock { $0.lineCount } }

    func waitForLines(_ count: Int) throws {
        let isThere: Bool? = state.wait(milliseconds: 300_000) {
            $0.lineCount >= count ? true : nil
        }
        try expect(isThere == true, "the writer has written \(lineCount) lines only")
    }

    func stop() {
        state.change { $0.isStopping = true }
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

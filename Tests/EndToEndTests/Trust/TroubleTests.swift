import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// One volume's trouble is its own: the others are served, pruned and told as ever.
    @Suite(.serialized) struct TroubleTests {
        @Test("H5: a stopped server, a silent control socket and a FIFO stop nothing else")
        func others() throws {
            let scene = try Scene()
            try scene.beginTrouble()
            let tick = try scene.harness.run("tick", "--no-prune")
            #expect(tick.status == 3, "\(tick.errors)")
            #expect(try scene.snapshotCount("healthy") == 3)
            #expect(try scene.snapshotCount("stopped") == 2)

            let prune = try scene.harness.run("prune")
            #expect(prune.status == 3, "\(prune.errors)")
            #expect(try scene.snapshotCount("healthy") == 1)

            let status = try scene.harness.run("status")
            #expect(status.status == 0, "\(status.errors)")
            for name in ["fifo", "healthy", "stopped", "silent"] {
                #expect(status.output.contains("\n\(name) "), "\(status.output)")
            }
            #expect(status.output.contains("warning: volume silent: "), "\(status.output)")
            #expect(status.output.contains("process \(scene.stoppedID)"), "\(status.output)")
            #expect(!status.output.contains("warning: volume healthy"))

            let metrics = try scene.harness.run("status", "--prometheus")
            #expect(metrics.status == 0, "\(metrics.errors)")
            #expect(metrics.output.contains("volume=\"healthy\""))
            for verb in [["list"], ["volume", "list"], ["merge", "status"]] {
                let result = try scene.harness.run(verb)
                #expect(result.status == 0, "\(verb): \(result.errors)")
            }
            let plugin = try scene.harness.run("status", "--nagios")
            #expect((1...3).contains(plugin.status))
            #expect(plugin.output.contains("volume stopped"), "\(plugin.output)")
            #expect(plugin.output.contains("volume silent"))
        }

        @Test("H5: what is asked of a stopped server ends, and says how to go on")
        func stopped() throws {
            let scene = try Scene()
            try scene.stopServer()
            let snapshot = try scene.harness.run("snapshot", "stopped")
            #expect(snapshot.status == 1)
            #expect(
                snapshot.errors.contains("kill -CONT \(scene.stoppedID)"), "\(snapshot.errors)")
            scene.goOn()
            try scene.harness.succeed("snapshot", "stopped")
        }

        @Test("H5: a plugin that is ended while it waits for a server ends with 3")
        func endedPlugin() throws {
            let scene = try Scene()
            try scene.stopServer()
            // It waits for some seconds. Where the test is slower than that, the plugin has ended
            // with what it found: then again.
            var (status, text) = (Int32(0), "")
            for _ in 0..<20 where status < 3 {
                (status, text) = try endPlugin(scene)
            }
            #expect(status == 3, "\(status): \(text)")
            #expect(text.contains("UNKNOWN"), "\(text)")
        }

        /// Starts the plugin and ends it while it waits; its status, and what it said.
        private func endPlugin(_ scene: Scene) throws -> (Int32, String) {
            let plugin = try scene.harness.start("status", "--nagios")
            try scene.harness.await("the thread that waits for signals") {
                guard plugin.process.isRunning else { return true }
                let status = try scene.harness.commandLine.text(
                    "/proc/\(plugin.process.id)/status")
                let mask = status.firstMatch(of: /SigBlk:\s+([0-9a-f]+)/).map { $0.1 } ?? "0"
                return (UInt64(mask, radix: 16) ?? 0) & (1 << (SIGTERM - 1)) != 0
            }
            plugin.process.send(SIGTERM)
            return try (
                plugin.wait(), scene.harness.commandLine.text(plugin.files.output)
            )
        }

        @Test(
            "H5: a FIFO in the place of a file stops nothing else, and the plugin ends with 0 to 3",
            arguments: [
                "volume.json", "lock", "snapshots/000001/manifest.json",
                "snapshots/000001/area.cow", "../../../silent.img",
            ])
        func fifo(path: String) throws {
            let scene = try Scene()
            try scene.replaceByFIFO("state/stores/silent/" + path)
            try scene.harness.advance(minutes: 15)
            for verb in [["tick", "--no-prune"], ["prune"]] {
                let result = try scene.harness.run(verb)
                #expect(result.status == 0 || result.status == 3, "\(verb): \(result)")
            }
            #expect(try scene.snapshotCount("healthy") == 1)
            for verb in [["status"], ["list"], ["status", "--prometheus"]] {
                let result = try scene.harness.run(verb)
                #expect(result.status == 0, "\(verb): \(result)")
                #expect(result.output.contains("healthy"))
            }
            let plugin = try scene.harness.run("status", "--nagios")
            #expect((0...3).contains(plugin.status), "\(plugin)")
        }

        @Test("H5: a FIFO in the place of the catalog is told, and the plugin ends with 3")
        func catalog() throws {
            let scene = try Scene()
            try scene.replaceByFIFO("state/catalog.sqlite")
            for verb in [["tick"], ["prune"], ["status"], ["list"], ["status", "--prometheus"]] {
                let result = try scene.harness.run(verb)
                #expect(result.status == 1, "\(verb): \(result)")
                #expect(result.errors.contains("catalog.sqlite is no"), "\(result.errors)")
            }
            #expect(try scene.harness.run("status", "--nagios").status == 3)
            try scene.harness.succeed("catalog", "rebuild")
            try scene.harness.succeed("snapshot", "healthy")
        }
    }
}

/// Four volumes with two scheduled snapshots each: one that stays healthy, one whose server will be
/// stopped, one that gets a FIFO, and one whose control socket will be that of something that never says a word.
private final class Scene {
    let harness: ScheduledHarness
    private var server: ChildProcess?
    private var holder: ChildProcess?
    private var listener: Listener?
    private(set) var stoppedID: Int32 = 0

    init() throws {
        harness = try ScheduledHarness(
            """
            time-zone = "UTC"
            policy = "p"
            free-space-floor = "0"
            [volumes.fifo]
            schedules = ["q"]
            [volumes.healthy]
            schedules = ["q"]
            [volumes.silent]
            schedules = ["q"]
            [volumes.stopped]
            schedules = ["q"]
            [schedules.q]
            every = "15m"
            [policies.p]
            last = 1
            """, volumes: ["fifo", "healthy", "silent", "stopped"], start: "2026-11-23 00:01:01")
        try harness.succeed("tick")
        for minutes in [14.5, 15] {
            try harness.advance(minutes: minutes)
            try harness.succeed("tick", "--no-prune")
        }
    }

    deinit {
        goOn()
        server?.end()
        holder?.end()
    }

    /// The next slot is due then.
    func beginTrouble() throws {
        try stopServer()
        try beSilent()
        try replaceByFIFO("state/stores/fifo/snapshots/000001/manifest.json")
        try harness.advance(minutes: 15)
    }

    func snapshotCount(_ volume: String) throws -> Int { try harness.snapshots(volume).count }

    func stopServer() throws {
        let started = try harness.commandLine.start([
            CommandLineHarness.binary, "serve", "stopped", "--socket", "stopped.sock",
        ])
        server = started.process
        try harness.await("the server") {
            guard started.process.isRunning else {
                throw Problem(.failed, try harness.commandLine.text(started.files.errors))
            }
            // Stopped before it listens, it would be no server that does not answer. A server
            // that takes no name answers all the same.
            do {
                _ = try NBDClient(socket: harness.path("stopped.sock"), export: "none")
            } catch let problem as Problem {
                return problem.code == .notFound
                    && harness.exists("state/stores/stopped/control.sock")
            }
            return false
        }
        started.process.send(SIGSTOP)
        stoppedID = started.process.id
    }

    func goOn() { server?.send(SIGCONT) }

    private func beSilent() throws {
        let store = harness.path("state/stores/silent")
        listener = try Listener(path: store + "/control.sock")
        holder = try harness.commandLine.start([
            "flock", "--no-fork", store + "/lock", "sh", "-c", "touch held; exec sleep 6000",
        ]).process
        try harness.await("the lock") { harness.exists("held") }
    }

    func replaceByFIFO(_ name: String) throws {
        let path = harness.path(name)
        guard unlink(path) == 0, mkfifo(path, 0o600) == 0 else {
            throw Problem(.failed, "\(path) cannot be replaced: error \(errno)")
        }
    }
}

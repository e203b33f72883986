import Foundation
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// A server that is stopped, as systemd does it, while clients are at work.
    @Suite struct ServedStopTests {
        private static let clientCount = 6
        private static let cellsEach = 64
        private static let stride = 4096

        @Test("daily 2: a stop answers no request with an error, and keeps what was acknowledged")
        func stopUnderLoad() throws {
            let served = try ServedHarness(size: "8M")
            try served.snapshot()
            for round in 0..<10 {
                let logs = (0..<Self.clientCount).map { _ in WriteLog() }
                let writers = logs.enumerated().map { number, log in
                    let first = number * Self.cellsEach
                    // The version's remainder by 16 makes some writes durable at once.
                    let version = 2 + round * 1_000_000
                    return Background { isWanted in
                        try log.write(
                            served, first..<first + Self.cellsEach, stride: Self.stride,
                            first: version, while: isWanted)
                    }
                }
                let deadline = Instant.now + Instant.patience
                while logs.contains(where: { $0.acknowledgedCounts.allSatisfy { $0.value == 0 } }) {
                    guard Instant.now < deadline else {
                        throw Problem(.failed, "nothing is written")
                    }
                    Instant.sleep(0.005)
                }
                try served.stop()
                // An answer with an error ends a writer with it; a lost connection does not.
                for writer in writers { try writer.join() }
                try served.serve()
                try check(logs, served)
            }
        }

        /// Each cell holds a version that it may hold.
        private func check(_ logs: [WriteLog], _ served: ServedHarness) throws {
            let client = try served.client()
            for (number, log) in logs.enumerated() {
                for (cell, count) in log.acknowledgedCounts where count > 0 {
                    let start = cell * Self.stride
                    let bytes = try client.read(start..<start + Cell.byteCount)
                    let allowed = log.versions(of: cell, from: count, 0)
                    let version = try #require(
                        Cell.version(of: bytes, cell: cell), "client \(number), cell \(cell)")
                    #expect(allowed.contains(version), "client \(number), cell \(cell)")
                }
            }
        }
    }

    /// What a server does when it is told to look again.
    @Suite struct ServedReloadTests {
        @Test("daily 23: on SIGHUP a server takes up new volumes, and what it serves goes on")
        func reload() throws {
            let served = try ServedHarness()
            let client = try served.client()
            try served.commandLine.json(
                "volume", "create", "later", "--origin", "later.img", "--create-size", "1M")
            #expect(throws: (any Error).self) { try served.client("later") }
            served.reload()
            let deadline = Instant.now + Instant.patience
            while (try? served.client("later")) == nil, Instant.now < deadline {
                Instant.sleep(0.02)
            }
            try served.qemu("later", "write -P 1 0 64K", "read -P 1 0 64K")
            try served.snapshot("later")
            #expect(try client.read(0..<1) == [0])
            try served.stop()
        }

        @Test(
            "the settings say which volumes have a log of first writes, also those taken up later")
        func logsOfSettings() throws {
            let commandLine = try CommandLineHarness()
            let settings = "write-back = \"1MiB\"\n[volumes.without]\nwrite-back = \"off\"\n"
            try settings.write(
                toFile: commandLine.folder + "/settings.toml", atomically: true, encoding: .utf8)
            func create(_ volume: String) throws {
                try commandLine.json(
                    "volume", "create", volume, "--origin", "\(volume).img", "--create-size", "1M")
            }
            for volume in ["data", "without"] { try create(volume) }
            let served = try ServedHarness(
                serving: commandLine, serveOptions: ["--config", "settings.toml"])
            func hasLog(_ volume: String) throws -> Bool {
                let client = try served.client(volume)
                try client.write([UInt8](repeating: 1, count: 512), at: 0)
                let shown = try commandLine.json("volume", "show", volume)["volume"]
                let store = try #require((shown as? [String: Any])?["store"] as? String)
                return FileManager.default.fileExists(atPath: store + "/write-back.log")
            }
            #expect(try hasLog("data"))
            #expect(try !hasLog("without"))
            try create("later")
            served.reload()
            let deadline = Instant.now + Instant.patience
            while (try? served.client("later")) == nil, Instant.now < deadline {
                Instant.sleep(0.02)
            }
            #expect(try hasLog("later"))
            try "bogus = 1\n".write(
                toFile: commandLine.folder + "/settings.toml", atomically: true, encoding: .utf8)
            try create("last")
            served.reload()
            while (try? served.client("last")) == nil, Instant.now < deadline {
                Instant.sleep(0.02)
            }
            #expect(try !hasLog("last"))
            #expect(served.serverMessages.contains("bogus"), "\(served.serverMessages)")
            try served.stop()
        }

        @Test("daily 23: SIGHUP does not end a server that starts")
        func reloadWhileStarting() throws {
            let served = try ServedHarness()
            try served.stop()
            for _ in 0..<5 {
                // From the moment on at which nbdkit has the process.
                let ringing = Background { isWanted in
                    while isWanted() {
                        if served.isNBDKit { served.reload() }
                        Instant.sleep(0.001)
                    }
                }
                try served.serve()
                try ringing.stop()
                #expect(try served.client().read(0..<1) == [0])
                try served.stop()
            }
        }

        @Test("M7: a copied state ends nothing that the one which it was copied from serves")
        func copiedState() throws {
            let served = try ServedHarness()
            let client = try served.client()
            _ = try served.commandLine.tool(["cp", "-a", "state", "copy"])
            let result = try served.commandLine.run(
                "volume", "remove", "data", "--yes", "--force",
                environment: ["SNAPMGR_STATE": served.path("copy")])
            #expect(result.status == 0 && result.errors.contains("it stays"), "\(result.errors)")
            #expect(try client.read(0..<1) == [0])
            try served.snapshot()
        }

        @Test(
            "H5: a list that cannot be had, or leaves out what is open, takes nothing from clients")
        func reloadWithoutList() throws {
            let served = try ServedHarness("data", "other", "read")
            let client = try served.client()
            let reader = try served.client("read@\(served.snapshot("read"))")
            let catalog = served.path("state/catalog.sqlite")
            for (name, after) in [
                ("gone", "the volumes are served as before"),
                ("empty", "it is served until the next look"),
            ] {
                try FileManager.default.moveItem(atPath: catalog, toPath: catalog + ".aside")
                if name == "empty" {
                    try served.commandLine.json(
                        "volume", "create", "third", "--origin", "third.img", "--create-size", "1M")
                }
                served.reload()
                let deadline = Instant.now + Instant.patience
                while !served.serverMessages.contains(after), Instant.now < deadline {
                    Instant.sleep(0.02)
                }
                #expect(served.serverMessages.contains(after), "\(served.serverMessages)")
                #expect(try client.read(0..<1) == [0])
                #expect(try reader.read(0..<1) == [0])
                try? FileManager.default.removeItem(atPath: catalog)
                try FileManager.default.moveItem(atPath: catalog + ".aside", toPath: catalog)
            }
            #expect(throws: (any Error).self) { try served.client("other") }
            try served.stop()
        }
    }
}

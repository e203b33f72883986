import Foundation
import SnapshotModel
import TestKit
import Testing

/// `setup` as people run it, without root's places.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct SetupCommandTests {
    private func scene() throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try Data().write(to: URL(filePath: harness.folder + "/snapmgr.toml"))
        try Data(count: 1 << 20).write(to: URL(filePath: harness.folder + "/vm1.img"))
        return harness
    }

    private static let config = ["--config", "snapmgr.toml"]

    @Test func anImageIsUnderSnapshotsByOneCommandAndCheckedSettings() throws {
        let harness = try scene()
        let result = try harness.run(Self.config + ["setup", "vm1.img", "--every", "90m"])
        #expect(result.status == 0, "\(result.errors)")
        for words in [
            "volume    vm1  made", "conf.d/vm1.toml  made",
            "nbd+unix:///vm1?socket=\(harness.folder)/state/nbd.sock", "snapmgr snapshot vm1",
            "serve vm1 --socket", "virsh edit", "qm set VMID",
        ] {
            #expect(result.output.contains(words), "\(words): \(result.output)")
        }
        let settings = try harness.text(harness.folder + "/conf.d/vm1.toml")
        #expect(settings.contains("every = \"1h30m\""))
        let check = try harness.run(Self.config + ["config", "check"])
        #expect(check.status == 0)
        #expect(!check.output.contains("warning"), "\(check.output)")
        #expect(try harness.run(Self.config + ["snapshot", "vm1"]).status == 0)
    }

    @Test func whatADryRunTellsIsWhatIsDoneAndItMakesNothing() throws {
        let harness = try scene()
        let before = try FileManager.default.subpathsOfDirectory(atPath: harness.folder)
            .filter { !$0.hasPrefix(".") }
        let told = try document(harness, ["setup", "vm1.img", "--dry-run"])
        let after = try FileManager.default.subpathsOfDirectory(atPath: harness.folder)
            .filter { !$0.hasPrefix(".") }
        #expect(before.sorted() == after.sorted())
        let done = try document(harness, ["setup", "vm1.img"])
        let (planned, made) = (try #require(told["settings"]), try #require(done["settings"]))
        #expect(planned["text"] as? String == made["text"] as? String)
        #expect(planned["action"] as? String == "planned")
        #expect(made["action"] as? String == "made")
        #expect(
            try harness.text(harness.folder + "/conf.d/vm1.toml") == made["text"] as? String)
    }

    private func document(
        _ harness: CommandLineHarness, _ arguments: [String]
    ) throws -> [String: [String: Any]] {
        let result = try harness.run(Self.config + arguments + ["--json"])
        #expect(result.status == 0, "\(result.errors)")
        let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        let setup = (value as? [String: Any])?["setup"] as? [String: Any] ?? [:]
        return setup.compactMapValues { $0 as? [String: Any] }
    }

    /// Each run is killed a little later than the one before, until one ends by itself.
    @Test func oneThatIsKilledAtAnyMomentIsGoneOnWith() throws {
        let harness = try scene()
        var kills = 0
        for microseconds in stride(from: UInt32(0), to: 60_000, by: 1500) {
            let started = try harness.start(
                [CommandLineHarness.binary] + Self.config + ["setup", "vm1.img"])
            usleep(microseconds)
            if started.process.isRunning { kills += 1 }
            started.process.end()
            unlink(started.files.output)
            unlink(started.files.errors)
            guard microseconds % 6000 == 0 else { continue }
            let result = try harness.run(Self.config + ["setup", "vm1.img"])
            #expect(result.status == 0, "\(microseconds): \(result.errors)")
            #expect(try harness.run(Self.config + ["config", "check"]).status == 0)
            #expect(try harness.run(["volume", "remove", "vm1", "--yes"]).status == 0)
            try FileManager.default.removeItem(atPath: harness.folder + "/conf.d/vm1.toml")
        }
        #expect(kills > 3)
    }

    @Test(
        "what is wrong with the wish is told with the next command",
        arguments: [
            (["missing.img"], 4, "does not exist"),
            (["vm1.img", "--every", "30s"], 2, "--every"),
            (["vm1.img", "--keep", "all"], 2, "--keep"),
            (["vm1.img", "--name", "a/b"], 2, "a/b"), (["/dev/null"], 1, "neither a file nor"),
        ] as [([String], Int32, String)])
    func refused(arguments: [String], status: Int32, words: String) throws {
        let harness = try scene()
        let result = try harness.run(Self.config + ["setup"] + arguments)
        #expect(result.status == status, "\(result.errors)")
        #expect(result.errors.contains(words), "\(result.errors)")
    }

    @Test func aServedVolumeIsToldWithItsAddressByServeAndStatus() throws {
        let harness = try ServedHarness()
        let uri = "nbd+unix:///data?socket=\(harness.folder)/nbd.sock"
        #expect(harness.serverMessages.contains("volume data is served at \(uri)"))
        let rows = try harness.commandLine.json("status")["volumes"] as? [[String: Any]]
        #expect(rows?.first?["uri"] as? String == uri)
        #expect(try harness.commandLine.run("status").output.contains("data is served at \(uri)\n"))
        try harness.stop()
        let later = try harness.commandLine.json("status")["volumes"] as? [[String: Any]]
        #expect(later?.first?["uri"] is NSNull)
    }

    @Test func aVolumeGrowsByWhatIsAddedToItsSize() throws {
        let harness = try scene()
        _ = try harness.json("volume", "create", "a", "--origin", "vm1.img")
        #expect(try harness.run("volume", "resize", "a", "+1M").status == 0)
        let volume = try harness.json("volume", "show", "a")["volume"] as? [String: Any]
        #expect(volume?["size"] as? Int == 2 << 20)
        #expect(try harness.run("volume", "resize", "a", "+").status == 2)
    }

    @Test func eventsOfOneVolumeAreToldAlsoWhenItIsGone() throws {
        let harness = try scene()
        for name in ["a", "b"] {
            _ = try harness.json(
                "volume", "create", name, "--origin", "\(name).img", "--create-size", "1M")
        }
        _ = try harness.json("volume", "remove", "b", "--yes")
        for (name, count) in [("a", 1), ("b", 2)] {
            let events = try harness.json("events", name)["events"] as? [[String: Any]]
            #expect(events?.count == count)
            #expect(events?.allSatisfy { $0["volume"] as? String == name } == true)
        }
        #expect(try harness.run("events", "c").status == 4)
    }
}

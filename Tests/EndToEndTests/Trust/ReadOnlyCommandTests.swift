import Foundation
import TestKit
import Testing

/// Commands that only look: what they make, and what they say where there is nothing.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct ReadOnlyCommandTests {
    private static let verbs = [
        ["list"], ["volume", "list"], ["status"], ["events"], ["hold", "list"],
        ["merge", "status"], ["tick", "-n"], ["prune", "-n"],
    ]

    private func entries(_ path: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    }

    @Test("daily 10: commands that only look make nothing, and say which state they read")
    func makeNothing() throws {
        let harness = try CommandLineHarness()
        for verb in Self.verbs {
            let result = try harness.run(verb)
            #expect(result.status == 0, "\(verb): \(result)")
            #expect(result.errors.contains(harness.folder + "/state/catalog.sqlite"), "\(verb)")
            #expect(result.errors.contains("volume create"), "\(verb)")
        }
        #expect(try harness.run("show", "1").status == 4)
        #expect(!FileManager.default.fileExists(atPath: harness.folder + "/state"))
        try FileManager.default.createDirectory(
            atPath: harness.folder + "/state", withIntermediateDirectories: false)
        for verb in Self.verbs { _ = try harness.run(verb) }
        #expect(entries(harness.folder + "/state").isEmpty)
    }

    @Test("daily 10: a state that is named and not there is an error")
    func wrongState() throws {
        let harness = try CommandLineHarness()
        let result = try harness.run("list", "--state", harness.folder + "/nope")
        #expect(result.status == 4)
        #expect(result.errors.contains("there is no folder"))
        #expect(!FileManager.default.fileExists(atPath: harness.folder + "/nope"))
    }

    @Test("daily 12: tick and prune without a configuration say so")
    func withoutConfiguration() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "d.img", "--create-size", "1M")
        // An empty file is a configuration, and the machine's own may be there.
        guard !FileManager.default.fileExists(atPath: "/etc/snapmgr/snapmgr.toml") else { return }
        #expect(try harness.run("tick").errors.contains("nothing is scheduled"))
        #expect(try harness.run("prune").errors.contains("everything is kept"))
    }

    @Test("daily 9: config check names volumes and programs that are not there")
    func configCheck() throws {
        let harness = try CommandLineHarness()
        let path = harness.folder + "/snapmgr.toml"
        try """
        [volumes.nope]
        hooks = ["h"]
        [volumes.other]
        [sets.both]
        volumes = ["nope", "other"]
        [hooks.h]
        before-freeze = ["/nowhere/program"]
        """.write(toFile: path, atomically: true, encoding: .utf8)
        let result = try harness.run("--config", path, "config", "check")
        #expect(result.status == 0)
        for text in ["no volume nope", "set both: there is no volume other", "/nowhere/program"] {
            #expect(result.output.contains(text), "\(text): \(result)")
        }
        #expect(!FileManager.default.fileExists(atPath: harness.folder + "/state"))
    }

    @Test("M4: a simulation beyond the end of time is refused in words")
    func farSimulation() throws {
        let harness = try CommandLineHarness()
        let path = harness.folder + "/snapmgr.toml"
        try """
        [volumes.data]
        schedules = ["y"]
        [schedules.y]
        calendar = "yearly"
        """.write(toFile: path, atomically: true, encoding: .utf8)
        for span in ["480y", "9999y"] {
            let result = try harness.run(
                "--config", path, "policy", "simulate", "--for", span)
            #expect(result.status == 2 && result.errors.contains("2500"), "\(span): \(result)")
        }
        // Beyond 292 years, 64 bits of nanoseconds do not count how far that is.
        for (span, count) in [("100y", 100), ("400y", 400)] {
            let near = try harness.run(
                "--config", path, "policy", "simulate", "--for", span, "--json")
            #expect(near.status == 0 && near.output.contains("\"taken\":\(count)"), "\(near)")
        }
    }
}

/// What others can change, and root.
@Suite(
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"),
    .enabled(if: getuid() == 0, "needs root"))
struct TrustedSettingsTests {
    private func harness(_ settings: String = "") throws -> (CommandLineHarness, String) {
        let harness = try CommandLineHarness()
        let path = harness.folder + "/etc/snapmgr.toml"
        try FileManager.default.createDirectory(
            atPath: harness.folder + "/etc/conf.d", withIntermediateDirectories: true)
        try settings.write(toFile: path, atomically: true, encoding: .utf8)
        return (harness, path)
    }

    private func check(
        _ harness: CommandLineHarness, _ path: String
    ) throws
        -> CommandLineHarness.Result
    { try harness.run("--config", path, "tick") }

    @Test("M3: settings that others can write are refused to root, with the owner's name")
    func settings() throws {
        let (harness, path) = try harness()
        #expect(try check(harness, path).status == 0)
        #expect(chmod(path, 0o666) == 0)
        var result = try check(harness, path)
        #expect(result.status == 13)
        #expect(result.errors.contains(path) && result.errors.contains("owner root"))
        #expect(result.errors.contains("chmod go-w") && result.errors.contains("--config"))

        #expect(chmod(path, 0o644) == 0 && chown(path, 65_534, 65_534) == 0)
        result = try check(harness, path)
        #expect(result.status == 13 && result.errors.contains("belongs to nobody"))
        #expect(chown(path, 0, 0) == 0)

        let folder = harness.folder + "/etc/conf.d"
        #expect(chmod(folder, 0o777) == 0)
        #expect(try check(harness, path).status == 13)
        #expect(chmod(folder, 0o755) == 0)

        try "".write(toFile: folder + "/more.toml", atomically: true, encoding: .utf8)
        #expect(chown(folder + "/more.toml", 65_534, 65_534) == 0)
        #expect(try check(harness, path).status == 13)
        unlink(folder + "/more.toml")

        #expect(chown(harness.folder + "/etc", 65_534, 65_534) == 0)
        #expect(try check(harness, path).status == 13)
    }

    @Test("M3: programs of hooks that others can write do not run as root")
    func hooks() throws {
        let (harness, path) = try harness()
        let program = harness.folder + "/hook"
        try harness.write(program: "#!/bin/sh\ntouch \(harness.folder)/ran\n", to: program)
        try """
        [volumes.data]
        hooks = ["h"]
        [hooks.h]
        before-freeze = ["\(program)"]
        """.write(toFile: path, atomically: true, encoding: .utf8)
        try harness.json("volume", "create", "data", "--origin", "d.img", "--create-size", "1M")
        #expect(chmod(program, 0o777) == 0)
        let result = try harness.run("--config", path, "snapshot", "data")
        #expect(result.status == 13 && result.errors.contains(program), "\(result)")
        #expect(!FileManager.default.fileExists(atPath: harness.folder + "/ran"))
        let told = try harness.run("--config", path, "config", "check")
        #expect(told.output.contains(program))
        #expect(chmod(program, 0o755) == 0)
        #expect(try harness.run("--config", path, "snapshot", "data").status == 0)
        #expect(FileManager.default.fileExists(atPath: harness.folder + "/ran"))
    }

    @Test("L3: a catalog on a filesystem that cannot be written to is read as it is")
    func readOnlyCatalog() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "d.img", "--create-size", "1M")
        try harness.json("snapshot", "data", "--name", "one")
        let state = harness.folder + "/state"
        let script = """
            mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 77
            exec "$1" list
            """
        let result = try harness.tool([
            "unshare", "-m", "--propagation", "slave", "sh", "-c", script, state,
            CommandLineHarness.binary,
        ])
        // Where this may not be done there is nothing to see.
        guard result.status != 77, !result.errors.contains("unshare") else { return }
        #expect(result.status == 0 && result.output.contains("one"), "\(result)")
    }
}

import Foundation
import Testing

/// `status --nagios` and `status --prometheus` of the built binary.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct MonitoringTests {
    /// A volume, and settings without a floor: the disk is who knows whose.
    private func harness(_ settings: String = "") throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        try "free-space-floor = \"0\"\n\(settings)".write(
            toFile: harness.folder + "/snapmgr.toml", atomically: true, encoding: .utf8)
        _ = try harness.json("volume", "create", "data", "--origin", "d.img", "--create-size", "1M")
        return harness
    }

    private func status(
        _ harness: CommandLineHarness, _ arguments: String...
    ) throws -> CommandLineHarness.Result {
        try harness.run(
            ["status"] + arguments,
            environment: ["SNAPMGR_CONFIG": "\(harness.folder)/snapmgr.toml"])
    }

    @Test("the exit code is 0, 1, 2 or 3 by the worst that is found")
    func exitCodes() throws {
        let harness = try harness()
        let well = try status(harness, "--nagios")
        #expect(well.status == 0)
        #expect(well.output.hasPrefix("SNAPMGR OK - 1 volume, 0 snapshots, 0 schedules | 'data_sn"))
        #expect(well.errors.isEmpty)

        try """
        free-space-floor = "0"
        [volumes.data]
        schedules = ["daily"]
        [schedules.daily]
        every = "1d"
        """.write(
            toFile: harness.folder + "/snapmgr.toml", atomically: true, encoding: .utf8)
        let unseen = try status(harness, "--nagios", "data")
        #expect(unseen.status == 1)
        #expect(unseen.output.hasPrefix("SNAPMGR WARNING - schedule daily of volume:data: no tick"))

        try FileManager.default.removeItem(atPath: harness.folder + "/d.img")
        let missing = try status(harness, "--nagios")
        #expect(missing.status == 2)
        #expect(missing.output.hasPrefix("SNAPMGR CRITICAL - volume data: the origin"))

        try Data("not a database, but long enough".utf8).write(
            to: URL(filePath: harness.folder + "/state/catalog.sqlite"))
        let damaged = try status(harness, "--nagios")
        #expect(damaged.status == 3)
        #expect(damaged.output.hasPrefix("SNAPMGR UNKNOWN - "))
        #expect(damaged.output.contains("catalog"))
    }

    @Test(
        "a check that cannot be made is unknown, never an alarm",
        arguments: [
            ["--nagios", "nope"], ["--nagios", "--bogus"], ["--nagios", "--watch"],
            ["--nagios", "--json"], ["--nagios", "--prometheus"],
            ["--nagios", "--config", "/no/such/file"], ["--nagios", "--state", "/no/such/state"],
        ])
    func unknown(arguments: [String]) throws {
        let result = try harness().run(["status"] + arguments)
        #expect(result.status == 3)
        #expect(result.output.hasPrefix("SNAPMGR UNKNOWN - "))
        #expect(result.errors.isEmpty)
    }

    @Test("wrong usage of the other forms is 2")
    func usage() throws {
        let harness = try harness()
        for arguments in [
            ["--prometheus", "--json"], ["--prometheus", "--watch"], ["--output", "x"],
            ["--prometheus", "--output", ""],
        ] {
            let result = try harness.run(["status"] + arguments)
            #expect(result.status == 2, "\(arguments)")
            #expect(result.errors.contains("--"), "\(arguments)")
        }
    }

    @Test("metrics go to standard output, or replace a file that anyone may read")
    func metrics() throws {
        let harness = try harness()
        let folder = harness.folder + "/textfiles"
        let file = folder + "/snapmgr.prom"
        let missing = try status(harness, "--prometheus", "--output", file)
        #expect(missing.status == 1)
        #expect(missing.errors.contains("the file \(file) cannot be made"))

        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false)
        try Data("stale".utf8).write(to: URL(filePath: file))
        let written = try status(harness, "--prometheus", "--output", file)
        #expect(written.status == 0)
        #expect(written.output.isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["snapmgr.prom"])
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o644)
        let text = try harness.text(file)
        #expect(!text.contains("stale"))
        #expect(text.contains("\nsnapmgr_volume_size_bytes{volume=\"data\"} 1048576\n"))

        let printed = try status(harness, "--prometheus")
        #expect(printed.status == 0)
        #expect(printed.output.hasPrefix("# HELP snapmgr_up "))
    }

    @Test("without a catalog the file says so, and none is made")
    func noCatalog() throws {
        let harness = try CommandLineHarness()
        let file = harness.folder + "/x.prom"
        let result = try harness.run("status", "--prometheus", "--output", file)
        #expect(result.status == 4)
        #expect(result.errors.contains("there is no catalog"))
        #expect(try harness.text(file).hasSuffix("\nsnapmgr_up 0\n"))
        #expect(!FileManager.default.fileExists(atPath: harness.folder + "/state"))
    }

    @Test("the help tells the limits")
    func help() throws {
        let help = try CommandLineHarness().run("status", "--nagios", "--help")
        #expect(help.status == 0)
        for part in ["two periods", "2 days", "7 days", "5 minutes", "30 days", "3 UNKNOWN"] {
            #expect(
                help.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
                    .contains(part), "\(part)")
        }
    }
}

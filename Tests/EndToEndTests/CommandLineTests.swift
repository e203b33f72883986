import Foundation
import Testing

/// The contract of the command line, on the built binary.
@Suite(.enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct CommandLineTests {
    static let verbs: [[String]] = [
        ["volume", "create"], ["volume", "list"], ["volume", "show"], ["volume", "resize"],
        ["volume", "set"], ["volume", "remove"], ["snapshot"], ["list"], ["show"], ["diff"],
        ["changed"], ["revert"],
        ["merge", "status"], ["merge", "pause"], ["merge", "resume"], ["merge", "throttle"],
        ["merge", "cancel"], ["status"], ["modify"], ["hold", "add"], ["hold", "list"], ["release"],
        ["delete"], ["export"], ["send"], ["receive"], ["serve"], ["check"],
        ["catalog", "rebuild"], ["events"],
        ["completion"],
    ]

    private func volume(_ name: String = "data") throws -> CommandLineHarness {
        let harness = try CommandLineHarness()
        _ = try harness.json(
            "volume", "create", name, "--origin", "\(name).img", "--create-size", "1M")
        return harness
    }

    @Test(
        "every verb has help with examples and exit codes, and knows its version", arguments: verbs)
    func help(verb: [String]) throws {
        let harness = try CommandLineHarness()
        let help = try harness.run(verb + ["--help"])
        #expect(help.status == 0)
        #expect(help.errors.isEmpty)
        for part in ["EXAMPLES:", "EXIT STATUS:", "$ snapmgr \(verb[0])", "--json", "--state"] {
            #expect(help.output.contains(part), "\(part)")
        }
        let version = try harness.run(verb + ["--version"])
        #expect(version.status == 0)
        #expect(version.output == "snapmgr 0.1.0\n")
    }

    @Test("every verb rejects an unknown option with 2", arguments: verbs)
    func rejects(verb: [String]) throws {
        let harness = try CommandLineHarness()
        let result = try harness.run(verb + ["--no-such-option"])
        #expect(result.status == 2)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(" has no option --no-such-option\n"), "\(result.errors)")
        #expect(result.errors.contains("see `snapmgr \(verb[0])"), "\(result.errors)")
    }

    @Test("wrong usage is told as JSON when JSON was asked for")
    func usageAsJSON() throws {
        let harness = try CommandLineHarness()
        for arguments in [
            ["--json", "list", "--bogus"], ["snapshot", "--json"], ["merge", "--json"],
        ] {
            let result = try harness.run(arguments)
            #expect(result.status == 2)
            #expect(try error(result)["code"] as? String == "usage")
        }
    }

    private func error(_ result: CommandLineHarness.Result) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(result.errors.utf8))
        return (value as? [String: Any])?["error"] as? [String: Any] ?? [:]
    }

    /// Runs the one command that an error or a finding names.
    private func runCommand(
        of advice: [String: Any], status: Int32 = 0, _ harness: CommandLineHarness
    ) throws {
        let commands = try #require(advice["commands"] as? [[String: Any]])
        try #require(commands.count == 1)
        let verb = try #require(commands[0]["command"] as? String).split(separator: " ")
        let arguments = try #require(commands[0]["arguments"] as? [String])
        #expect(commands[0]["placeholders"] as? [Int] == [])
        let result = try harness.run(verb.map(String.init) + arguments)
        #expect(result.status == status, "\(verb) \(arguments): \(result.errors)")
    }

    @Test("a volume gets another name and another policy, and its snapshots go along")
    func renames() throws {
        let harness = try volume()
        try harness.json("snapshot", "data", "--name", "first")
        let set = try harness.json(
            "volume", "set", "data", "--name", "mail", "--when-full", "break-snapshots")
        let volume = try #require(set["volume"] as? [String: Any])
        #expect(volume["name"] as? String == "mail")
        #expect(volume["when_full"] as? String == "break-snapshots")
        #expect(try harness.run("show", "mail@first").status == 0)
        #expect(try harness.run("volume", "show", "data").status == 4)
        // The store stays where it was, which is where a new one of the old name would lie.
        let again = ["volume", "create", "data", "--origin", "x.img", "--create-size", "1M"]
        let refused = try harness.run(again)
        #expect(refused.status != 0 && refused.errors.contains("--store DIR"), "\(refused.errors)")
        #expect(try harness.run(again + ["--store", "other"]).status == 0)
        #expect(try harness.run("volume", "set", "mail", "--name", "data").status == 1)
        #expect(try harness.run("volume", "set", "mail", "--name", "a/b").status == 2)
        #expect(try harness.run("volume", "set", "mail").status == 2)
        try Data("[volumes.mail]\n".utf8)
            .write(to: URL(filePath: harness.folder + "/snapmgr.toml"))
        let told = try harness.run(
            "volume", "set", "mail", "--name", "post", "--config", "snapmgr.toml")
        #expect(told.status == 0 && told.errors.contains("volume mail"), "\(told.errors)")
        #expect(told.output == "volume mail is called post now\n")
    }

    @Test("volumes are made, shown, resized and removed")
    func volumes() throws {
        let harness = try volume()
        let list = try harness.json("volume", "list")["volumes"] as? [[String: Any]]
        #expect(list?.count == 1)
        let shown = try #require(
            try harness.json("volume", "show", "data")["volume"] as? [String: Any])
        let fields: Set<String> = [
            "name", "uuid", "driver", "origin", "store", "size", "chunk_size", "snapshots",
            "store_bytes", "state",
        ]
        #expect(fields.isSubset(of: shown.keys))
        #expect(shown["size"] as? Int == 1 << 20)
        _ = try harness.json("volume", "resize", "data", "2M", "-n")
        _ = try harness.json("volume", "resize", "data", "2M")
        let resized = try harness.json("volume", "show", "data")["volume"] as? [String: Any]
        #expect(resized?["size"] as? Int == 2 << 20)
        #expect(try harness.run("volume", "remove", "data", "--yes").status == 0)
        #expect(try harness.run("volume", "show", "data").status == 4)
    }

    @Test("a snapshot is listed with all the fields of the contract")
    func lists() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data", "--name", "first", "--tag", "t", "--note", "why")
        let rows = try #require(try harness.json("list")["snapshots"] as? [[String: Any]])
        let row = try #require(rows.first)
        let fields: Set<String> = [
            "id", "volume", "name", "set_id", "ordinal", "taken_at", "kind", "schedule", "tags",
            "consistency", "changed_bytes", "exclusive_bytes", "state", "holds", "kept_by",
            "expires_at", "note",
        ]
        #expect(fields == Set(row.keys))
        #expect(row["name"] as? String == "first")
        #expect(row["tags"] as? [String] == ["t"])
        #expect(row["state"] as? String == "active")
        #expect(try harness.json("show", "data@first")["snapshot"] is [String: Any])
    }

    @Test("what is written on a snapshot is changed, found again and listed")
    func labels() throws {
        let harness = try volume()
        for _ in 0..<3 { _ = try harness.json("snapshot", "data") }
        _ = try harness.json("modify", "2", "--name", "before-upgrade", "--tag", "keep")
        let changed = try harness.json("modify", "data@before-upgrade", "--note", "it works", "-n")
        #expect(changed["changed"] as? [Int] == [2])
        #expect(changed["dry_run"] as? Bool == true)
        func ids(_ options: String...) throws -> [Int] {
            let result = try harness.run(["list", "--json"] + options)
            let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
            let rows = (value as? [String: Any])?["snapshots"] as? [[String: Any]]
            return try #require(rows).compactMap { $0["id"] as? Int }
        }
        #expect(try ids("--name", "before-*", "--tag", "keep", "--since", "1h") == [2])
        #expect(try ids("--kind", "scheduled").isEmpty)
        #expect(try ids("--limit", "2") == [2, 3])
        let taken = try harness.run("modify", "3", "--name", "before-upgrade")
        #expect(taken.status == 1 && taken.errors.contains("snapmgr modify 2 --name NAME"))
        #expect(try harness.run("modify", "3").status == 2)
    }

    @Test("diff, revert and merge answer as the contract says")
    func reverts() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data")
        _ = try harness.json("snapshot", "data")
        let diff = try harness.json("diff", "1", "data@live")
        // Without another one, the volume as it is.
        let alone = try harness.json("diff", "1")
        #expect(alone["to"] as? String == "data@live")
        #expect(alone["changed_bytes"] as? Int == diff["changed_bytes"] as? Int)
        #expect(diff["changed_bytes"] as? Int == 0)
        #expect(diff["exact"] as? Bool == true)
        #expect(diff["ranges"] is [Any])
        let revert = try #require(try harness.json("revert", "1")["revert"] as? [String: Any])
        let fields: Set<String> = [
            "id", "volume", "snapshot_id", "safety_snapshot_id", "plan_bytes", "usable_after_ms",
            "state",
        ]
        #expect(fields.isSubset(of: revert.keys))
        #expect(revert["state"] as? String == "done")
        #expect((try harness.json("merge", "status")["merges"] as? [Any])?.isEmpty == true)
        #expect(try harness.json("status")["volumes"] is [Any])
    }

    @Test("holds keep snapshots from being deleted")
    func holds() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data")
        _ = try harness.json("hold", "1", "--reason", "audit", "--until", "1d")
        #expect((try harness.json("hold", "list")["holds"] as? [Any])?.count == 1)
        let refused = try harness.run("delete", "1", "--json")
        #expect(refused.status == 13)
        #expect((try error(refused)["hint"] as? String)?.contains("snapmgr release 1") == true)
        #expect(try harness.run("release", "1", "--owner", "nobody-else").status == 4)
        try runCommand(of: error(refused), harness)
        let dry = try harness.json("delete", "1", "--dry-run")
        #expect(dry["dry_run"] as? Bool == true)
        #expect((try harness.json("delete", "1")["deleted"] as? [Any])?.count == 1)
        #expect((try harness.json("list")["snapshots"] as? [Any])?.isEmpty == true)
    }

    @Test("export, check, rebuild, events and completion work")
    func others() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data")
        _ = try harness.json("export", "1", "out.img")
        #expect(FileManager.default.fileExists(atPath: harness.folder + "/out.img"))
        #expect(try harness.run("export", "1", "out.img").status == 1)
        #expect(try harness.json("check", "--data")["damaged"] as? Int == 0)
        _ = try harness.json("catalog", "rebuild")
        let events = try #require(try harness.json("events")["events"] as? [[String: Any]])
        let requester = try #require(events.last?["requested_by"] as? [String: Any])
        #expect(requester["uid"] as? Int == Int(geteuid()))
        #expect(requester["face"] as? String == "command_line")
        #expect(try harness.run("-v", "events").output.contains(" (for "))
        for shell in ["bash", "zsh", "fish"] {
            let script = try harness.run("completion", shell)
            #expect(script.status == 0)
            #expect(script.output.contains("snapmgr"))
        }
    }

    /// Arguments, the exit code, and words that name the object and the next command.
    static let failures: [([String], Int32, [String])] = [
        (["volume", "show", "none"], 4, ["none", "snapmgr volume list"]),
        (["snapshot", "none"], 4, ["none", "snapmgr volume list"]),
        (["show", "99"], 4, ["99", "snapmgr list"]),
        (["show", "data"], 2, ["data", "data@latest"]),
        (["list", "--sort", "bogus"], 2, ["bogus", "taken_at"]),
        (["list", "-o", "bogus"], 2, ["bogus", "changed_bytes"]),
        (["revert", "1", "--no-safety"], 13, ["data", "--yes"]),
        (["volume", "remove", "data"], 13, ["data", "--yes"]),
        (["merge", "cancel", "data"], 4, ["data", "merge status"]),
        (["volume", "resize", "data", "512K"], 13, ["data", "--yes"]),
        (["volume", "create", "x", "--origin", "none.img"], 4, ["none.img", "--create-size"]),
        (["volume", "create", "data", "--origin", "x.img"], 1, ["data", "volume show"]),
        (["volume", "create", "y", "--origin", "data.img"], 1, ["data.img", "volume show data"]),
        (["volume", "create", "y", "--origin", "z", "--chunk", "5000"], 2, ["5000", "4 KiB"]),
        (["volume", "create", "y", "--origin", "z", "--driver", "zfs"], 2, ["image"]),
        (["snapshot", "data", "--name", "42"], 2, ["42"]),
        (["serve", "--listen", "0.0.0.0:10809"], 13, ["0.0.0.0", "--tls"]),
        (["serve", "--socket", "/" + String(repeating: "x", count: 120)], 2, ["107", "--socket"]),
        (["list", "--config", "none.toml"], 2, ["none.toml", "--config"]),
        (["hold", "1", "--reason", "x", "--until", "2000-01-01"], 2, ["2000-01-01"]),
    ]

    @Test("each error has its code, and names object, cause and next command", arguments: failures)
    func fails(arguments: [String], status: Int32, words: [String]) throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data")
        let result = try harness.run(
            arguments, environment: ["SNAPMGR_NBDKIT_PLUGIN": CommandLineHarness.binary])
        #expect(result.status == status, "\(result.errors)")
        #expect(result.output.isEmpty)
        for word in words { #expect(result.errors.contains(word), "\(word): \(result.errors)") }
    }

    @Test("the table looks as it always did")
    func table() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data", "--name", "first")
        _ = try harness.json("snapshot", "data")
        let result = try harness.run("list", "-o", "id,volume,name,kind,changed_bytes,state")
        #expect(result.errors.isEmpty)
        #expect(
            result.output == """
                ID  VOLUME  NAME   KIND    CHANGED  STATE
                 1  data    first  manual        -  frozen
                 2  data    -      manual      0 B  active

                """)
    }

    @Test("times are local, and UTC with --utc")
    func times() throws {
        let harness = try volume()
        _ = try harness.json("snapshot", "data")
        let utc = try harness.run("list", "-o", "taken_at", "--utc").output.suffix(21)
        let east = try harness.run(
            ["list", "-o", "taken_at"], environment: ["TZ": "XYZ-5"]
        ).output.suffix(20)
        let hours = { (text: Substring) in Int(text.dropFirst(11).prefix(2)) ?? -1 }
        #expect(hours(east) == (hours(utc) + 5) % 24)
        #expect(utc.hasSuffix("Z\n"))
    }

    @Test("what a check finds has the commands that its remedy names")
    func checkCommands() throws {
        let harness = try volume()
        let state = try harness.json("volume", "show", "data")["volume"] as? [String: Any]
        let store = try #require(state?["store"] as? String)
        try Data("damaged".utf8).write(to: URL(filePath: store + "/volume.json"))
        let check = try harness.run("check", "--json")
        #expect(check.status == 1)
        let value = try JSONSerialization.jsonObject(with: Data(check.output.utf8))
        let findings = (value as? [String: Any])?["findings"] as? [[String: Any]]
        let finding = try #require(findings?.first)
        #expect(finding["remedy"] as? String == "run `snapmgr check`")
        try runCommand(of: finding, status: 1, harness)
    }

    @Test("global options may stand before the command")
    func globalOptions() throws {
        let harness = try volume()
        let other = harness.folder + "/other"
        try FileManager.default.createDirectory(
            atPath: other, withIntermediateDirectories: false)
        let result = try harness.run("--state", other, "--json", "volume", "list")
        #expect(result.output == "{\"volumes\":[]}\n")
        #expect(try harness.run("-q", "list").status == 0)
        #expect(try harness.run("--version").output == "snapmgr 0.1.0\n")
    }

    @Test("a damaged catalog is named, with the way out")
    func damagedCatalog() throws {
        let harness = try volume()
        let path = harness.folder + "/state/catalog.sqlite"
        for suffix in ["-wal", "-shm"] {
            try? FileManager.default.removeItem(atPath: path + suffix)
        }
        try Data(repeating: 0x55, count: 8192).write(to: URL(filePath: path))
        let result = try harness.run("list")
        #expect(result.status == 1)
        #expect(result.errors.contains("snapmgr catalog rebuild"))
        #expect(try harness.run("catalog", "rebuild").status == 0)
        #expect(try harness.run("volume", "show", "data").status == 0)
    }

    @Test("lines that the journal reads begin with their priority, and a script's JSON does not")
    func journal() throws {
        let harness = try volume()
        // As systemd does it: the variable names the file behind the stream.
        let asService = """
            exec 2>"$1"; shift
            JOURNAL_STREAM=$(stat --dereference --format %d:%i /proc/self/fd/2) exec "$@"
            """
        func lines(_ arguments: String...) throws -> [Substring] {
            let file = harness.folder + "/journal"
            _ = try harness.tool(
                ["sh", "-c", asService, "sh", file, CommandLineHarness.binary] + arguments)
            return try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
        }
        let failed = try lines("show", "nosuch@1")
        #expect(!failed.isEmpty && failed.allSatisfy { $0.hasPrefix("<3>") }, "\(failed)")
        let noted = try lines("--state", harness.folder + "/empty", "status")
        #expect(noted.contains { $0.hasPrefix("<") }, "\(noted)")
        let json = try lines("show", "nosuch@1", "--json")
        #expect(json.count == 1 && json[0].hasPrefix("{"), "\(json)")
    }
}

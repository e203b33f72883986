import Foundation
import SnapshotModel
import Testing
import WebTestKit

extension ScheduledTests {
    /// What `--json` prints is what docs/schemas says.
    @Suite struct SchemaTests {
        /// Runs commands, and compares what they print with schemas.
        private struct Scene {
            let harness: CommandLineHarness
            private(set) var seen: Set<String> = []

            init(_ harness: CommandLineHarness) { self.harness = harness }

            /// - Parameter line: the command's words, between spaces.
            mutating func check(_ schema: String, _ line: String, status: Int32 = 0) throws {
                let words = line.split(separator: " ").map(String.init)
                let result = try harness.run(words + ["--json"])
                #expect(result.status == status, "\(line): \(result.errors)")
                let text = schema == "error" ? result.errors : result.output
                try check(schema, text: text, line)
            }

            mutating func check(_ schema: String, text: String, _ line: String) throws {
                seen.insert(schema)
                let flaws = try JSONSchema(named: schema).flaws(of: try JSONDocument(text))
                #expect(flaws.isEmpty, "\(line): \(flaws.prefix(5)) in \(text.prefix(600))")
            }
        }

        /// What needs a kernel's devices, root, or a second site: checked where that is.
        private static let elsewhere: Set<String> = [
            "activate", "mount", "umount", "restore", "status-hosts", "mirror-verify",
        ]

        @Test("each document has its schema, and is as that says", .timeLimit(.minutes(5)))
        func documents() throws {
            let image = try FileImage("echo one >a; mkdir d; echo two >d/b")
            var scene = Scene(image.harness)
            try snapshots(&scene)
            try files(&scene, image)
            try sets(&scene)
            try reverts(&scene)
            try clones(&scene)
            try streams(&scene)
            try mirrors(&scene)
            try settings(&scene)
            try scene.check("token-create", "token create anna --role read --expires 90d")
            try scene.check("token-list", "token list")
            try scene.check("token-revoke", "token revoke anna")
            try webhooks(&scene)
            try machines(&scene)
            try volumes(&scene)
            try scene.check("error", "lst", status: 2)
            try scene.check("error", "show 999", status: 4)
            let all = try FileManager.default.contentsOfDirectory(atPath: JSONSchema.folder)
                .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }
            #expect(Set(all).subtracting(scene.seen) == Self.elsewhere)
        }

        private func snapshots(_ scene: inout Scene) throws {
            try scene.check("list", "list")
            try scene.check("snapshot", "snapshot data --name first --tag keep --note why")
            try scene.check("list", "list data")
            try scene.check("show", "show data@first")
            try scene.check("modify", "modify data@first --untag keep --dry-run")
            try scene.check("hold-list", "hold 1 --reason audit --until 30d")
            try scene.check("hold-list", "hold list")
            try scene.check("show", "show 1")
            try scene.check("release", "release 1")
            try scene.check("words", "help words")
        }

        private func files(_ scene: inout Scene, _ image: FileImage) throws {
            try image.run("mkdir got; echo three >c")
            try image.change(["write c c"])
            try scene.check("snapshot", "snapshot data --name second")
            try scene.check("diff", "diff data@first data@second")
            try scene.check("diff-files", "diff data@first data@second --files")
            try scene.check("changed", "changed data@first data@second")
            try scene.check("changed", "changed data@first data@live")
            try scene.check(
                "changed-bitmap",
                "changed data@first data@second --format qcow2-bitmap c.qcow2 --content nbd://::1/c"
            )
            try scene.check("files", "files data@second / -R")
            try scene.check("find", "find data /c")
            try scene.check("get", "get data@second /c --to got")
            try scene.check("get", "get data@second /d --dry-run")
            try scene.check("partitions", "files data@second --partitions")
        }

        private func sets(_ scene: inout Scene) throws {
            try scene.check(
                "volume-show", "volume create logs --origin logs.img --create-size 1M")
            try scene.check("snapshot", "snapshot data logs --set night --name night")
            try scene.check("list-sets", "list --set")
            try scene.check("show-set", "show night@latest")
            try scene.check("diff-sets", "diff night@night night@live")
            try scene.check("revert-sets", "revert night@latest --dry-run")
        }

        private func reverts(_ scene: inout Scene) throws {
            try scene.check("revert", "revert data@first --dry-run")
            try scene.check("revert", "revert data@first --no-wait --yes")
            try scene.check("merge-status", "merge status")
            try scene.check("status", "status")
            try scene.check("revert", "merge cancel data --dry-run --yes")
            try scene.check("merge-status", "merge resume data")
        }

        private func clones(_ scene: inout Scene) throws {
            try scene.check("clone-create", "clone create data@first trial --dry-run")
            try scene.check("clone-create", "clone create data@first trial")
            try scene.check("clone-list", "clone list")
            try scene.check("export", "export trial exported.img")
            try scene.check("clone-promote", "clone promote trial --dry-run")
            try scene.check("clone-delete", "clone delete trial")
            try scene.check("export", "export data@first first.img")
        }

        private func streams(_ scene: inout Scene) throws {
            try scene.check("send", "send data@first --dry-run")
            let harness = scene.harness
            let binary = CommandLineHarness.binary
            let result = try harness.tool([
                "bash", "-c",
                "'\(binary)' send logs@night --json 2>sent.json | "
                    + "'\(binary)' receive copy --origin copy.img --json",
            ])
            #expect(result.status == 0, "\(result.errors)")
            try scene.check("receive", text: result.output, "receive")
            try scene.check("send", text: try harness.text(harness.folder + "/sent.json"), "send")
        }

        private func mirrors(_ scene: inout Scene) throws {
            try scene.check("mirror-add", "mirror add away logs ssh://nobody@localhost/logs")
            try scene.check("mirror-set", "mirror set away --limit 5M --limit-hours 08:00-18:00=1M")
            try scene.check("mirror-list", "mirror list")
            try scene.check("mirror-show", "mirror show away")
            try scene.check("status", "status logs")
            try scene.check("mirror-remove", "mirror remove away")
            try scene.check("mirror-run", "mirror run --due")
            try scene.check("mirror-promote", "mirror promote logs --dry-run")
            try scene.check("mirror-demote", "mirror demote logs --dry-run")
        }

        private func settings(_ scene: inout Scene) throws {
            let text = """
                [volumes.data]
                schedules = ["q"]
                policy = "p"
                [schedules.q]
                every = "15m"
                [policies.p]
                last = 1
                """
            _ = try scene.harness.tool(["truncate", "-s", "1M", "more.img"])
            let path = scene.harness.folder + "/c.toml"
            try Data(text.utf8).write(to: URL(filePath: path))
            try scene.check("config-check", "--config c.toml config check")
            try scene.check("config-show", "--config c.toml config show")
            try scene.check("policy-simulate", "--config c.toml policy simulate --for 2d")
            try scene.check("prune", "--config c.toml prune --dry-run --explain")
            try scene.check("tick", "--config c.toml tick")
            try scene.check("setup", "--config c.toml setup more.img --dry-run")
        }

        private func webhooks(_ scene: inout Scene) throws {
            let receiver = try TestReceiver { _, _ in .status(204) }
            let secret = scene.harness.folder + "/secret"
            try Data("0123456789abcdef\n".utf8).write(to: URL(filePath: secret))
            _ = try scene.harness.tool(["chmod", "600", "secret"])
            let text = """
                [webhook.w]
                url = "\(receiver.url)"
                secret-file = "\(secret)"
                """
            try Data(text.utf8).write(to: URL(filePath: scene.harness.folder + "/w.toml"))
            try scene.check("webhook-list", "--config w.toml webhook list")
            try scene.check("webhook-retry", "--config w.toml webhook retry w")
            try scene.check("webhook-test", "--config w.toml webhook test w")
        }

        private func machines(_ scene: inout Scene) throws {
            let text = """
                [volumes.data]
                [vm.web]
                volumes = ["data"]
                qmp = "/nonexistent/web.qmp"
                clone-start = ["/bin/true", "{qmp}", "{disk:data}", "{incoming}"]
                """
            try Data(text.utf8).write(to: URL(filePath: scene.harness.folder + "/vm.toml"))
            try scene.check("vm-list", "--config vm.toml vm list")
            try scene.check("vm-show", "--config vm.toml vm show web")
            try scene.check("vm-clone", "--config vm.toml vm clone data@first trial --dry-run")
        }

        private func volumes(_ scene: inout Scene) throws {
            try scene.check("volume-list", "volume list")
            try scene.check("volume-resize", "volume resize logs 2M")
            try scene.check("check", "check")
            try scene.check("status", "status")
            try scene.check("delete", "delete logs@night --dry-run")
            try scene.check("volume-remove", "volume remove copy --yes")
            try scene.check("catalog-rebuild", "catalog rebuild")
            try scene.check("events", "events")
            let events = try scene.harness.run("events", "--limit", "1", "--json")
            guard case .array(let lines)? = try JSONDocument(events.output)["events"] else {
                throw Problem(.failed, events.output)
            }
            let flaws = try lines.flatMap { try JSONSchema(named: "event").flaws(of: $0) }
            #expect(!lines.isEmpty && flaws.isEmpty)
            try scene.check("event", text: try Self.followed(scene.harness), "events --follow")
        }

        /// The first line of what follows events.
        private static func followed(_ harness: CommandLineHarness) throws -> String {
            try harness.tool([
                "bash", "-c",
                "timeout 1 '\(CommandLineHarness.binary)' events --follow --json | head -n 1",
            ]).output
        }

        @Test("a document that is not as its schema says is found out")
        func validator() throws {
            let schema = try JSONSchema(named: "hold-list")
            let good = """
                {"holds":[{"snapshot_id":1,"owner":"a","reason":"b","until":null,
                "held_at":"2026-11-22T12:00:00.5Z","expired":false}]}
                """
            #expect(schema.flaws(of: try JSONDocument(good)).isEmpty)
            for (old, new) in [
                ("\"snapshot_id\":1", "\"snapshot_id\":1.5"), ("\"owner\":\"a\",", ""),
                ("\"until\":null", "\"until\":\"soon\""), ("false", "0"),
                ("\"reason\":", "\"why\":1,\"reason\":"), ("{\"holds\"", "{\"hold\""),
            ] {
                let wrong = try JSONDocument(good.replacing(old, with: new))
                #expect(!schema.flaws(of: wrong).isEmpty, "\(new)")
            }
        }
    }
}

import Foundation
import Glibc
import SnapshotModel
import TestKit
import Testing

extension ServedTests {
    /// `--host`, over a real sshd on the loopback interface, as an ordinary user.
    @Suite(.enabled(if: MirrorScene.isPossible)) struct HostTests {
        private let scene: MirrorScene

        /// The key runs what ssh asks for, as a shell there would.
        init() throws {
            scene = try MirrorScene(size: "1M")
            let folder = scene.folder
            let text = """
                cd \(folder)/far
                export SNAPMGR_STATE=\(folder)/far/state HOME=\(folder)/far
                exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"

                """
            try Data(text.utf8).write(to: URL(filePath: folder + "/ssh/accept.sh"))
        }

        /// A line of bash in which `$R` runs snapmgr there.
        private func shell(_ line: String) throws -> CommandLineHarness.Result {
            try scene.source.shell(
                """
                export SNAPMGR_SSH='ssh -F \(scene.folder)/ssh/config'
                export SNAPMGR_REMOTE_PROGRAM=\(CommandLineHarness.binary)
                R="$S --host far"; \(line)
                """)
        }

        private func succeed(_ line: String) throws -> String {
            let result = try shell(line)
            guard result.status == 0 else {
                throw Problem(
                    .failed, "\(line): \(result.status) \(result.output) \(result.errors)")
            }
            return result.output
        }

        @Test(
            "a command runs there: its arguments, streams, JSON and exit code are as they are here")
        func runs() throws {
            _ = try succeed("$R volume create disk --origin disk.img --create-size 1M")
            #expect(FileManager.default.fileExists(atPath: scene.folder + "/far/disk.img"))
            let note = #"it's $HOME; "q" `date` \ * 'x'"#
            let quoted = "'" + note.replacing("'", with: #"'\''"#) + "'"
            _ = try succeed("$R snapshot disk --name one --note \(quoted)")
            let here = try succeed("$S show disk@one --host=far --json")
            #expect(try JSONDocument(here)["snapshot"]?["note"] == .string(note))
            let missing = try shell("$R show disk@none --json")
            #expect(missing.status == 4 && missing.output.isEmpty)
            #expect(try JSONDocument(missing.errors)["error"]?["code"] == .string("not_found"))
            let sum = try succeed("$R export disk@one - | sha256sum")
            #expect(try sum == scene.source.run("sha256sum <far/disk.img"))
            _ = try succeed("$R send disk@one | $S receive brought --origin brought.img")
            #expect(try scene.source.run("$S list brought").contains("one"))
            _ = try succeed("$S send brought@latest | $R receive back --origin back.img")
        }

        @Test("what a command there does not read stays for the next one here")
        func unread() throws {
            let output = try succeed(
                "printf 'one\\ntwo\\n' | { $R list >/dev/null 2>&1 || :; cat; }")
            #expect(output.contains("one\ntwo"), "\(output)")
        }

        @Test("a host without snapmgr is told apart from one that is not reached")
        func notInstalled() throws {
            let result = try shell("SNAPMGR_REMOTE_PROGRAM=/nonexistent/snapmgr $R list")
            #expect(result.status == 5)
            #expect(result.errors.contains("snapmgr cannot be run on far"), "\(result.errors)")
        }

        @Test("a signal interrupts the command there")
        func interrupted() throws {
            _ = try succeed("$R volume create disk --origin disk.img --create-size 1M")
            let result = try shell(
                """
                $R events --follow & id=$!
                # Another run of these tests may have one, too.
                is_there() {
                    for other in $(pgrep -f 'events --follow'); do
                        [ "$(readlink /proc/$other/cwd)" = "\(scene.folder)/far" ] && return
                    done
                    return 1
                }
                until is_there || [ $((n += 1)) -gt 2000 ]; do sleep 0.05; done
                sleep 0.5; kill -TERM $id; wait $id
                """)
            #expect(result.status == 130, "\(result.errors)")
            #expect(result.errors.contains("interrupted"))
        }

        @Test(
            "what is no host is refused before anything runs",
            arguments: [
                "-oProxyCommand=touch$IFS@x", "a b", "a;b", "$(id)", "", "far,", "u@-x", "a/b",
                "far:0",
                "far:x", "[::1",
            ])
        func hostile(name: String) throws {
            let result = try scene.source.harness.run(["--host", name, "status"])
            #expect(result.status == 2, "\(name): \(result.errors)")
            let several = try scene.source.harness.run(["--host", "a,b", "list"])
            #expect(several.status == 2 && several.errors.contains("status only"))
        }

        @Test("a host that is not reached is a missing part, and of several the others are shown")
        func unreached() throws {
            _ = try succeed("$R volume create disk --origin disk.img --create-size 1M")
            let down = try shell("$S --host nobody@127.0.0.1:1 list")
            #expect(down.status == 5 && down.errors.contains("cannot be reached"), "\(down.errors)")
            let table = try shell("$S --host far,nobody@127.0.0.1:1 status")
            #expect(table.status == 3)
            #expect(table.output.contains("far   disk"), "\(table.output)")
            #expect(table.errors.contains("nobody@127.0.0.1:1: "), "\(table.errors)")
            let document = try shell("$S status --host far,nobody@127.0.0.1:1 --json")
            let flaws = try JSONSchema(named: "status-hosts")
                .flaws(of: try JSONDocument(document.output))
            #expect(flaws.isEmpty, "\(flaws)")
        }
    }
}

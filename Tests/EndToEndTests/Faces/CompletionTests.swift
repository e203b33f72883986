import Foundation
import SnapshotModel
import TestKit
import Testing

extension ScheduledTests {
    /// What the shells propose.
    @Suite struct CompletionTests {
        private func scene() throws -> CommandLineHarness {
            let harness = try CommandLineHarness()
            for name in ["boot", "logs"] {
                try harness.json(
                    "volume", "create", name, "--origin", "\(name).img", "--create-size", "1M")
            }
            try harness.json("snapshot", "boot", "logs", "--set", "vm1", "--name", "before")
            try harness.json("clone", "create", "boot@before", "trial")
            try harness.json("mirror", "add", "away", "logs", "ssh://nobody@localhost/logs")
            return harness
        }

        /// What bash proposes for the last word of a line.
        private func bash(_ harness: CommandLineHarness, _ line: String) throws -> [String] {
            let result = try harness.tool([
                "bash", "-c",
                """
                PATH=\(URL(filePath: CommandLineHarness.binary).deletingLastPathComponent().path):$PATH
                source <(snapmgr completion bash)
                line=\(line.isEmpty ? "''" : "'\(line)'")
                read -ra COMP_WORDS <<<"$line"
                [[ $line == *' ' ]] && COMP_WORDS+=('')
                COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line}
                name=$(complete -p snapmgr | sed -E 's/.*-F ([^ ]+).*/\\1/')
                $name snapmgr "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                printf '%s\\n' "${COMPREPLY[@]}"
                """,
            ])
            return result.output.split(separator: "\n").map {
                $0.trimmingCharacters(in: .whitespaces)
            }.sorted()
        }

        @Test("bash proposes volumes, sets, snapshots, clones and mirrors")
        func proposals() throws {
            let harness = try scene()
            #expect(try bash(harness, "snapmgr list ").contains("vm1"))
            #expect(try bash(harness, "snapmgr volume show b") == ["boot"])
            #expect(try bash(harness, "snapmgr revert b") == ["boot@"])
            #expect(try bash(harness, "snapmgr show boot@be") == ["boot@before"])
            #expect(
                try bash(harness, "snapmgr show vm1@") == ["vm1@before", "vm1@latest", "vm1@live"])
            #expect(try bash(harness, "snapmgr clone delete t") == ["trial"])
            #expect(try bash(harness, "snapmgr mirror run a") == ["away"])
        }

        @Test("without a state nothing is proposed, and none is made")
        func silent() throws {
            let harness = try CommandLineHarness()
            #expect(try bash(harness, "snapmgr volume show ") == [])
            #expect(!FileManager.default.fileExists(atPath: harness.folder + "/state"))
        }

        @Test("the scripts for zsh and fish ask the program, too", arguments: ["zsh", "fish"])
        func others(shell: String) throws {
            let harness = try CommandLineHarness()
            let script = try harness.run("completion", shell)
            #expect(script.status == 0 && script.output.contains("---completion"))
        }
    }
}

import ArgumentParser

struct CompletionCommand: ParsableCommand {
    static let configuration = CommandConfiguration.verb(
        "completion", "Print a completion script for a shell.",
        examples: ["completion bash > /etc/bash_completion.d/snapmgr"], exits: [.done, .usage])

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash
        case zsh
        case fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let known: CompletionShell =
            switch shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        // bash would take VOL@NAME for three words.
        let start = shell == .bash ? "COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}\n" : ""
        Output.write(start + SnapmgrCommand.completionScript(for: known) + "\n")
    }
}

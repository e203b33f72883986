import ArgumentParser
import Manager
import ShellWords
import SnapshotModel
import Web

struct TokenListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List the tokens of the HTTP API, and when each was used last.",
        examples: ["token list"], exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        _ = try context.reader()
        let tokens = try WebTokens(state: try context.options().state.path).list()
        if tokens.isEmpty {
            let advice: Advice = "there are no tokens: \(.tokenCreate) makes one"
            context.terminal.note(Wording.shell.text(advice))
        }
        try context.show(["tokens": JSONValue(tokens)]) {
            var table = Table([
                .init(title: "NAME", isCut: true), .init(title: "ROLE"),
                .init(title: "CREATED", rank: 2), .init(title: "BY", rank: 3, isCut: true),
                .init(title: "EXPIRES"), .init(title: "LAST USED", rank: 1),
            ])
            return table.lines(tokens.map(row), on: context.terminal)
        }
    }

    private func row(_ summary: WebTokenSummary) -> [String] {
        let token = summary.token
        let end = token.expiresAt.map { display.time($0) } ?? "never"
        return [
            token.name, token.roleWord, display.time(token.createdAt), token.createdBy,
            end + (summary.hasExpired ? " (expired)" : ""), display.time(summary.lastUsedAt),
        ]
    }
}

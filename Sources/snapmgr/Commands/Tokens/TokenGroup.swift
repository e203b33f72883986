import ArgumentParser

struct TokenGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "token", "Let clients of the network use the HTTP API.",
        [TokenCreateCommand.self, TokenListCommand.self, TokenRevokeCommand.self])
}

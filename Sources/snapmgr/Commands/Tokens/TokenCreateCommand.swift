import ArgumentParser
import Manager
import SnapshotModel
import Web

struct TokenCreateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "create", "Make a token, and print it once.",
        discussion: """
            Whoever shows it to a daemon that serves --http tcp:HOST:PORT over this state may do what its role says: \
            read, snapshot (and hold), operate (delete, prune, steer merges), revert; each may all that those before \
            it may. What is kept cannot be turned back into the token: one that is lost is revoked, and another made.
            """,
        examples: [
            "token create prometheus --role read", "token create anna --role operate --expires 90d",
        ],
        exits: [.done, .failed, .usage, .locked, .refused])

    @Argument(help: "What to call it, in events and lists.")
    var name: String

    @Option(
        help: ArgumentHelp(
            "What it allows.", valueName: WebRole.allCases.map(\.word).joined(separator: "|")),
        completion: .list(WebRole.allCases.map(\.word)))
    var role: String

    @Option(
        help: ArgumentHelp("For how long, as 90d; for good without it.", valueName: "duration"))
    var expires: String?

    @Flag(name: [.customShort("n"), .long], help: "Change nothing.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    private static let shortestSeconds: Int64 = 60

    func run(_ context: CommandContext) throws {
        guard let role = WebRole(word: role) else {
            let words = WebRole.allCases.map(\.word).joined(separator: ", ")
            throw Problem(.usage, "there is no role `\(role)`", hint: "it is one of \(words)")
        }
        let seconds = try expires.map { text in
            guard let seconds = TimeText.durationSeconds(text), seconds >= Self.shortestSeconds
            else {
                throw Problem(
                    .usage, "`\(text)` is no time for a token to last",
                    hint: "write 90d, 8h or 1y; a minute at least")
            }
            return seconds
        }
        // It makes the state folder, and refuses one that root does not trust.
        let manager = try dryRun ? nil : context.manager()
        if dryRun { _ = try context.reader() }
        let tokens = WebTokens(state: try context.options().state.path)
        let (token, secret) = try tokens.create(
            .init(name: name, role: role, seconds: seconds, creator: "\(context.requester)"),
            isDryRun: dryRun)
        context.log(.tokenCreated, "token \(name) was made: \(role.word)", manager)
        try context.show([
            "token": token.json, "secret": JSONValue(secret), "dry_run": JSONValue(dryRun),
        ]) {
            let end = token.token.expiresAt.map { " until \(display.time($0))" } ?? ""
            context.terminal.note(
                secret == nil
                    ? "token \(name) would be made: \(role.word)\(end)"
                    : "token \(name): \(role.word)\(end); it is shown this once")
            return secret.map { $0 + "\n" } ?? ""
        }
    }
}

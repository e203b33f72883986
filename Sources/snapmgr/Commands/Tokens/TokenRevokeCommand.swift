import ArgumentParser
import Manager
import SnapshotModel
import Web

struct TokenRevokeCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "revoke", "Take tokens away: nobody is let in by them from now on.",
        discussion: """
            Sessions that were begun with them end, and so do downloads; who follows events by them gets no more. Jobs \
            that were begun go on.
            """,
        examples: ["token revoke anna"],
        exits: [.done, .failed, .usage, .notFound, .locked])

    @Argument(help: "The tokens.", completion: Candidates.tokens)
    var names: [String]

    @Flag(name: [.customShort("n"), .long], help: "Change nothing.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let manager = try dryRun ? nil : context.manager()
        if dryRun { _ = try context.reader() }
        let tokens = WebTokens(state: try context.options().state.path)
        let gone = try tokens.revoke(names, isDryRun: dryRun)
        for summary in gone {
            context.log(.tokenRevoked, "token \(summary.token.name) was revoked", manager)
        }
        try context.show(["revoked": JSONValue(gone), "dry_run": JSONValue(dryRun)]) {
            gone.map { "token \($0.token.name) \(dryRun ? "would be" : "is") revoked\n" }.joined()
        }
    }
}

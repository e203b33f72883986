import ArgumentParser
import Manager
import SnapshotModel

struct WebhookTestCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "test", "Send a receiver an event that tells of nothing, and say what it answers.",
        discussion: """
            It is signed as all events are, and sent by this command itself: its kind is webhook_test, its number 0.
            """,
        examples: ["webhook test siem"],
        exits: [.done, .failed, .usage, .missing, .notFound, .refused])

    @Argument(help: "The webhook.", completion: Candidates.webhooks)
    var name: String

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let test = try context.manager().webhooks.test(name, agent: Version.agent)
        try context.show(["test": test.json]) {
            "\(test.place) answered \(test.status) in \(test.milliseconds) ms\n"
        }
    }
}

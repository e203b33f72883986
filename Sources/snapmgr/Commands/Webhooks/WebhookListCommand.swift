import ArgumentParser
import Manager
import ShellWords
import SnapshotModel

struct WebhookListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List the webhooks of the configuration: what waits, fails and was given up.",
        discussion: """
            The daemon sends events to them, each in its order. What a receiver does not take is tried again, at longer and \
            longer intervals; what was not taken for give-up is listed here, until `webhook retry` has it sent again.
            """,
        examples: ["webhook list", "webhook list siem --json"],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(help: "These; all without any.", completion: Candidates.webhooks)
    var names: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let webhooks = try context.reader().webhooks.list(names)
        if webhooks.isEmpty {
            context.terminal.note("there are no webhooks: see [webhook.NAME] in snapmgr.toml(5)")
        }
        try context.show(["webhooks": JSONValue(webhooks)]) {
            var table = Table([
                .init(title: "NAME", isCut: true), .init(title: "RECEIVER", rank: 1, isCut: true),
                .init(title: "STATE"), .init(title: "WAITING"), .init(title: "GIVEN UP"),
                .init(title: "DELIVERED", rank: 2),
            ])
            return table.lines(webhooks.map(row), on: context.terminal)
                + webhooks.map(details).joined()
        }
    }

    private func row(_ webhook: WebhookSummary) -> [String] {
        [
            webhook.webhook.name, webhook.webhook.peer.address.place, webhook.state.rawValue,
            webhook.pendingCount.map(String.init) ?? "-", String(webhook.dead.count),
            display.time(webhook.lastDeliveredAt),
        ]
    }

    /// What fails, and why.
    private func details(_ webhook: WebhookSummary) -> String {
        let name = webhook.webhook.name
        var text = ""
        if let error = webhook.lastError, let since = webhook.failingSince {
            text += "\n\(name) fails since \(display.time(since)): \(error)\n"
        }
        for letter in webhook.dead.suffix(Self.deadShown) {
            text += "\(name): event \(letter.event) was given up: \(letter.error)\n"
        }
        let hidden = max(0, webhook.dead.count - Self.deadShown)
        if hidden > 0 { text += "\(name): and \(hidden) before these; --json has all\n" }
        if webhook.droppedCount > 0 {
            text += "\(name): \(webhook.droppedCount) older ones are no longer known\n"
        }
        return text
    }

    private static let deadShown = 5
}

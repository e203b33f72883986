import ArgumentParser

struct WebhookGroup: CommandGroup {
    static let configuration = CommandConfiguration.group(
        "webhook", "Have events sent to receivers over HTTP.",
        [WebhookListCommand.self, WebhookRetryCommand.self, WebhookTestCommand.self])
}

import ArgumentParser
import Manager
import SnapshotModel

struct WebhookRetryCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "retry", "Have the daemon send again what a receiver did not take.",
        discussion: """
            It is sent before what is new, and given up again when it is not taken this time. Without a daemon it waits for one.
            """,
        examples: ["webhook retry siem", "webhook retry siem 1204 1205"],
        exits: [.done, .failed, .usage, .notFound, .locked])

    @Argument(help: "The webhook.", completion: Candidates.webhooks)
    var name: String

    @Argument(help: "The numbers of events; all that were given up without any.")
    var events: [Int64] = []

    @Flag(name: [.customShort("n"), .long], help: "Change nothing.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let manager = try dryRun ? context.reader() : context.manager()
        let retried = try manager.webhooks.retry(name, events, isDryRun: dryRun)
        try context.show([
            "webhook": JSONValue(name), "events": .array(retried.map { .integer($0) }),
            "dry_run": JSONValue(dryRun),
        ]) {
            let count = retried.count == 1 ? "1 event" : "\(retried.count) events"
            return "\(count) \(dryRun ? "would be" : "will be") sent again to \(name)\n"
        }
    }
}

import ArgumentParser
import Manager
import SnapshotModel

struct MirrorRemoveCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "remove", "Mirror no more; the target keeps what it has.",
        examples: ["mirror remove offsite"],
        exits: [.done, .failed, .usage, .notFound, .locked, .interrupted])

    @Argument(help: "The mirror.", completion: Candidates.mirrors)
    var name: String

    @Flag(name: [.customShort("n"), .long], help: "Change nothing.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let manager = try dryRun ? context.reader() : context.manager()
        let summary = try manager.mirrors.remove(name, isDryRun: dryRun)
        // Of a damaged one there is no more.
        let mirror: JSONValue = summary?.json ?? ["name": JSONValue(name)]
        let target = summary?.record.target ?? "its target"
        try context.show(["mirror": mirror, "dry_run": JSONValue(dryRun)]) {
            "mirror \(name) \(dryRun ? "would be" : "is") removed; \(target) keeps what it has\n"
        }
    }
}

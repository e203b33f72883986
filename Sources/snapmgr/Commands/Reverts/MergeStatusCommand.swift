import ArgumentParser
import Manager

struct MergeStatusCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "status", "Show the merges that run or wait.",
        examples: ["merge status", "merge status data"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(
        help: ArgumentHelp("The volume; all without one.", valueName: "vol"),
        completion: Candidates.objects)
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let merges = try context.reader().merges.status(volumes)
        try context.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, on: context.terminal)
        }
    }
}

import ArgumentParser
import Manager

struct MergeResumeCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "resume", "Let merges go on.",
        discussion: "Where nobody serves the volume, this command merges until the end.",
        examples: ["merge resume data"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .interrupted])

    @Argument(
        help: ArgumentHelp("The volume; all without one.", valueName: "vol"),
        completion: Candidates.volumes)
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let merges = try context.manager().merges.resume(volumes)
        try context.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, on: context.terminal)
        }
    }
}

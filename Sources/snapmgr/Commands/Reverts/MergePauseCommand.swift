import ArgumentParser
import Manager

struct MergePauseCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "pause", "Let merges rest until they are resumed.",
        discussion: """
            The volume reads and writes as before meanwhile. Of a volume under device-mapper, a merge \
            whose rest lies in too many pieces is refused.
            """,
        examples: ["merge pause data"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The volume; all without one.", valueName: "vol"),
        completion: Candidates.volumes)
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let merges = try context.manager().merges.pause(volumes)
        try context.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, on: context.terminal)
        }
    }
}

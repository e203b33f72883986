import ArgumentParser
import Manager

struct MergeStatusCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "status", "Show the merges that run or wait.",
        examples: ["merge status", "merge status data"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(help: ArgumentHelp("The volume; all without one.", valueName: "vol"))
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let merges = try session.reader().merges.status(volumes)
        try session.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, heading: session.terminal.bold)
        }
    }
}

import ArgumentParser
import Manager

struct MergePauseCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "pause", "Let merges rest until they are resumed.", examples: ["merge pause data"])

    @Argument(help: ArgumentHelp("The volume; all without one.", valueName: "vol"))
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let merges = try session.manager().merges.pause(volumes)
        try session.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, heading: session.terminal.bold)
        }
    }
}

import ArgumentParser
import Manager

struct MergeResumeCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "resume", "Let merges go on.",
        discussion: "Where nobody serves the volume, this command merges until the end.",
        examples: ["merge resume data"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .interrupted])

    @Argument(help: ArgumentHelp("The volume; all without one.", valueName: "vol"))
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let meter = ProgressMeter(session.terminal)
        defer { meter.finish() }
        let merges = try session.manager().merges.resume(volumes) { volume, progress in
            meter.update("merging \(volume)", progress)
        }
        meter.finish()
        try session.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, heading: session.terminal.bold)
        }
    }
}

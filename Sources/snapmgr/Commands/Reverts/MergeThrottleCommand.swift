import ArgumentParser
import Manager
import SnapshotModel

struct MergeThrottleCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "throttle", "Limit how fast merges copy.",
        examples: ["merge throttle 50M data", "merge throttle none"])

    /// Bytes per second, or no limit.
    struct Rate: ExpressibleByArgument {
        let bytesPerSecond: Int?

        init?(argument: String) {
            if argument == "none" {
                bytesPerSecond = nil
                return
            }
            guard let count = ByteCount(argument), count.bytes > 0 else { return nil }
            bytesPerSecond = count.bytes
        }
    }

    @Argument(help: "Bytes per second, as 50M, or `none`.")
    var rate: Rate

    @Argument(
        help: ArgumentHelp("The volume; all without one.", valueName: "vol"),
        completion: Candidates.volumes)
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let merges = try context.manager().merges.throttle(
            volumes, bytesPerSecond: rate.bytesPerSecond)
        try context.show(["merges": JSONValue(merges)]) {
            MergeTable(display: display).text(merges, on: context.terminal)
        }
    }
}

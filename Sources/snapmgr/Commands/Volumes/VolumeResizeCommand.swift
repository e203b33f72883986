import ArgumentParser
import Manager
import SnapshotModel

struct VolumeResizeCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "resize", "Make a volume larger or smaller.",
        discussion: """
            Snapshots keep the size that the volume had at their time. A volume is not made \
            smaller while an NBD client has it open for writing, but with --force.
            """,
        examples: [
            "volume resize data 40G", "volume resize data +1G", "volume resize data 10G --dry-run",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var name: String

    @Argument(help: "The new size, or +SIZE to add to the one that it has.")
    var size: NewSizeArgument

    @Flag(help: "Make an image smaller under the NBD clients that have it open.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmOptions
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volumes = try context.manager().volumes
        let newBytes = try size.bytes(from: { try volumes.show(name).record.geometry.volumeBytes })
        if !dryRun {
            let preview = try volumes.resize(
                name, to: newBytes, isDryRun: true, overrulesClients: force)
            if preview.newBytes < preview.oldBytes {
                let lost = display.size(preview.oldBytes - preview.newBytes)
                try confirmation.confirm(
                    "Make volume \(name) smaller?",
                    dropping: "the last \(lost) of volume \(name) would be cut off",
                    context.terminal)
            }
        }
        let report = try volumes.resize(
            name, to: newBytes, isDryRun: dryRun, overrulesClients: force)
        try context.show(report) {
            "volume \(name) \(dryRun ? "would have" : "has") \(display.size(report.newBytes)) now, "
                + "\(display.size(report.oldBytes)) before\n"
                + (report.clientAdvice.map { "\($0)\n" } ?? "")
        }
    }
}

/// The size that a volume is to have, in bytes: `40G`, or `+1G` more than it has.
struct NewSizeArgument: ExpressibleByArgument {
    private let size: SizeArgument
    private let isGrowth: Bool

    init?(argument: String) {
        isGrowth = argument.hasPrefix("+")
        guard let size = SizeArgument(argument: String(argument.dropFirst(isGrowth ? 1 : 0))) else {
            return nil
        }
        self.size = size
    }

    /// - Parameter old: tells the size that it has.
    func bytes(from old: () throws -> Int) rethrows -> Int {
        isGrowth ? try old().addingClamped(size.bytes) : size.bytes
    }
}

import ArgumentParser
import Manager
import SnapshotModel

struct VolumeSetCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "set", "Say where a volume's origin is now.",
        discussion: """
            An origin that was moved, restored, or replaced by a link is another file than the one \
            that was put under management, and is not written to until this says that it is right. \
            Its content is not looked at: snapshots show it wherever they share bytes with it. \
            Nobody may have the volume open.
            """,
        examples: ["volume set data --origin /mnt/new/disk.img"],
        exits: [.done, .failed, .usage, .notFound, .locked, .refused])

    @Argument(help: "The volume.")
    var name: String

    @Option(help: ArgumentHelp("The file or block device that holds the data.", valueName: "path"))
    var origin: String

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volume = try context.manager().volumes.setOrigin(name, to: origin)
        try context.show(["volume": volume.json]) {
            "volume \(name) has the origin \(volume.record.originPath) now\n"
        }
    }
}

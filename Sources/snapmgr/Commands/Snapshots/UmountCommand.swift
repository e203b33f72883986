import ArgumentParser
import Manager
import SnapshotModel

struct UmountCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "umount", "Unmount a snapshot, and close its device.",
        discussion: """
            The volume itself can be unmounted so, too; a revert that waits for that is done then.
            """,
        examples: ["umount /mnt"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(help: ArgumentHelp("The folder that it is mounted on.", valueName: "dir"))
    var folder: String

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().mounts.unmount(folder)
        try context.show(["umount": report.json]) {
            (report.snapshot.map { "snapshot \($0) of " } ?? "")
                + "volume \(report.volume) unmounted from \(report.folder)\n"
        }
    }
}

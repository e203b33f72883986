import ArgumentParser
import Manager
import SnapshotModel

struct UmountCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "umount", "Unmount a snapshot or a clone, and end what it was mounted with.",
        discussion: """
            Its device is closed, and a server that was started for mounts ends with the last one. A \
            volume under device-mapper itself can be unmounted so, too; a revert that waits for that is \
            done then. What cannot be read any more, because its server was killed, is cleared away.
            """,
        examples: ["umount /mnt"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("The folder that it is mounted on.", valueName: "dir"),
        completion: .directory)
    var folder: String

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().mounts.unmount(folder)
        try context.show(["umount": report.json]) {
            "\(report.what) unmounted from \(report.folder)\n"
        }
    }
}

import ArgumentParser
import Manager
import SnapshotModel

struct MountCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "mount", "Mount a snapshot, read-only, or a clone.",
        discussion: """
            The filesystem is recognised, and mounted so that it goes beside that of the volume itself: \
            of a snapshot, ext4 without its journal, XFS without recovery where its log is not clean, \
            both said; a clone's journal is replayed. Btrfs is refused while the volume's own is \
            mounted. Set-user-ID bits and device nodes in it count for nothing. What a snapshot holds \
            may have been made to attack the kernel that mounts it: `files` and `get` read ext4 without \
            a mount and without root.

            What is mounted is neither deleted nor pruned. An image is read from its server, or, while \
            nobody serves it, from one that is started and ends with the last mount; nbdfuse makes a \
            file of the export, and a loop device over it is mounted. If one of these ends, the mount \
            gives errors, and the next mount, umount or tick clears it away.
            """,
        examples: [
            "mount 42 /mnt", "mount data@2h /mnt", "mount disk@latest /mnt --partition 2",
            "mount trial /mnt", "umount /mnt",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(help: ArgumentHelp("The snapshot, or a clone's name.", valueName: "id"))
    var reference: String

    @Argument(help: ArgumentHelp("The folder to mount it on; it must be empty.", valueName: "dir"))
    var folder: String

    @Flag(help: "Refuse what can only be read; clones are always mounted writable.")
    var writable = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().mounts.mount(
            MountRequest(
                reference: reference, folder: folder, partition: partition.partition,
                isForWriting: writable),
            environment: context.environment)
        try context.show(["mount": report.json]) {
            "\(report.what) mounted on \(report.folder) (\(report.filesystem ?? ""), "
                + "\(report.isReadOnly ? "read-only" : "writable"))\n"
        }
    }
}

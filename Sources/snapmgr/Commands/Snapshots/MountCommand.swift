import ArgumentParser
import Manager
import SnapshotModel

struct MountCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "mount", "Mount an old snapshot of a volume under device-mapper, read-only.",
        discussion: """
            The filesystem in the snapshot is recognised, and mounted so that it goes beside that of \
            the volume itself: ext4 without its journal, XFS without recovery and without a look at \
            its UUID. Set-user-ID bits and device nodes in it count for nothing. Snapshots of images \
            are read over NBD instead: `snapmgr serve`.
            """,
        examples: ["mount 42 /mnt", "mount data@2h /mnt", "umount /mnt"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(help: ArgumentHelp("The snapshot.", valueName: "id"))
    var reference: String

    @Argument(help: ArgumentHelp("The folder to mount it on.", valueName: "dir"))
    var folder: String

    @Flag(help: "Not in this version: snapshots are mounted read-only.")
    var writable = false

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        guard !writable else {
            throw Problem(
                .refused, "snapshot \(reference) can be mounted read-only only in this version",
                hint: "leave out --writable")
        }
        let report = try context.manager().mounts.mount(reference, on: folder)
        try context.show(["mount": report.json]) {
            "snapshot \(report.snapshot?.description ?? "") of volume \(report.volume) mounted on \(report.folder) "
                + "(\(report.filesystem ?? ""), read-only)\n"
        }
    }
}

import ArgumentParser
import Manager
import SnapshotModel

struct MountCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "mount", "Mount a snapshot, read-only, a clone, or all snapshots of a volume.",
        discussion: """
            The filesystem is recognised, and mounted so that it goes beside that of the volume itself: \
            of a snapshot, ext4 without its journal, XFS without recovery where its log is not clean, \
            both said; a clone's journal is replayed. Btrfs is refused while the volume's own is \
            mounted. Set-user-ID bits and device nodes in it count for nothing. What a snapshot holds \
            may have been made to attack the kernel that mounts it: `files` and `get` read ext4 without \
            a mount and without root.

            What is mounted is neither deleted nor pruned. An image is read from its server, or, while \
            nobody serves it, from one that is started and ends with the last mount; nbdfuse makes a \
            file of the export, and a loop device over it is mounted. Who is not root gets ext2, ext3 and ext4 \
            by fuse2fs in the place of that, for himself alone. If one of these ends, the mount \
            gives errors, and the next mount, umount or tick clears it away.

            --all mounts a folder for each snapshot of a volume, named by its time and its name, and \
            keeps them up to date: a new snapshot appears, and a deleted one goes, within a second. One \
            program shows all of them, and reads ext2, ext3 and ext4 as `files` does, without the kernel's \
            filesystems and without root: root's mount is for all users, as far as the files' owners, modes \
            and access lists allow, another user's for him alone. No snapshot is kept by it: what is open of \
            one that is deleted gives errors (ESTALE). With --names gmt the folders are called as Samba \
            wants them for previous versions. It ends with umount.
            """,
        examples: [
            "mount 42 /mnt", "mount data@2h /mnt", "mount disk@latest --partitions",
            "mount disk@latest /mnt --partition 2",
            "mount trial /mnt", "mount --all data /srv/snapshots",
            "mount --all data /srv/snapshots --names gmt", "umount /mnt",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused, .interrupted])

    @Argument(
        help: ArgumentHelp(
            "The snapshot, or a clone's name; with --all, the volume.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var reference: String

    @Argument(
        help: ArgumentHelp("The folder to mount it on; it must be empty.", valueName: "dir"),
        completion: .directory)
    var folder: String?

    @Flag(help: "Refuse what can only be read; clones are always mounted writable.")
    var writable = false

    @Flag(help: "Mount a folder for each snapshot of a volume.")
    var all = false

    @Option(
        help: ArgumentHelp(
            "With --all: name the folders by local time, utc, or gmt, as Samba does.",
            valueName: "local|utc|gmt"))
    var names: FolderNames?

    @Flag(help: "Show the partitions of a disk, and what they hold; mount nothing.")
    var partitions = false

    @Flag(
        name: [.customShort("n"), .long],
        help: "With --all: look whether it could be mounted, and change nothing.")
    var dryRun = false

    @Option(help: .hidden)
    var serveTree: Int?

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard partitions == (folder == nil) else {
            throw ValidationError(
                partitions
                    ? "--partitions mounts nothing: leave the folder out"
                    : "name a folder to mount on, or --partitions")
        }
        guard !partitions || (!all && !writable && partition.partition == nil) else {
            throw ValidationError("--partitions goes with a snapshot or a clone alone")
        }
        guard !(all && writable) else {
            throw ValidationError("--all and --writable exclude each other")
        }
        guard all || (names == nil && !dryRun && serveTree == nil) else {
            throw ValidationError("--names and --dry-run go with --all only")
        }
    }

    func run(_ context: CommandContext) throws {
        try context.exportConfig()
        guard let folder else {
            return try PartitionTableText(display).show(reference, context)
        }
        guard !all else { return try mountAll(context, on: folder) }
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

    private func mountAll(_ context: CommandContext, on folder: String) throws {
        let mounts = try context.manager().mounts
        if let serveTree {
            return try mounts.serveTree(serveTree, environment: context.environment)
        }
        let report = try mounts.mountAll(
            TreeRequest(
                volume: reference, folder: folder, partition: partition.partition,
                names: names ?? .local, isDryRun: dryRun),
            environment: context.environment)
        let snapshots = report.tree?.snapshotCount.map { " (\($0) by now)" } ?? ""
        try context.show(["mount": report.json]) {
            "\(report.what)\(snapshots) \(dryRun ? "would be mounted" : "mounted") on \(report.folder)\n"
        }
    }
}

extension FolderNames: ExpressibleByArgument {}

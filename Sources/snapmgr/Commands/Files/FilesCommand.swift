import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct FilesCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "files", "List the files in a snapshot or a clone.",
        discussion: """
            Reads ext2, ext3 and ext4 without a mount. No root is needed, and who reads what others may have made \
            had better not be root. Of one that was in use, what its journal holds is shown as a mount would show it. \
            Other filesystems that the kernel knows, as XFS and Btrfs, are mounted for as long as the command \
            takes, read-only, with nosuid and nodev: root alone can do that.
            """,
        examples: [
            "files 42", "files data@2h /etc", "files 42 /home -R --json", "files data@live /",
            "files trial /etc --tree", "files disk@latest --partitions",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot, a clone, or VOL@live.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var reference: String

    @Argument(help: "The folder or file in it.")
    var path = "/"

    @Flag(name: [.customShort("R"), .long], help: "List what is below its folders, too.")
    var recursive = false

    @Flag(help: "Show the folder with all that is below it as a tree.")
    var tree = false

    @Flag(help: "Show the partitions of a disk, and what they hold.")
    var partitions = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !(tree && global.json) else {
            throw ValidationError("--tree and --json exclude each other: --json -R tells the same")
        }
        guard !partitions || (partition.partition == nil && !tree && !recursive && path == "/")
        else {
            throw ValidationError("--partitions goes with no path, and with no other of these")
        }
    }

    func run(_ context: CommandContext) throws {
        if partitions { return try PartitionTableText(display).show(reference, context) }
        if tree { return try showTree(context) }
        var table = FileTable(display, on: context.terminal)
        var prefix = "{\"files\":["
        let flaws = try context.reader().fileLists.list(
            reference, path: path, isWhole: recursive, partition: partition.partition
        ) { page in
            guard global.json else { return Output.show(table.lines(page)) }
            var text = ""
            for file in page {
                text += prefix
                file.json.write(to: &text)
                prefix = ","
            }
            Output.write(text)
        }
        if global.json {
            let start = prefix == "," ? "" : prefix
            Output.write("\(start)],\"unread\":\(JSONValue(flaws))}\n")
        }
        try FlawReport(flaws, "could not be read").end(context, isShown: !global.json)
    }
}

extension FilesCommand {
    private func showTree(_ context: CommandContext) throws {
        var folder = try NodePath(argument: path)
        let tree = FileTree()
        var isFolder = true
        let flaws = try context.reader().fileLists.list(
            reference, path: path, isWhole: true, partition: partition.partition
        ) { page in
            for file in page {
                if let found = folder.unescaped, file.path.names.starts(with: found.names) {
                    folder = found
                }
                // Of what is no folder, the page is that alone.
                if file.path == folder { isFolder = false }
                tree.add(file.path, label: label(file))
            }
        }
        let text = tree.text(below: folder, heading: folder.text)
        Output.show(isFolder ? text : folder.text.escapedForPeople + "\n")
        try FlawReport(flaws, "could not be read").end(context, isShown: true)
    }

    private func label(_ file: FileSummary) -> String {
        let name = file.path.last?.text ?? "/"
        switch file.node.kind {
        case .folder: return name + "/"
        case .file: return "\(name)  \(display.size(file.node.byteCount))"
        default: return name + (file.target.map { " -> \($0.text)" } ?? "")
        }
    }
}

/// Which part of a disk is meant.
struct PartitionOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("Look into a partition of a disk, by its number.", valueName: "n"))
    var partition: Int?

    func validate() throws {
        guard partition ?? 1 > 0 else {
            throw ValidationError("partitions have numbers from 1 on")
        }
    }
}

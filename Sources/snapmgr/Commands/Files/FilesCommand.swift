import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct FilesCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "files", "List the files in a snapshot, without mounting it.",
        discussion: """
            Reads ext2, ext3 and ext4. No root is needed, and who reads what others may have made \
            had better not be root. Of one that was in use, what its journal holds is shown as a mount would show it.
            """,
        examples: [
            "files 42", "files data@2h /etc", "files 42 /home -R --json", "files data@live /",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot, or VOL@live.", valueName: "id"),
        completion: Candidates.references)
    var reference: String

    @Argument(help: "The folder or file in it.")
    var path = "/"

    @Flag(name: [.customShort("R"), .long], help: "List what is below its folders, too.")
    var recursive = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
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

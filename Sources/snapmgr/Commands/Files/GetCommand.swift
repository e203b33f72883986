import ArgumentParser
import FileSystems
import Manager
import SnapshotModel

struct GetCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "get", "Bring files and folders back from a snapshot or a clone.",
        discussion: """
            They keep modes, times, extended attributes, access lists, holes, and hard links within a \
            folder; owners and devices when root brings them. What has the name already stays, unless \
            --force replaces it. With --to -, the bytes of one file go to standard output. ext2, ext3 and \
            ext4 are read without a mount; others as `files` reads them.
            """,
        examples: [
            "get 42 /etc/fstab", "get data@2h /home/eve --to /tmp/back",
            "get 42 /etc/passwd --to -",
            "get 42 /home -n", "get trial /etc/fstab",
        ],
        exits: [
            .done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused,
            .interrupted,
        ])

    @Argument(
        help: ArgumentHelp("The snapshot, a clone, or VOL@live.", valueName: "id"),
        completion: Candidates.referencesAndClones)
    var reference: String

    @Argument(help: "What to bring, by its paths in it.")
    var paths: [String]

    @Option(
        help: ArgumentHelp("The folder to bring it to, or -.", valueName: "dir|-"),
        completion: .directory)
    var to = "."

    @Flag(help: "Replace files that have the names already.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Only tell what would be brought.")
    var dryRun = false

    @OptionGroup var partition: PartitionOption
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard to != "-" || (paths.count == 1 && !dryRun && !global.json) else {
            throw ValidationError(
                "--to - takes one file, and goes neither with --dry-run nor with --json")
        }
    }

    func run(_ context: CommandContext) throws {
        let gets = try context.reader().fileGets
        guard to != "-" else {
            return try gets.read(
                reference, path: paths[0], partition: partition.partition, Output.write(bytes:))
        }
        let report = try gets.get(
            FileGetRequest(
                reference: reference, paths: paths, folder: to, overwrites: force,
                isDryRun: dryRun, partition: partition.partition))
        try context.show(report) { text(report) }
        if let failure = report.failure {
            throw FlawReport.partly(failure, "what came before it was brought to \(report.folder)")
        }
        try FlawReport(report.skipped, report.isDryRun ? "would be left out" : "were left out")
            .end(context, isShown: !global.json)
    }

    private func text(_ report: FileGetReport) -> String {
        let counts = report.counts
        let parts = [
            (counts.files, "files"), (counts.folders, "folders"), (counts.links, "symbolic links"),
            (counts.hardLinks, "further names"), (counts.others, "other nodes"),
        ].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        let what = parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
        let verb = report.isDryRun ? "would be brought to" : "brought to"
        return "\(what) \(verb) \(report.folder): \(display.size(counts.bytes))\n"
    }
}

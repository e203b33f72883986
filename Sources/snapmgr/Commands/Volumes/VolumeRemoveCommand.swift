import ArgumentParser
import Manager
import SnapshotModel

struct VolumeRemoveCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "remove", "Take a volume out of management, with its snapshots.",
        discussion: """
            The origin stays as it is, a plain volume. While a client of a server has it open for \
            writing, it stays, but with --force. A volume under device-mapper is deactivated \
            first, which is refused while somebody has it open or a merge runs.
            """,
        examples: ["volume remove data --dry-run", "volume remove data --keep-store"],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .refused])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var name: String

    @Flag(help: "Leave the store; `catalog rebuild --store DIR` takes it over again.")
    var keepStore = false

    @Flag(help: "Take an image from its server, too: the NBD clients that have it open get errors.")
    var force = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmOptions
    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volumes = try context.manager().volumes
        if !dryRun {
            let preview = try volumes.remove(
                name, keepsStore: keepStore, isDryRun: true, overrulesClients: force)
            let isLoss = !keepStore && preview.snapshotCount > 0
            try confirmation.confirm(
                "Remove volume \(name)?",
                dropping: isLoss
                    ? "\(preview.snapshotCount) snapshots of volume \(name) would be lost" : nil,
                context.terminal)
        }
        let report = try volumes.remove(
            name, keepsStore: keepStore, isDryRun: dryRun, overrulesClients: force)
        try context.show(report) {
            let verb = dryRun ? "would be removed" : "removed"
            let store =
                report.keptStorePath.map { "store kept in \($0)" }
                ?? report.foreignStorePath.map { "\($0) is not its store and is left as it is" }
                ?? "\(report.snapshotCount) snapshots, \(display.size(report.freedBytes)) freed"
            return "volume \(name) \(verb): \(store)\n" + Self.left(report.leftPaths)
        }
    }

    private static func left(_ paths: [String]) -> String {
        paths.isEmpty
            ? "" : "not snapmgr's, and left where it is:\n" + paths.map { "  \($0)\n" }.joined()
    }
}

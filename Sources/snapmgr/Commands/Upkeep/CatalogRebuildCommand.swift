import ArgumentParser
import Manager
import SnapshotModel

struct CatalogRebuildCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "rebuild", "Make the catalog anew from the stores.",
        discussion: """
            A catalog that can still be read keeps what only it knows. A damaged one is moved \
            aside, never deleted. Of two stores of one volume neither is taken, unless the catalog \
            knows one of them. A store that belongs to another state is taken with --take-over only: \
            the other state can use it no more.
            """,
        examples: [
            "catalog rebuild", "catalog rebuild --store /mnt/disk/snapmgr-data",
            "catalog rebuild --store /mnt/disk/snapmgr-data --take-over",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .refused])

    @Option(help: ArgumentHelp("Read this store only.", valueName: "dir"), completion: .directory)
    var store: String?

    @Flag(help: "Take the store from the state that it belongs to.")
    var takeOver = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !takeOver || store != nil else {
            throw ValidationError("--take-over needs --store DIR")
        }
    }

    func run(_ context: CommandContext) throws {
        let report = try RebuildService(context.options()).rebuild(
            store: store, takesOver: takeOver)
        try context.show(["rebuild": report.json]) {
            let lines = report.volumes.map {
                "volume \($0.name): \($0.snapshotCount) snapshots from \($0.storePath)\n"
            }
            let aside = report.damagedCatalogPath.map { "the damaged catalog is kept as \($0)\n" }
            return (lines.isEmpty ? "no store found\n" : lines.joined()) + (aside ?? "")
        }
    }
}

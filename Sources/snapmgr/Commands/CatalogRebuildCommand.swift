import ArgumentParser
import Manager
import SnapshotModel

struct CatalogRebuildCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "rebuild", "Make the catalog anew from the stores.",
        discussion: """
            A catalog that can still be read keeps what only it knows. A damaged one is moved \
            aside, never deleted.
            """,
        examples: ["catalog rebuild", "catalog rebuild --store /mnt/disk/snapmgr-data"])

    @Option(help: ArgumentHelp("Read this store only.", valueName: "dir"))
    var store: String?

    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let report = try RebuildService(session.options()).rebuild(store: store)
        try session.show(["rebuild": report.json]) {
            let lines = report.volumes.map {
                "volume \($0.name): \($0.snapshotCount) snapshots from \($0.storePath)\n"
            }
            let aside = report.damagedCatalogPath.map { "the damaged catalog is kept as \($0)\n" }
            return (lines.isEmpty ? "no store found\n" : lines.joined()) + (aside ?? "")
        }
    }
}

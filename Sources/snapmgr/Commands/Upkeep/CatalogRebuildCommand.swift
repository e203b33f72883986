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
            the other state can use it no more. With --origin, the store of a volume is made anew \
            first, from what its image in a Ceph cluster says of it.
            """,
        examples: [
            "catalog rebuild", "catalog rebuild --store /mnt/disk/snapmgr-data",
            "catalog rebuild --store /mnt/disk/snapmgr-data --take-over",
            "catalog rebuild --origin rbd:vms/web",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .refused])

    @Option(help: ArgumentHelp("Read this store only.", valueName: "dir"), completion: .directory)
    var store: String?

    @Flag(help: "Take the store from the state that it belongs to.")
    var takeOver = false

    @Option(
        help: ArgumentHelp(
            "Make the store anew from this image first, in --store or the default place.",
            valueName: "image"))
    var origin: String?

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard !takeOver || store != nil || origin != nil else {
            throw ValidationError("--take-over needs --store DIR, or --origin IMAGE")
        }
        try cluster.requireImage(origin)
    }

    func run(_ context: CommandContext) throws {
        let report = try RebuildService(context.options()).rebuild(
            store: store, takesOver: takeOver, origin: origin.map(cluster.completing))
        try context.show(["rebuild": report.json]) {
            let lines = report.volumes.map {
                "volume \($0.name): \($0.snapshotCount) snapshots from \($0.storePath)\n"
            }
            let aside = report.damagedCatalogPath.map { "the damaged catalog is kept as \($0)\n" }
            return (lines.isEmpty ? "no store found\n" : lines.joined()) + (aside ?? "")
        }
    }
}

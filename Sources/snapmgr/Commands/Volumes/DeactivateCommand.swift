import ArgumentParser
import Manager
import SnapshotModel

struct DeactivateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "deactivate", "Take the devices of volumes under device-mapper down.",
        discussion: """
            The origin is a plain device afterwards, and holds what the volume showed. Refused while \
            somebody has the volume or one of its snapshots open, or a merge runs. Nothing may be \
            written to the origin until the volume is active again. A volume whose store is missing \
            is taken down with --without-store only: the origin is as the kernel has left it. When \
            one volume fails, the others are deactivated all the same, and the command ends with 3.
            """,
        examples: ["deactivate data", "deactivate --all"],
        exits: [.done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused])

    @Argument(help: ArgumentHelp("The volumes.", valueName: "vol"), completion: Candidates.volumes)
    var volumes: [String] = []

    @Flag(help: "All volumes under device-mapper.")
    var all = false

    @Flag(help: "Also where the store is missing; what a merge has left half done stays so.")
    var withoutStore = false

    @OptionGroup var global: GlobalOptions

    func validate() throws { try VolumeSelection.validate(volumes, all: all) }

    func run(_ context: CommandContext) throws {
        let report = try context.manager().activations.deactivate(
            all ? nil : volumes, withoutStore: withoutStore)
        try context.show(report) {
            report.items.map { item in
                guard item.failure == nil else { return "" }
                return "volume \(item.volume) is \(item.hasChanged ? "" : "already ")inactive\n"
            }.joined()
        }
        try VolumeSelection.report(report)
    }
}

import ArgumentParser
import Manager
import SnapshotModel

struct SnapshotCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "snapshot", "Take a snapshot of a volume, or of several at one instant.",
        discussion: """
            Several volumes make a set: all of them or none get a snapshot. A set or a VM of the \
            configuration is taken by its name, a set with its hooks around it. When the volumes are disks of a \
            VM of the settings, that is frozen by its guest agent, or its memory is saved with them; \
            what was reached is told, and shown by list and show.
            """,
        examples: [
            "snapshot data --name before-upgrade", "snapshot data logs --set nightly",
            "snapshot vm1 --name before-upgrade",
            "snapshot data --if-older-than 15m",
        ],
        exits: [.done, .failed, .usage, .notFound, .missing, .locked, .interrupted])

    @Argument(
        help: "The volumes, or a set or VM of the configuration.", completion: Candidates.objects)
    var volumes: [String]

    @Option(help: "A name, for VOL@NAME.")
    var name: String?

    @Option(help: ArgumentHelp("A name for the set.", valueName: "name"))
    var set: String?

    @Option(help: "A word to find it by; may be given more than once.")
    var tag: [String] = []

    @Option(help: ArgumentHelp("What it is for.", valueName: "text"))
    var note: String?

    @Option(
        help: ArgumentHelp(
            "Do nothing when there is a younger snapshot.", valueName: "duration"),
        transform: { text in
            guard let seconds = TimeText.durationSeconds(text) else {
                throw ValidationError("`\(text)` is not a duration; write 10m, 2h or 1d")
            }
            return seconds
        })
    var ifOlderThan: Int64?

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let report = try context.manager().snapshots.take(
            TakeRequest(
                volumes: volumes, name: name, setName: set, tags: tag, note: note,
                minimumAgeSeconds: ifOlderThan))
        try context.show(report) {
            guard !report.snapshots.isEmpty else {
                return "no snapshot taken: there is a younger one\n"
            }
            let lines = report.snapshots.map { "snapshot \($0.id) of volume \($0.volume) taken\n" }
            let machines = (report.machines?.machines ?? []).map { machine in
                let stop = machine.downtimeMicroseconds.map { ", stood still for \($0 / 1000) ms" }
                return "VM \(machine.name): \(machine.level.rawValue)\(stop ?? "")\n"
            }
            return lines.joined() + (report.set.map { "set:\($0)\n" } ?? "") + machines.joined()
        }
    }
}

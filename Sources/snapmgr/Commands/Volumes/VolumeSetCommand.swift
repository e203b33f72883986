import ArgumentParser
import Manager
import SnapshotModel

struct VolumeSetCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "set",
        "Say where a volume's origin is now, what it is called, or what it does when its store is full.",
        discussion: """
            An origin that was moved, restored, or replaced by a link is another file than the one \
            that was put under management, and is not written to until this says that it is right. \
            Its content is not looked at: snapshots show it wherever they share bytes with it.

            A new name is the one that commands, exports and events know the volume by; the store stays \
            where it is. Settings and units that name it are to be changed by hand.

            Nobody may have the volume open.
            """,
        examples: [
            "volume set data --origin /mnt/new/disk.img", "volume set data --name mail",
            "volume set data --when-full break-snapshots",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .refused])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var name: String

    @Option(
        help: ArgumentHelp("The file or block device that holds the data.", valueName: "path"),
        completion: .file())
    var origin: String?

    @Option(
        name: .customLong("name"), help: ArgumentHelp("The volume's new name.", valueName: "new"))
    var newName: String?

    @Option(help: "What to do when the store is full: fail writes, or give up the snapshots.")
    var whenFull: WhenFull?

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volume = try context.manager().volumes.set(
            name,
            VolumeSetting(
                name: newName, originPath: origin, storeFullPolicy: whenFull?.policy))
        try context.show(["volume": volume.json]) { text(volume) }
    }

    private func text(_ volume: VolumeSummary) -> String {
        let record = volume.record
        let changes = [
            newName.map { "is called \($0)" },
            origin.map { _ in "has the origin \(record.originPath)" },
            whenFull.map { "does \($0.rawValue) when its store is full" },
        ].compactMap(\.self)
        return "volume \(name) \(changes.joined(separator: ", ")) now\n"
    }
}

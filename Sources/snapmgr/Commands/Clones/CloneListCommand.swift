import ArgumentParser
import Manager
import SnapshotModel

struct CloneListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List clones, and what was written to each occupies.",
        examples: ["clone list", "clone list data --json"],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(
        help: ArgumentHelp("The volumes; all without one.", valueName: "volume"),
        completion: Candidates.objects)
    var volumes: [String] = []

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let clones = try context.reader().clones.list(volumes)
        try context.show(["clones": JSONValue(clones)]) {
            let hasDevices = clones.contains { $0.devicePath != nil }
            var table = Table(
                [
                    .init(title: "NAME", isCut: true), .init(title: "VOLUME", isCut: true),
                    .init(title: "SNAPSHOT", alignment: .right),
                    .init(title: "PARENT", isCut: true),
                    .init(title: "SIZE", alignment: .right),
                    .init(title: "WRITTEN", alignment: .right),
                    .init(title: "STATE", emphasis: StateWords.emphasis),
                    .init(title: "CREATED", rank: 2),
                ] + (hasDevices ? [.init(title: "DEVICE")] : []))
            return table.lines(
                clones.map { clone in
                    [
                        clone.record.name, clone.volume, clone.record.snapshotID.description,
                        clone.record.parent ?? "",
                        display.size(clone.record.volumeBytes), display.size(clone.storeBytes),
                        state(of: clone), display.time(clone.record.createdAt),
                    ] + (hasDevices ? [clone.devicePath ?? ""] : [])
                }, on: context.terminal)
        }
    }

    private func state(of clone: CloneSummary) -> String {
        clone.state == .ready && clone.record.isReadOnly ? "read-only" : clone.state.rawValue
    }
}

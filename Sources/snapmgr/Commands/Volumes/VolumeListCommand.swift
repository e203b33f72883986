import ArgumentParser
import Manager
import SnapshotModel
import VolumeAccess

struct VolumeListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List the volumes.", examples: ["volume list", "volume list --json"],
        exits: [.done, .failed, .usage])

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volumes = try context.reader().volumes.list()
        try context.show(["volumes": JSONValue(volumes)]) {
            var table = Table([
                .init(title: "NAME", isCut: true), .init(title: "SIZE", alignment: .right),
                .init(title: "SNAPSHOTS", alignment: .right),
                .init(title: "STORE", alignment: .right, rank: 1),
                .init(title: "STATE", emphasis: StateWords.emphasis),
                .init(title: "ORIGIN", isCut: true),
            ])
            return table.lines(
                volumes.map { volume in
                    [
                        volume.record.name, display.size(volume.record.geometry.volumeBytes),
                        String(volume.snapshotCount), display.size(volume.storeBytes),
                        volume.state.rawValue, volume.record.originPath,
                    ]
                }, on: context.terminal)
        }
    }
}

import ArgumentParser
import Manager
import SnapshotModel
import VolumeAccess

struct VolumeShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show everything known of a volume.", examples: ["volume show data"],
        exits: [.done, .failed, .usage, .notFound, .missing])

    @Argument(help: "The volume.", completion: Candidates.volumes)
    var name: String

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let volume = try context.reader().volumes.show(name)
        try context.show(["volume": volume.json]) {
            let record = volume.record
            var sheet = Sheet()
            sheet.add("name", record.name)
            sheet.add("uuid", record.uuid)
            sheet.add("driver", record.driver.rawValue)
            sheet.add("origin", record.originPath)
            if let device = volume.devicePath { sheet.add("device", device) }
            sheet.add("store", volume.storePath)
            sheet.add("size", display.size(record.geometry.volumeBytes))
            sheet.add("chunk", display.size(record.geometry.chunkBytes))
            sheet.add("when full", record.storeFullPolicy.rawValue)
            sheet.add("created", display.time(record.createdAt))
            sheet.add("snapshots", String(volume.snapshotCount))
            sheet.add("clones", String(volume.cloneCount))
            sheet.add("store size", display.size(volume.storeBytes))
            sheet.add("state", volume.state.rawValue)
            return sheet.text
        }
    }
}

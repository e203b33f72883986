import ArgumentParser
import Manager
import SnapshotModel

struct VolumeCreateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "create", "Put a raw image or a block device under management.",
        discussion: """
            The origin stays a plain volume. The store, which keeps what snapshots need, lies in \
            DIR, by default in stores/NAME below the state folder.
            """,
        examples: [
            "volume create data --origin disk.img",
            "volume create data --origin disk.img --create-size 20G --chunk 64K",
        ],
        exits: [.done, .failed, .usage, .notFound, .refused])

    /// The drivers there are; more come later.
    enum Driver: String, ExpressibleByArgument, CaseIterable {
        case image
    }

    enum WhenFull: String, ExpressibleByArgument, CaseIterable {
        case breakWrites = "break-writes"
        case breakSnapshots = "break-snapshots"

        var policy: StoreFullPolicy {
            switch self {
            case .breakWrites: .breakWrites
            case .breakSnapshots: .breakSnapshots
            }
        }
    }

    @Argument(help: "The volume's name: letters, digits, '.', '_' and '-'.")
    var name: String

    @Option(help: ArgumentHelp("The file or block device that holds the data.", valueName: "path"))
    var origin: String

    @Option(help: ArgumentHelp("Keep the store in an empty or new folder.", valueName: "dir"))
    var store: String?

    @Option(help: ArgumentHelp("Make the origin, a new image of this size.", valueName: "size"))
    var createSize: SizeArgument?

    @Option(help: ArgumentHelp("The unit of copy-on-write, 4K to 512K.", valueName: "size"))
    var chunk: SizeArgument?

    @Option(help: "How the volume is served.")
    var driver = Driver.image

    @Option(help: "What to do when the store is full: fail writes, or give up the snapshots.")
    var whenFull = WhenFull.breakWrites

    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let volume = try session.manager().volumes.create(
            CreateRequest(
                name: name, originPath: origin, storePath: store, createBytes: createSize?.bytes,
                chunkBytes: chunk?.bytes ?? CreateRequest.defaultChunkBytes,
                storeFullPolicy: whenFull.policy))
        try session.show(["volume": volume.json]) {
            "volume \(name) created: \(ByteCount(volume.record.geometry.volumeBytes)), "
                + "store \(volume.storePath)\n"
        }
    }
}

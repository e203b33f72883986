package import ArgumentParser
import Drivers
import Manager
import ShellWords
import SnapshotModel
import VolumeAccess

struct VolumeCreateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "create", "Put a raw image or a block device under management.",
        discussion: """
            The origin stays a plain volume. The store, which keeps what snapshots need, lies in \
            DIR, by default in stores/NAME below the state folder. An image is served over NBD. With \
            --driver dm the origin is a block device that nobody has open, and the kernel serves it \
            as /dev/mapper/snapmgr-NAME: mount that from now on, and never the origin. An origin \
            rbd:POOL/IMAGE or rbd:POOL/NAMESPACE/IMAGE is an image in a Ceph cluster, whose snapshots \
            are the cluster's own.
            """,
        examples: [
            "volume create data --origin disk.img",
            "volume create data --origin disk.img --create-size 20G --chunk 64K",
            "volume create srv --driver dm --origin /dev/vg/srv --store /var/snapmgr/srv",
            "volume create web --origin rbd:vms/web --ceph-id snapmgr",
        ],
        exits: [.done, .failed, .usage, .notFound, .refused])

    @Argument(help: "The volume's name: letters, digits, '.', '_' and '-'.")
    var name: String

    @Option(
        help: ArgumentHelp(
            "The file, block device or image that holds the data.", valueName: "path"),
        completion: .file())
    var origin: String

    @Option(
        help: ArgumentHelp("Keep the store in an empty or new folder.", valueName: "dir"),
        completion: .directory)
    var store: String?

    @Option(help: ArgumentHelp("Make the origin, a new image of this size.", valueName: "size"))
    var createSize: SizeArgument?

    @Option(help: ArgumentHelp("The unit of copy-on-write, 4K to 512K.", valueName: "size"))
    var chunk: SizeArgument?

    @Option(help: "Who serves the volume: nbdkit an image, the kernel a block device.")
    var driver = CreateRequest.defaultDriver

    @Option(
        help: ArgumentHelp(
            "What to do when the store is full: fail writes, or give up the snapshots.",
            discussion: "An image fails writes by default; under device-mapper writes cannot fail.")
    )
    var whenFull: WhenFull?

    @OptionGroup var cluster: ClusterOptions

    @OptionGroup var global: GlobalOptions

    func validate() throws { try cluster.requireImage(origin) }

    func run(_ context: CommandContext) throws {
        let volume = try context.manager().volumes.create(
            CreateRequest(
                name: name, originPath: cluster.completing(origin), storePath: store,
                createBytes: createSize?.bytes,
                chunkBytes: chunk?.bytes ?? CreateRequest.defaultChunkBytes,
                storeFullPolicy: whenFull?.policy, driver: driver))
        try context.show(["volume": volume.json]) {
            let device = volume.devicePath.map { "from now on, use \($0) instead of \(origin)\n" }
            return "volume \(name) created: \(ByteCount(volume.record.geometry.volumeBytes)), "
                + "store \(volume.storePath)\n\(device ?? "")"
        }
    }
}

extension DriverName: ExpressibleByArgument {
    package init?(argument: String) {
        guard Self.known.contains(argument) else { return nil }
        self.init(rawValue: argument)
    }

    package static var allValueStrings: [String] { known }

    package static var defaultCompletionKind: CompletionKind { .list(known) }

    package var defaultValueDescription: String { rawValue }

    private static let known = Drivers.all(purpose: "", wording: .shell).names.map(\.rawValue)
}

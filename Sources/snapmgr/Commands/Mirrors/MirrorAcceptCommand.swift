import ArgumentParser
import Glibc
import Manager
import SnapshotModel
import System

struct MirrorAcceptCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "accept", "Take what a mirror of another site sends: what ssh runs here.",
        discussion: """
            For the key of the source's user, in authorized_keys, where it is all that the key can do:

              restrict,command="snapmgr mirror accept data --source UUID" ssh-ed25519 AAAA...

            UUID is that of the volume that is mirrored, as 'volume show' tells it there: with it, the key can \
            speak for no other volume, nor end what another mirror holds.

            Snapshots are added; whatever the source says, none here is deleted, renamed or shortened. The \
            settings here say how long they stay. The newest common one is held, as 'hold list' tells.

            What has come of a snapshot is made durable each 10 seconds, and after 256 MiB of data at most, \
            or what --mark-every says: a transfer that is cut goes on from there.
            """,
        examples: [
            "mirror accept data",
            "mirror accept data --source a192ac7d-2014-442f-954e-df9791c7d3d2",
            "mirror accept --images /srv/copies",
        ],
        exits: [.done, .failed, .usage, .notFound, .locked, .refused, .interrupted])

    @Argument(
        help: "The volumes into which may be mirrored; all by default.",
        completion: Candidates.volumes)
    var volumes: [String] = []

    @Option(
        help: ArgumentHelp(
            "Make volumes that are not there, with their images in this folder.",
            valueName: "dir"))
    var images: String?

    @Option(
        help: ArgumentHelp(
            "Take what is sent of this volume of the other site only; may be given again.",
            valueName: "uuid"))
    var source: [String] = []

    @Option(
        help: ArgumentHelp(
            "Make what comes of a snapshot durable after so much at most, from where it goes on when it is cut.",
            valueName: "size"))
    var markEvery: SizeArgument?

    @Option(
        help: ArgumentHelp(
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var global: GlobalOptions

    private static let markBytesMinimum = 1 << 20

    func run(_ context: CommandContext) throws {
        guard isatty(STDIN_FILENO) == 0 else {
            throw Problem(
                .usage, "this is what ssh runs for a mirror of another site",
                hint: "see \(.help(["mirror", "accept"]))")
        }
        let patience = try StreamPatience(stallLimit)
        var request = MirrorAcceptRequest(volumes, imageFolder: images, sources: source)
        if let markEvery {
            guard markEvery.bytes >= Self.markBytesMinimum else {
                throw Problem(
                    .usage,
                    "--mark-every is \(markEvery.bytes) bytes: the disk would do little else",
                    hint: "give it 1 MiB at least")
            }
            request.markBytes = markEvery.bytes
        }
        try context.manager().mirrorAcceptance.serve(
            request,
            input: patience.end(STDIN_FILENO, "standard input"),
            output: patience.end(STDOUT_FILENO, "standard output"))
    }
}

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

              restrict,command="snapmgr mirror accept data" ssh-ed25519 AAAA...

            Snapshots are added; whatever the source says, none here is deleted, renamed or shortened. The \
            settings here say how long they stay. The newest common one is held, as 'hold list' tells.
            """,
        examples: ["mirror accept data", "mirror accept --images /srv/copies"],
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
            "Give up when the other side has done nothing for so long.", valueName: "duration"))
    var stallLimit = "10m"

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        guard isatty(STDIN_FILENO) == 0 else {
            throw Problem(
                .usage, "this is what ssh runs for a mirror of another site",
                hint: "see \(.help(["mirror", "accept"]))")
        }
        let patience = try StreamPatience(stallLimit)
        try context.manager().mirrorAcceptance.serve(
            MirrorAcceptRequest(volumes, imageFolder: images),
            input: patience.end(STDIN_FILENO, "standard input"),
            output: patience.end(STDOUT_FILENO, "standard output"))
    }
}

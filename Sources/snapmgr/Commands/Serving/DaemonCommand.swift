import ArgumentParser
import Manager
import SnapshotModel

struct DaemonCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "daemon", "Watch the volumes under device-mapper.",
        discussion: """
            Runs in the foreground until SIGTERM or SIGINT, and ends with 0 then. It keeps room \
            reserved ahead of what the kernel writes for snapshots, prunes as the policy says when a \
            store is below its free-space-floor, and gives a volume's snapshots up before its store is \
            filled to the last byte. It notes at once that a merge has ended or that the kernel has \
            given snapshots up, and does a revert that waits for its volume to be closed. It takes no \
            snapshots: that is tick's. Without it, ticks do the same, once a minute.
            """,
        examples: ["daemon", "systemctl enable --now snapmgr-daemon"],
        exits: [.done, .failed, .usage, .locked])

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let terminal = context.terminal
        try context.manager().daemon.run { terminal.note("watching the kernel's devices") }
    }
}

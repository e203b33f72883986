import ArgumentParser
import Bus
import Hooks
import Manager
import SnapshotModel

struct DaemonCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "daemon", "Watch the volumes under device-mapper, and serve the message bus.",
        discussion: """
            Runs in the foreground until SIGTERM or SIGINT, and ends with 0 then. It keeps room \
            reserved ahead of what the kernel writes for snapshots, prunes as the policy says when a \
            store is below its free-space-floor, and gives a volume's snapshots up before its store is \
            filled to the last byte. It notes at once that a merge has ended or that the kernel has \
            given snapshots up, and does a revert that waits for its volume to be closed. It takes no \
            snapshots by itself: that is tick's. Without it, ticks do the same, once a minute.

            With --bus it is org.snapmgr1 on a message bus, also where the kernel has no device-mapper: \
            clients ask it for snapshots and reverts, and programs that register there are asked to \
            prepare, to come to rest and to go on whenever any command takes a snapshot of their volumes. \
            While there is no bus it does all else, and looks for one again.
            """,
        examples: [
            "daemon", "daemon --bus system", "systemctl enable --now snapmgr-daemon",
        ],
        exits: [.done, .failed, .usage, .locked])

    @Option(
        help: ArgumentHelp(
            "Serve org.snapmgr1 on a message bus: system, session or an address.",
            valueName: "bus"))
    var bus: String?

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let terminal = context.terminal
        let address = try bus.map { try BusAddress($0, environment: context.environment) }
        let manager = try context.manager()
        let served = try address.map { try options($0, manager, context) }
        var service: BusStart?
        defer { service?.stop() }
        try manager.daemon.run(needsDevices: served == nil) {
            guard let served else { return terminal.note("watching the kernel's devices") }
            service = BusStart(served)
        }
    }

    private func options(
        _ address: BusAddress, _ manager: Manager, _ context: CommandContext
    ) throws -> BusOptions {
        let terminal = context.terminal
        let note: @Sendable (String) -> Void = { terminal.note($0) }
        let settings = context.settingsLoader
        return BusOptions(
            address: address, manager: manager, folder: try context.options().state.path,
            watchdog: WatchdogCommand.ownProgram(BusWatchdogProcess.mode).arguments
                + [address.text],
            version: Version.text,
            operation: { Operation(settings: settings(), onNote: note) }, onNote: note)
    }
}

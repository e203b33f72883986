import ArgumentParser
import Manager
import Scheduler
import Settings
import Setup
import SnapshotModel
import System

struct SetupCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "setup", "Have snapshots taken of an image or block device: all of it in one step.",
        discussion: """
            Finds out what ORIGIN is, makes a volume of it, writes settings with comments to conf.d \
            beside snapmgr.toml, has systemd serve it and take snapshots, and says what to change in the \
            virtual machine, or in /etc/fstab. Images of other formats than raw are refused with the \
            command that converts them, and an origin that somebody uses with what to do.

            A filesystem on a partition or logical volume that this machine mounts is left to the kernel \
            (--driver dm); images and disks of virtual machines are served over NBD.

            A second run finds what is there, and changes nothing but drop-ins of its own that are to be \
            others; one that was cut short is gone on with.
            """,
        examples: [
            "setup /srv/vm1.img", "setup /dev/vg0/srv --every 1h --keep light",
            "setup /srv/vm1.img --dry-run",
        ],
        exits: [.done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused])

    @Argument(
        help: ArgumentHelp("A raw image or a block device.", valueName: "origin"),
        completion: .file())
    var origin: String

    @Option(help: "The volume's name; the origin's own by default.")
    var name: String?

    @Option(
        help: ArgumentHelp("The time between two snapshots (default: 15m).", valueName: "span"))
    var every: EveryArgument?

    @Option(
        help: ArgumentHelp(
            "Which snapshots are kept: standard, light or forever (default: standard)."))
    var keep: KeepPlan?

    @Option(help: "Who serves the volume: nbdkit an image, the kernel a block device.")
    var driver: DriverName?

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let location = SettingsLocation(option: global.config, environment: context.environment)
        let report = try manager(context).setups.setup(
            SetupRequest(
                originPath: origin, name: name, every: every?.text, keep: keep, driver: driver,
                location: location, environment: context.environment, isDryRun: dryRun))
        try context.show(["setup": report.json]) {
            SetupText(
                report: report, display: display,
                configPath: location.isRequired ? try? FileFolder.realPath(location.path) : nil,
                statePath: isToldState(context) ? try context.options().state.path : nil
            ).text
        }
        guard let first = report.failures.first else { return }
        for failure in report.failures.dropFirst() { Output.writeError(failure, json: global.json) }
        throw Problem(.partial, first.message, hint: first.hint)
    }

    private func isToldState(_ context: CommandContext) -> Bool {
        global.state != nil || context.environment["SNAPMGR_STATE"]?.isEmpty == false
    }

    /// A dry run makes no state.
    private func manager(_ context: CommandContext) throws -> Manager {
        guard dryRun else { return try context.manager() }
        var options = try context.options()
        options.operation.onNote = { _ in }
        let tells = try context.options()
        return try Manager(reading: options).performing(tells.operation)
    }
}

extension KeepPlan: ExpressibleByArgument {}

/// A time between two snapshots: `15m`, `1h30m`.
struct EveryArgument: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        guard let span = try? TimeSpan(parsing: argument), span >= .minute else { return nil }
        text = span.description
    }
}

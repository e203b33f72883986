import ArgumentParser
import Manager
import SnapshotModel

struct ActivateCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "activate", "Make the devices of volumes under device-mapper.",
        discussion: """
            What the machine's start calls, before filesystems are mounted. It finishes whatever a \
            crash has left half done, and does nothing to a volume that is active. An origin that \
            was written to while its volume was not active is refused until --accept-origin: the \
            snapshots show the changed bytes wherever they share them with it. A device that is not the \
            volume's, by its WWN, serial number or UUID, is refused until --accept-device, which is for \
            a volume that was copied to another disk. When one volume \
            fails, the others are activated all the same, and the command ends with 3.
            """,
        examples: ["activate --all", "activate data", "activate data --accept-origin"],
        exits: [.done, .failed, .usage, .partlyDone, .notFound, .missing, .locked, .refused])

    @Argument(help: ArgumentHelp("The volumes.", valueName: "vol"), completion: Candidates.volumes)
    var volumes: [String] = []

    @Flag(help: "All volumes under device-mapper.")
    var all = false

    @Flag(help: "Take origins as they are, although they were written to meanwhile.")
    var acceptOrigin = false

    @Flag(help: "Take the devices at the origins' paths, although they are others than before.")
    var acceptDevice = false

    @Flag(name: [.customShort("n"), .long], help: "Change nothing; say what would be.")
    var dryRun = false

    @OptionGroup var global: GlobalOptions

    func validate() throws { try VolumeSelection.validate(volumes, all: all) }

    func run(_ context: CommandContext) throws {
        let report = try context.manager().activations.activate(
            all ? nil : volumes, acceptsOrigin: acceptOrigin, acceptsDevice: acceptDevice,
            isDryRun: dryRun)
        try context.show(report) {
            report.items.map { item in
                guard item.failure == nil else { return "" }
                let verb =
                    !item.hasChanged
                    ? "is active already" : dryRun ? "would be active" : "is active"
                return "volume \(item.volume) \(verb): \(item.devicePath)\n"
            }.joined()
        }
        try VolumeSelection.report(report)
    }
}

/// What `activate` and `deactivate` have in common.
enum VolumeSelection {
    static func validate(_ volumes: [String], all: Bool) throws {
        guard volumes.isEmpty == all else {
            throw ValidationError(
                all ? "--all goes with no names of volumes" : "name volumes, or use --all")
        }
    }

    /// Says every reason but the last one, which is the command's own.
    static func report(_ report: ActivationReport) throws {
        guard let problem = report.problem else { return }
        for failure in report.items.compactMap(\.failure).dropFirst() {
            Output.writeError(failure, json: false)
        }
        throw problem
    }
}

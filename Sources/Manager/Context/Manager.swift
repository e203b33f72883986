internal import System
internal import Catalog
package import Hooks
package import SnapshotModel
package import VolumeAccess

/// What a manager works with, whoever asks it for what.
package struct ManagerOptions: Sendable {
    package var state: StateFolder
    package var timeZone: LocalZone
    package var drivers: DriverRegistry
    /// Starts the process that undoes what hooks did when this one ends early.
    package var watchdog: WatchdogCommand
    /// That of those who read notes, events and what monitoring says.
    package var wording: Wording
    /// Where `PATH` and `SNAPMGR_NBDKIT_PLUGIN` are, for programs that have to be started.
    package var environment: [String: String]
    /// What the manager is opened for.
    package var operation: Operation
    /// Where jobs are noted; one board may serve several managers of a process.
    package var jobs = JobBoard()

    package init(
        state: StateFolder, drivers: DriverRegistry, timeZone: LocalZone = .machine,
        watchdog: WatchdogCommand = .ownProgram(ManagerOptions.watchdogMode),
        wording: Wording, environment: [String: String] = [:], operation: Operation = Operation()
    ) {
        self.state = state
        self.timeZone = timeZone
        self.drivers = drivers
        self.watchdog = watchdog
        self.wording = wording
        self.environment = environment
        self.operation = operation
    }

    /// The argument that makes this program a watchdog.
    package static let watchdogMode = "hook-watchdog"
}

/// The use cases of snapmgr, over one state folder. All calls block; errors are turned into what
/// people and scripts read by `Problem(_:)`.
package final class Manager: Sendable {
    private let context: ManagerContext

    private init(context: ManagerContext) { self.context = context }

    /// The same catalog and drivers, for another request. Both may be used at once.
    package func performing(_ operation: Operation) -> Manager {
        Manager(context: context.performing(operation))
    }

    /// Opens the catalog, and makes the state folder when there is none.
    ///
    /// - Throws: when the catalog is corrupt, locked, newer, or cannot be made.
    package init(_ options: ManagerOptions) throws {
        try OwnerTrust.require("the state folder", at: Paths.absolute(options.state.path))
        try Paths.makeFolders(options.state.path)
        SpaceReserve(options.state).adjust()
        try options.state.requireCatalogFile()
        let clock = options.operation.clock
        let catalog = try CatalogStore(path: options.state.catalogPath, now: { clock.now() })
        context = ManagerContext(catalog: catalog, options: options)
    }

    /// As ``init(_:)`` for commands that only look: nothing is made where there is nothing, and a
    /// catalog that this user cannot write to is read as it is. What is not there is said.
    package convenience init(reading options: ManagerOptions) throws {
        try self.init(reading: options, isQuiet: false)
    }

    init(reading options: ManagerOptions, isQuiet: Bool) throws {
        try OwnerTrust.require("the state folder", at: Paths.absolute(options.state.path))
        try options.state.requireCatalogFile()
        SpaceReserve(options.state).giveUpIfScarce()
        let clock = options.operation.clock
        let path = options.state.catalogPath
        let catalog = try CatalogStore(reading: path, now: { clock.now() })
        context = ManagerContext(catalog: catalog, options: options)
        guard !isQuiet else { return }
        if catalog.access == .missing {
            context.advise(
                "there is no catalog \(path), so that nothing is known: `--state DIR` names another "
                    + "state, \(.volumeCreate()) makes a first volume")
        } else if try catalog.volumes().isEmpty {
            context.advise(
                "the catalog \(path) has no volume: `--state DIR` names another state, "
                    + "\(.volumeCreate()) makes a first volume")
        }
    }

    /// What takes long and goes on, whichever operation began it.
    package var jobs: JobBoard { context.jobs }

    var hasCatalog: Bool { context.catalog.access != .missing }

    package var setups: SetupService { SetupService(context: context) }
    package var volumes: VolumeService { VolumeService(context: context) }
    package var snapshots: SnapshotService { SnapshotService(context: context) }
    package var lists: ListService { ListService(context: context) }
    package var details: ShowService { ShowService(context: context) }
    package var diffs: DiffService { DiffService(context: context) }
    package var changes: ChangesService { ChangesService(context: context) }
    package var reverts: RevertService { RevertService(context: context) }
    package var merges: MergeService { MergeService(context: context) }
    package var activations: ActivationService { ActivationService(context: context) }
    package var mounts: MountService { MountService(context: context) }
    package var deletions: DeleteService { DeleteService(context: context) }
    package var labels: LabelService { LabelService(context: context) }
    package var clones: CloneService { CloneService(context: context) }
    package var machines: MachineService { MachineService(context: context) }
    package var machineCopies: MachineCopyService { MachineCopyService(context: context) }
    package var holds: HoldService { HoldService(context: context) }
    package var fileLists: FileListService { FileListService(context: context) }
    package var partitions: PartitionService { PartitionService(context: context) }
    package var fileGets: FileGetService { FileGetService(context: context) }
    package var fileRestores: FileRestoreService { FileRestoreService(context: context) }
    package var finds: FindService { FindService(context: context) }
    package var fileDiffs: FileDiffService { FileDiffService(context: context) }
    package var exports: ExportService { ExportService(context: context) }
    package var sends: SendService { SendService(context: context) }
    package var receives: ReceiveService { ReceiveService(context: context) }
    package var mirrors: MirrorService { MirrorService(context: context) }
    package var mirrorRoles: MirrorRoleService { MirrorRoleService(context: context) }
    package var mirrorAcceptance: MirrorAcceptService { MirrorAcceptService(context: context) }
    package var checks: CheckService { CheckService(context: context) }
    package var status: StatusService { StatusService(context: context) }
    package var monitoring: MonitorService { MonitorService(context: context) }
    package var pruning: PruneService { PruneService(context: context) }
    package var config: ConfigService { ConfigService(context: context) }
    package var ticks: TickService { TickService(context: context) }
    package var policies: PolicyService { PolicyService(context: context) }
    package var names: NameService { NameService(context: context) }
    package var events: EventService { EventService(context: context) }
    package var daemon: DaemonService { DaemonService(context: context) }
    package var webhooks: WebhookService { WebhookService(context: context) }
    package var serving: ServeService { ServeService(context: context) }
}

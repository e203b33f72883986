internal import Catalog
internal import Glibc
internal import Settings
internal import Setup
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// One run of ``SetupService``, once it is known what is to be done. Every step finds out whether it is done
/// already, so that a run which was cut short is gone on with by the next one.
struct SetupRun {
    let context: ManagerContext
    let request: SetupRequest
    let machine: SetupMachine
    let facts: OriginFacts
    let name: String
    let driver: any VolumeDriver
    /// The volume that is there already.
    let known: VolumeRow?

    private var usesKernel: Bool { driver.devices != nil }

    func run() throws -> SetupReport {
        let settings = SetupSettings(context: context, request: request, volume: name)
        var report = try report(settings.plan())
        report.obstacle = known == nil ? obstacle() : nil
        report.withoutUnits = unitObstacle()
        fillPlaces(&report)
        if report.withoutUnits == nil { planUnits(&report) }
        guard !request.isDryRun else { return report }
        if let obstacle = report.obstacle { throw obstacle }
        if report.settings.action == .planned { try settings.requireWritable() }
        if known == nil { try make(&report) }
        if report.settings.action == .planned {
            try write(&report.settings)
        } else if request.choosesSettings, known != nil {
            context.note(
                "volume \(name) has settings already, in \(report.settings.path): they stay as they are"
            )
        }
        if report.withoutUnits == nil { startUnits(&report) }
        return report
    }

    private func report(_ settings: SetupReport.File) throws -> SetupReport {
        SetupReport(
            volume: name, driver: driver.name, volumeAction: known == nil ? .planned : .kept,
            origin: facts,
            storePath: try known?.storePath
                ?? Paths.absolute(context.state.defaultStorePath(volume: name)),
            settings: settings, isDryRun: request.isDryRun)
    }

    // MARK: The volume

    private func make(_ report: inout SetupReport) throws {
        let volume = try VolumeService(context: context).create(
            CreateRequest(name: name, originPath: facts.path, driver: driver.name))
        report.volumeAction = .made
        report.storePath = volume.storePath
        if let device = volume.devicePath { report.device = device }
    }

    /// What is known to be in the way of a new volume, with what to do about it.
    private func obstacle() -> Problem? {
        if let point = facts.mountPoint {
            return Problem(
                .refused, "the origin \(facts.path) is mounted on \(point)",
                hint:
                    "unmount it with `umount \(ShellWord(point))`, run \(again), and mount what that "
                    + "names in its place")
        }
        if let disk = facts.guestDisks.first(where: \.isRunning) {
            return Problem(
                .refused,
                "the origin \(facts.path) is disk \(disk.target) of the virtual machine \(disk.domain), "
                    + "which runs",
                hint:
                    "shut it down with `virsh shutdown \(ShellWord(disk.domain))`, run \(again), and "
                    + "change its definition as that says")
        }
        if usesKernel, let user = facts.users.first {
            return Problem(
                .refused, "the origin \(facts.path) is \(user)",
                hint: "close it there, then run \(again)")
        }
        return request.isDryRun ? claimProblem() : nil
    }

    /// What keeps an image from being locked, as it is when the volume is made: it is let go of at once.
    private func claimProblem() -> Problem? {
        do throws(Problem) {
            _ = try driver.claimOrigin(lastingOrigin, volume: name, recorded: nil)
            return nil
        } catch {
            return error.code == .refused || error.code == .locked ? error : nil
        }
    }

    private var again: Advice { "\(.setup(request.originPath, name: request.name))" }

    // MARK: Where it is used

    private func fillPlaces(_ report: inout SetupReport) {
        guard !usesKernel else {
            let device = known.flatMap { try? context.inspector($0).devicePath }
            report.device = device ?? "/dev/mapper/snapmgr-\(name)"
            report.recipes = Recipes.mapped(
                device: report.device ?? "", mountPoint: facts.mountPoint,
                filesystem: facts.holdsFilesystem ? facts.content : nil)
            return
        }
        let socket = hasUnitPlaces ? "/run/snapmgr/\(name).sock" : context.state.defaultSocketPath
        report.socket = socket
        report.uri = NBDAddress.uri(export: name, socket: socket)
        report.recipes = Recipes.served(volume: name, socket: socket, disks: facts.guestDisks)
    }

    // MARK: Files

    private func write(_ file: inout SetupReport.File) throws {
        guard let text = file.text else { return }
        let place = PathHalves(file.path)
        do throws(IOFailure) {
            try FileFolder.makePublicFolders(place.folder)
            try FileFolder(path: place.folder).makePublicFile(place.name, text)
        } catch {
            var problem = Problem(error)
            problem.message += "; volume \(name) is there, and its settings are not"
            problem.hint = "mend it, then run \(again), which goes on"
            throw problem
        }
        file.action = .made
    }

    // MARK: Units

    /// Whether state and settings are where the units look for them.
    private var hasUnitPlaces: Bool {
        machine.isRoot && context.state.path == machine.unitState
            && request.location.path == machine.unitSettings
    }

    private func unitObstacle() -> String? {
        guard machine.isRoot else { return "the units are root's" }
        guard hasUnitPlaces else {
            return "the units use \(machine.unitState) and \(machine.unitSettings)"
        }
        guard machine.units != nil else { return "no systemd runs here" }
        guard !UnitDropIns.isOutOfReach(facts.path, machine.unreachable) else {
            return "the units do not see what is in /tmp and /var/tmp"
        }
        return nil
    }

    private var unitNames: [String] {
        let timers = ["snapmgr-tick.timer", "snapmgr-prune.timer"]
        return usesKernel
            ? ["snapmgr-activate.service", "snapmgr-daemon.service"] + timers
            : ["snapmgr-serve@\(name).service"] + timers
    }

    /// What the volume remembers its origin by, or will: a new one's is found as when it is made.
    var lastingOrigin: String {
        if let known { return known.record.originPath }
        return (try? VolumeCreation.originPath(facts.path, driver, note: { _ in })) ?? facts.path
    }

    private func plannedDropIns(_ report: SetupReport) -> [PlannedFile] {
        let folder = machine.unitFolder
        guard !usesKernel else {
            return UnitDropIns.devices(folder: folder) + [
                UnitDropIns.activation(
                    volume: name, origin: lastingOrigin, store: report.storePath, folder: folder)
            ]
        }
        let access =
            facts.guestDisks.isEmpty
            ? nil
            : machine.guestGroup.map {
                UnitDropIns.access(volume: name, group: $0, folder: folder)
            }
        return [
            UnitDropIns.origin(volume: name, path: facts.path, folder: folder), access,
        ].compactMap(\.self)
    }

    /// What of the units is there; nothing is changed.
    private func planUnits(_ report: inout SetupReport) {
        guard let units = machine.units else { return }
        do throws(IOFailure) {
            report.dropIns = try plannedDropIns(report).map(present)
            if let access = try accessOfOthers(report) { report.dropIns.append(access) }
            report.units = try unitNames.map { (name) throws(IOFailure) in
                .init(name: name, action: try units.state(name).isUp ? .kept : .planned)
            }
        } catch {
            report.failures.append(unitProblem(error))
        }
    }

    /// A unit that does not start is told, and keeps nothing else from being done.
    private func startUnits(_ report: inout SetupReport) {
        guard let units = machine.units else { return }
        do throws(IOFailure) {
            try writeDropIns(&report, units)
        } catch {
            report.failures.append(unitProblem(error))
        }
        for index in report.units.indices where report.units[index].action == .planned {
            let unit = report.units[index].name
            do throws(IOFailure) {
                try start(unit, units)
                report.units[index].action = .made
            } catch {
                report.units[index].action = .failed
                report.failures.append(unitProblem(error, unit))
            }
        }
    }

    private func writeDropIns(
        _ report: inout SetupReport, _ units: UnitControl
    ) throws(IOFailure) {
        var isChanged = false
        for index in report.dropIns.indices where report.dropIns[index].action == .planned {
            try writeDropIn(&report.dropIns[index])
            isChanged = true
        }
        guard !report.dropIns.isEmpty else { return }
        // A run that was cut short has written some, and told systemd nothing.
        if !isChanged { isChanged = try isStale(report, units) }
        if isChanged { try units.reload() }
    }

    /// Whether systemd has yet to read what is there for the units, or for those that timers start.
    private func isStale(
        _ report: SetupReport, _ units: UnitControl
    ) throws(IOFailure) -> Bool {
        let timed = usesKernel ? ["snapmgr-tick.service", "snapmgr-prune.service"] : []
        let names = report.units.map(\.name) + timed
        let states = try names.map { (name) throws(IOFailure) in try units.state(name) }
        return states.contains(where: \.isStale)
    }

    private func writeDropIn(_ file: inout SetupReport.File) throws(IOFailure) {
        let place = PathHalves(file.path)
        try FileFolder.makePublicFolders(place.folder)
        let folder = FileFolder(path: place.folder)
        // An older one of setup's own: what is somebody else's is not planned.
        if try FileFolder.exists(path: file.path) { try folder.removeFile(place.name) }
        try folder.makePublicFile(place.name, file.text ?? "")
        file.action = .made
    }

    private static let dropInBytesMaximum = 1 << 16

    /// A file that somebody has put there stays, whatever is in it; setup's own is written anew.
    private func present(_ file: PlannedFile) throws(IOFailure) -> SetupReport.File {
        var result = SetupReport.File(path: file.path, text: file.text, action: .planned)
        guard try FileFolder.exists(path: file.path) else { return result }
        let bytes = try? FileFolder.readFile(path: file.path, limitBytes: Self.dropInBytesMaximum)
        let text = bytes.map { String(decoding: $0, as: UTF8.self) }
        if text == file.text {
            result.action = .kept
        } else if text?.hasPrefix(UnitDropIns.mark + "\n") != true {
            result.action = .differs
        }
        return result
    }

    /// Who may connect besides, though no machine's disk is known that needs it: that of a machine which was
    /// changed to use the volume, or one that is forgotten.
    private func accessOfOthers(_ report: SetupReport) throws(IOFailure) -> SetupReport.File? {
        let path = UnitDropIns.accessPath(volume: name, folder: machine.unitFolder)
        guard !report.dropIns.contains(where: { $0.path == path }),
            try FileFolder.exists(path: path)
        else { return nil }
        return SetupReport.File(path: path, text: nil, action: .kept)
    }

    private func start(_ unit: String, _ units: UnitControl) throws(IOFailure) {
        guard try units.state(unit).isKnown else {
            throw IOFailure("find", path: unit, code: ENOENT)
        }
        try units.enable(unit)
    }

    private func unitProblem(_ failure: IOFailure, _ unit: String? = nil) -> Problem {
        Problem(
            .failed, unit.map { "unit \($0) is not up: \(failure)" } ?? failure.description,
            hint: unit.map { "see `systemctl status \($0)`, then run \(again)" }
                ?? "run \(again) when that is mended")
    }
}

internal import Catalog
internal import Glibc
internal import Settings
internal import SnapshotModel
internal import System

/// What a copy of a VM is to be: whatever keeps it from being made is found before anything is.
struct MachineCopyPlan {
    let settings: MachineSettings
    let name: String
    /// The snapshots of its disks, in the order of these.
    let rows: [SnapshotRow]
    /// Nil starts it afresh.
    let memory: SavedMemory?
    let hasNetwork: Bool
    private let timeZone: LocalZone

    /// - Parameter reference: of a set, or of a VM's only disk.
    /// - Throws: `notFound`, `usage`, `refused`, `exists`, `corrupt`.
    init(
        _ context: ManagerContext, _ reference: String, _ request: MachineCopyRequest
    ) throws {
        let found = try ReferenceResolver(context).snapshots(reference)
        let settings = try Self.machine(context, of: found, reference)
        (self.settings, name, hasNetwork) = (settings, request.name, request.hasNetwork)
        rows = settings.volumes.compactMap { volume in found.first { $0.volume == volume } }
        timeZone = context.timeZone
        try Self.requireFree(request.name, context)
        memory =
            try request.startsAfresh
            ? nil : SavedMemory(of: settings, context, with: found)
        try requireStart()
    }

    private static func machine(
        _ context: ManagerContext, of rows: [SnapshotRow], _ reference: String
    ) throws -> MachineSettings {
        let volumes = Set(rows.map(\.volume))
        let machines = try context.settings.get().machines(using: volumes)
        let whole = machines.filter { volumes.isSuperset(of: $0.volumes) }
        if let machine = whole.first, whole.count == 1 { return machine }
        guard whole.isEmpty else {
            throw Problem(
                .usage,
                "`\(reference)` has the disks of \(whole.map(\.name).joined(separator: ", "))",
                hint: "name snapshots of one VM: \(whole[0].name)@latest")
        }
        guard let part = machines.first else {
            throw Problem(
                .refused, "`\(reference)` is of no VM of the settings",
                hint: "see them all: \(.machineList)")
        }
        let missing = part.volumes.filter { !volumes.contains($0) }.joined(separator: ", ")
        throw Problem(
            .refused, "`\(reference)` is not all disks of VM \(part.name): \(missing) is not in it",
            hint: "name a set of all of them: \(.listSets)")
    }

    private static func requireFree(_ name: String, _ context: ManagerContext) throws {
        try SnapshotName.validate(name)
        guard VolumeRecord.isValidName(name) else {
            throw Problem(
                .usage, "`\(name)` cannot be a VM's name",
                hint: "use letters, digits, `-`, `_` and `.`")
        }
        guard try context.settings.get().machines[name] == nil else {
            throw Problem(
                .exists, "the settings have a VM \(name)", hint: "choose another name")
        }
        guard try MachineCopies(context).find(name) == nil else {
            throw Problem(
                .exists, "there is a copy \(name) of a VM already",
                hint: "choose another name, or end that one: \(.machineStop(name))")
        }
    }

    private func requireStart() throws {
        guard let start = settings.copyStart, let program = start.first else {
            throw Problem(
                .refused,
                "nothing in the settings says what starts a copy of VM \(settings.name)",
                hint: "add clone-start to [vm.\(settings.name)]: see snapmgr.toml(5)")
        }
        try MachineTrust.require(program, of: settings.name)
        guard access(program, X_OK) == 0 else {
            throw Problem(
                .refused,
                "a copy of VM \(settings.name) could not be started: \(program) cannot be run",
                hint: "mend clone-start in [vm.\(settings.name)], then try again")
        }
        guard memory == nil || start.contains(MachineSettings.incomingWord) else {
            throw Problem(
                .refused,
                "a copy of VM \(settings.name) could not get the memory: its clone-start has no "
                    + MachineSettings.incomingWord,
                hint:
                    "add that to clone-start in [vm.\(settings.name)], or start it afresh with --no-memory"
            )
        }
    }

    /// The clone that becomes a disk.
    func cloneName(of volume: String) -> String { "\(name)-\(volume)" }

    /// What is done, in its order, as people read it.
    var steps: [String] {
        let clones = rows.map { row in
            "make clone \(cloneName(of: row.volume)) of snapshot \(row.id) of volume \(row.volume)"
        }
        let how =
            memory.map { "with the memory of \(TimeText.describe($0.savedAt, in: timeZone))" }
            ?? "afresh: without any memory"
        let network = hasNetwork ? "with a network" : "without a network"
        return clones + ["start \(name), a copy of VM \(settings.name), \(how), \(network)"]
    }
}

internal import FoundationEssentials
internal import Settings
internal import SnapshotModel
internal import System

/// That a VM is owed something: it is written before its VM is paused, frozen or quit, and removed when it goes on.
/// Whoever finds one, and nobody at work on the VM, does what is owed.
struct MachineMark: Hashable, Codable {
    var version = MachineMark.newestVersion
    var name: String
    var monitorPath: String
    var agentPath: String?
    /// Whether it was paused, and is to go on.
    var isPaused = false
    /// Whether its filesystems were frozen, and are to be thawed.
    var isFrozen = false
    /// The set that it was quit for, as references name it.
    var revertsTo: String?
    /// Whether it was said that it does not run since.
    var isTold: Bool?

    static let newestVersion = 1

    private enum CodingKeys: String, CodingKey {
        case version, name
        case monitorPath = "qmp"
        case agentPath = "agent"
        case isPaused = "paused"
        case isFrozen = "frozen"
        case revertsTo = "reverts_to"
        case isTold = "told"
    }

    init(_ settings: MachineSettings) {
        name = settings.name
        monitorPath = settings.monitorPath
        agentPath = settings.agentPath
    }

    var isEmpty: Bool { !isPaused && !isFrozen && revertsTo == nil }
}

/// The marks of a state folder, a file of JSON for each VM.
struct MachineMarks {
    private let path: String

    private static let suffix = ".json"
    private static let byteMaximum = 64 << 10

    init(_ state: StateFolder) { path = state.path + "/vms" }

    private var files: FileFolder { FileFolder(path: path) }

    /// Where what a VM's program says is kept.
    func logPath(_ name: String) throws -> String {
        try Paths.makeFolders(path)
        return "\(path)/\(name).log"
    }

    /// The names of the VMs that have one.
    func names() throws -> [String] {
        let names: [String]
        do throws(IOFailure) { names = try files.list("") } catch {
            guard error.isAbsence else { throw error }
            return []
        }
        return names.filter { $0.hasSuffix(Self.suffix) }
            .map { String($0.dropLast(Self.suffix.count)) }.filter(VolumeRecord.isValidName)
            .sorted()
    }

    /// Whether a VM may be owed something: true whenever that is not certain.
    var mayHaveAny: Bool { (try? names().isEmpty) != true }

    /// Nil when there is none, or one of a later version, or what was not written here.
    func mark(_ name: String) -> MachineMark? {
        guard
            let bytes = try? files.readFile(name + Self.suffix, limitBytes: Self.byteMaximum),
            let mark = try? LineCodec.decode(MachineMark.self, bytes), mark.name == name,
            mark.version <= MachineMark.newestVersion
        else { return nil }
        return mark
    }

    /// The VMs whose memory may be all that there is of them: quit for a revert, or nobody knows.
    var keptMemories: Set<String> {
        get throws { Set(try names().filter { mark($0).map { $0.revertsTo != nil } ?? true }) }
    }

    /// What only its version is read of.
    private struct Heading: Decodable { var version: Int }

    /// - Throws: `newer_version` when a later version of the program has left one.
    private func requireKnown(_ name: String) throws {
        guard
            let bytes = try? files.readFile(name + Self.suffix, limitBytes: Self.byteMaximum),
            let heading = try? LineCodec.decode(Heading.self, bytes),
            heading.version > MachineMark.newestVersion
        else { return }
        throw Problem(
            .newerVersion,
            "VM \(name): \(path)/\(name)\(Self.suffix) was written by a later version",
            hint: "use that version")
    }

    /// Replaces a mark, durably; one that says nothing goes.
    func write(_ mark: MachineMark) throws {
        try requireKnown(mark.name)
        guard !mark.isEmpty else { return try remove(mark.name) }
        try Paths.makeFolders(path)
        try files.replaceFile(mark.name + Self.suffix, try LineCodec.encode(mark))
    }

    /// One of a later version stays.
    func remove(_ name: String) throws {
        guard (try? requireKnown(name)) != nil, try files.exists(name + Self.suffix) else { return }
        try files.removeFile(name + Self.suffix)
        try files.syncFolder("")
    }
}

extension StateFolder {
    /// Taken by the one command that is at work on a VM.
    func lockPath(machine: String) -> String { locksPath + "/.vm-" + machine }
}

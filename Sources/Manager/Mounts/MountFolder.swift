internal import DeviceMapper
internal import Glibc
internal import SnapshotModel
internal import System

/// The folder of a state's mounts: a record and a folder for each, and the sockets of the servers that were
/// started for them.
struct MountFolder {
    private let state: StateFolder

    /// More at a time are refused.
    private static let countMaximum = 4096
    private static let bytesMaximum = 64 << 10

    init(_ state: StateFolder) { self.state = state }

    private var path: String { state.path + "/mounts" }
    private var files: FileFolder { FileFolder(path: path) }

    var lockPath: String { state.locksPath + "/.mounts" }

    /// Locked by a command that mounts one thing after the other of a volume, and wants its server to stay meanwhile.
    func keepPath(_ volume: String) -> String { "\(state.locksPath)/.keep-\(volume)" }

    /// Whether there may be mounts: a look for who does not want to read more.
    var mayHoldMounts: Bool {
        let names = try? FileFolder(path: state.path).exists("mounts") ? files.list("") : []
        return names?.contains {
            $0.hasSuffix(Self.suffix) || Self.servedVolume($0) != nil
                || $0.hasPrefix(Self.readingPrefix)
        }
            ?? true
    }

    private static let socketSuffix = ".sock"
    private static let serverLogSuffix = ".server.log"

    /// The volume whose server a file is of: its socket, or what it says, which stays until it has ended.
    private static func servedVolume(_ name: String) -> String? {
        [socketSuffix, serverLogSuffix].first { name.hasSuffix($0) }
            .map { String(name.dropLast($0.count)) }
    }

    /// The volumes for whose mounts a server was started that has left its files, or still has them.
    func servedVolumes() throws -> [String] {
        guard try FileFolder(path: state.path).exists("mounts") else { return [] }
        return try Set(files.list("").compactMap(Self.servedVolume)).sorted()
    }

    /// Whether anything of a volume is mounted, or was, or is a disk of a VM's copy.
    func hasRecords(of volume: String) throws -> Bool {
        try records().contains { $0.volume == volume }
            || records(TreeRecord.self).contains { $0.volume == volume }
            || records(MachineCopyRecord.self).contains {
                $0.disks.contains { $0.volume == volume }
            }
    }

    // MARK: Folders to read in

    private static let readingPrefix = "read-"
    private static let readingMaximum = 64

    /// Where a command mounts what it reads, and the file that it has locked meanwhile.
    struct ReadingPlace {
        var path: String
        var lockPath: String
    }

    private func readingPlace(_ number: Int) -> ReadingPlace {
        ReadingPlace(
            path: "\(path)/\(Self.readingPrefix)\(number)",
            lockPath: "\(state.locksPath)/.\(Self.readingPrefix)\(number)")
    }

    /// All that there can be at a time.
    var readingPlaces: [ReadingPlace] { (1...Self.readingMaximum).map(readingPlace) }

    /// Those that were used and not given back.
    func usedReadingPlaces() throws -> [ReadingPlace] {
        guard try FileFolder(path: state.path).exists("mounts") else { return [] }
        return try files.list("").compactMap { name in
            name.hasPrefix(Self.readingPrefix)
                ? Int(name.dropFirst(Self.readingPrefix.count)) : nil
        }.map(readingPlace)
    }

    func makeReadingFolder(_ place: ReadingPlace) throws {
        try Paths.makeFolders(path)
        let name = PathHalves(place.path).name
        if try !files.exists(name) { try files.makeFolder(name) }
    }

    func removeReadingFolder(_ place: ReadingPlace) throws {
        do throws(IOFailure) { try files.removeFolder(PathHalves(place.path).name) } catch {
            guard error.isAbsence else { throw error }
        }
    }

    // MARK: Records

    private static let suffix = ".json"

    private static func fileName<Record: StoredMount>(
        _ number: Int, _ kind: Record.Type
    ) -> String { "\(kind.filePrefix)\(number)\(suffix)" }

    /// All mounts of a kind of which there is a record, by number.
    ///
    /// - Throws: `corrupt` and `newerVersion` when one cannot be read: what it holds must not be taken for free.
    func records<Record: StoredMount>(
        _ kind: Record.Type = MountRecord.self
    ) throws -> [Record] {
        guard try FileFolder(path: state.path).exists("mounts") else { return [] }
        return try files.list("").compactMap { name in
            name.hasSuffix(Self.suffix) && name.hasPrefix(kind.filePrefix)
                ? Int(name.dropFirst(kind.filePrefix.count).dropLast(Self.suffix.count)) : nil
        }.sorted().compactMap { try read($0, kind) }
    }

    /// Nil when it has gone meanwhile.
    private func read<Record: StoredMount>(_ number: Int, _ kind: Record.Type) throws -> Record? {
        let name = Self.fileName(number, kind)
        let bytes: [UInt8]
        do throws(IOFailure) {
            bytes = try files.readFile(name, limitBytes: Self.bytesMaximum)
        } catch {
            guard error.isAbsence else { throw error }
            return nil
        }
        do {
            let version = try LineCodec.decode(Version.self, bytes).version
            guard version <= kind.newestVersion else {
                throw newer(name, version, kind.newestVersion)
            }
            let record = try LineCodec.decode(kind, bytes)
            if let flaw = record.flaw(name: number) { throw damaged(name, flaw) }
            return record
        } catch let problem as Problem {
            throw problem
        } catch {
            throw damaged(name, "it cannot be read")
        }
    }

    /// What every record has, whatever its version is.
    private struct Version: Decodable { var version: Int }

    private func damaged(_ name: String, _ cause: String) -> Problem {
        Problem(
            .corrupt, "\(path)/\(name) is no record of a mount: \(cause)",
            hint: "unmount by hand what is mounted below \(path) and from it, then remove the file")
    }

    private func newer(_ name: String, _ version: Int, _ known: Int) -> Problem {
        Problem(
            .newerVersion,
            "\(path)/\(name) has version \(version), and this program knows \(known) at most",
            hint: "use the newer program that has mounted it")
    }

    /// Replaces a record in one step.
    func write<Record: StoredMount>(_ record: Record) throws {
        let name = Self.fileName(record.number, Record.self)
        let draft = "." + name
        try files.writeFile(draft, try LineCodec.encode(record))
        try files.rename(draft, to: name)
    }

    /// The same, of what a start of the machine leaves.
    func writeDurably<Record: StoredMount>(_ record: Record) throws {
        try files.replaceFile(
            Self.fileName(record.number, Record.self), try LineCodec.encode(record))
    }

    func remove<Record: StoredMount>(_ number: Int, _ kind: Record.Type = MountRecord.self) throws {
        do throws(IOFailure) { try files.removeFile(Self.fileName(number, kind)) } catch {
            guard error.isAbsence else { throw error }
        }
    }

    /// A number that no mount of a kind has, with the folder of all made if need be.
    func freeNumber<Record: StoredMount>(_ kind: Record.Type = MountRecord.self) throws -> Int {
        try Paths.makeFolders(path)
        let taken = Set(try records(kind).map(\.number))
        guard taken.count < Self.countMaximum,
            let number = (1...Self.countMaximum).first(where: { !taken.contains($0) })
        else {
            throw Problem(
                .refused, "\(taken.count) snapshots are mounted, and no more can be",
                hint: "see them with \(.status)")
        }
        return number
    }

    // MARK: Places

    /// The rules for udev know the file by this name.
    static let viewName = "snapmgr-view"

    /// The folder in which a mount's file is shown.
    func viewFolder(_ number: Int) -> String { "\(path)/\(number)" }

    /// The file that holds a mount's bytes while it is there.
    func viewPath(_ number: Int) -> String { viewFolder(number) + "/" + Self.viewName }

    /// The same without symbolic links, also when nobody can look there any more.
    func realViewPath(_ number: Int) -> String {
        let real = (try? FileFolder.realPath(path)) ?? path
        return "\(real)/\(number)/\(Self.viewName)"
    }

    /// What a mount's programs say.
    func logPath(_ number: Int) -> String { "\(path)/\(number).log" }

    /// What the program says that shows an ordinary user's filesystem; locked while it is there.
    func programLogPath(_ number: Int) -> String { "\(path)/\(number).program.log" }

    /// What the program says that shows all snapshots of a volume; locked while it is there.
    func treeLogPath(_ number: Int) -> String { "\(path)/\(TreeRecord.filePrefix)\(number).log" }

    /// Where the monitor of a VM's copy listens.
    func monitorPath(_ number: Int) -> String {
        "\(path)/\(MachineCopyRecord.filePrefix)\(number).qmp"
    }

    /// What the program of a VM's copy says.
    func copyLogPath(_ number: Int) -> String {
        "\(path)/\(MachineCopyRecord.filePrefix)\(number).log"
    }

    /// The socket of a volume's server that was started for mounts. Nothing else here ends so, and a socket's
    /// path may not be long.
    func socketPath(_ volume: String) -> String { "\(path)/\(volume)\(Self.socketSuffix)" }

    /// What that server says. No mount's log has such a name, whatever the volume is called: that of a mount is
    /// locked while the mount is alive.
    func serverLogPath(_ volume: String) -> String { "\(path)/\(volume)\(Self.serverLogSuffix)" }

    /// An empty folder, whatever was left there.
    func makeViewFolder(_ number: Int) throws {
        removeViewFolder(number)
        try files.makeFolder("\(number)")
    }

    /// With what is still mounted there. Best effort: what stays is met by who takes the number next.
    func removeViewFolder(_ number: Int) {
        let path = viewFolder(number)
        // Of a program that has ended without unmounting it there is nothing to wait for.
        while umount2(path, Int32(MNT_DETACH | UMOUNT_NOFOLLOW)) == 0 {}
        // Nor has another user than root the right to: a program has it.
        let real = PathHalves(realViewPath(number)).folder
        if geteuid() != 0, (try? MountTable.isPoint(real)) ?? false {
            try? TreeTools.unmount(real, isForced: true)
        }
        try? files.removeFolder("\(number)")
    }

    /// Best effort, likewise.
    func removeLog(_ number: Int) {
        for end in [".log", ".program.log"] { try? files.removeFile("\(number)\(end)") }
    }
}

/// A record of a mount of some kind, as a file of a line of JSON.
protocol StoredMount: Codable {
    /// What its file's name begins with, before its number.
    static var filePrefix: String { get }
    static var newestVersion: Int { get }

    var number: Int { get }

    /// What makes it no record of a mount; nil when it is one.
    ///
    /// - Parameter name: the number that its file has.
    func flaw(name: Int) -> String?
}

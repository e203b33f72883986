import Foundation
import SnapshotModel
import Synchronization
import TestKit
import Testing

/// Schedules, retention, hooks and settings of the built binary, by a clock that the test sets.
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
enum ScheduledTests {}

/// Volumes with settings, whose commands and servers see a clock that the test sets, and that runs
/// on from there. Folder and servers go with this object.
final class ScheduledHarness: Sendable {
    let commandLine: CommandLineHarness

    private let servers = Mutex<[Started]>([])
    private let moment = Mutex(0.0)
    private let testClock: TestClock
    /// Seconds since 1970 at which the machine was started.
    private let boot: Double
    private let stateFolder: String

    /// - Parameters:
    ///   - settings: the content of the settings file.
    ///   - start: where the clock begins, as `2026-11-23 00:01:01` in UTC.
    ///   - boot: when the machine was started, in the same form.
    ///   - state: the state folder, if it is not in the folder of the test.
    init(
        _ settings: String, volumes: [String] = ["data"], size: String = "1M", start: String,
        bootedAt boot: String = "2026-01-01 00:00:00", state: String? = nil,
        options: [String] = []
    ) throws {
        self.boot = try Self.seconds(boot)
        commandLine = try CommandLineHarness()
        testClock = try TestClock(path: commandLine.folder + "/clock")
        stateFolder = state ?? commandLine.folder + "/state"
        try setClock(start)
        try write(settings: settings)
        for volume in volumes {
            try succeed(
                ["volume", "create", volume, "--origin", "\(volume).img", "--create-size", size]
                    + options)
        }
    }

    var folder: String { commandLine.folder }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Unless they say otherwise, snapshots are taken however little room there is: the disk is who knows whose.
    func write(settings: String) throws {
        let floor = settings.contains("free-space-floor") ? "" : "free-space-floor = \"0%\"\n"
        try write(floor + settings, to: "snapmgr.toml")
    }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: path(name)), options: .atomic)
    }

    /// The lines of a file that a hook writes; none as long as there is no file.
    func lines(_ name: String) -> [String] {
        let text = (try? commandLine.text(path(name))) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func await(_ what: String, _ isReached: () throws -> Bool) throws {
        let deadline = Instant.now + Instant.patience
        while try !isReached() {
            guard Instant.now < deadline else { throw Problem(.failed, "\(what) does not come") }
            Instant.sleep(0.01)
        }
    }

    // MARK: the clock

    private var environment: [String: String] {
        testClock.environment.merging([
            "SNAPMGR_STATE": stateFolder, "SNAPMGR_CONFIG": path("snapmgr.toml"),
            "SNAPMGR_UPTIME": path("uptime"),
        ]) { $1 }
    }

    /// - Parameter text: as `2026-11-23 00:01:01`, in UTC.
    func setClock(_ text: String) throws { try setClock(Self.seconds(text)) }

    /// - Parameter seconds: since 1970. For the machine, the time to there has passed.
    func setClock(_ seconds: Double) throws {
        try write("\(max(0, seconds - boot)) 0\n", to: "uptime")
        try jumpClock(to: seconds)
    }

    /// Sets the clock alone, as if it were wrong.
    func jumpClock(to seconds: Double) throws {
        try testClock.set(seconds)
        moment.withLock { $0 = seconds }
    }

    /// Sets the clock to so many minutes after where it was set last.
    func advance(minutes: Double) throws { try setClock(moment.withLock { $0 } + minutes * 60) }

    /// Where the clock was set last: whole seconds since 1970.
    func clock() -> Int { moment.withLock { Int($0) } }

    static func seconds(_ text: String) throws -> Double {
        let text = text.replacing(" ", with: "T").split(separator: ".").first.map(String.init) ?? ""
        let date = try Date(text.replacing("Z", with: "") + "Z", strategy: .iso8601)
        return date.timeIntervalSince1970
    }

    // MARK: commands

    @discardableResult
    func run(_ arguments: String...) throws -> CommandLineHarness.Result { try run(arguments) }

    func run(_ arguments: [String]) throws -> CommandLineHarness.Result {
        try tool([CommandLineHarness.binary] + arguments)
    }

    @discardableResult
    func succeed(_ arguments: String...) throws -> String { try succeed(arguments) }

    @discardableResult
    func succeed(_ arguments: [String]) throws -> String {
        let result = try run(arguments)
        guard result.status == 0 else {
            throw Problem(
                .failed, "\(arguments): \(result.status) \(result.output) \(result.errors)")
        }
        return result.output
    }

    /// Runs another program with the variables and the clock of the commands.
    func tool(_ command: [String]) throws -> CommandLineHarness.Result {
        let started = try startTool(command)
        let status = try started.wait()
        return CommandLineHarness.Result(
            status: status, output: try commandLine.text(started.files.output),
            errors: try commandLine.text(started.files.errors))
    }

    func start(_ arguments: String...) throws -> Started {
        try startTool([CommandLineHarness.binary] + arguments)
    }

    func startTool(_ command: [String]) throws -> Started {
        Started(try commandLine.start(command, environment: environment))
    }

    /// A process that sees the clock of the test. It is killed with this object.
    final class Started: Sendable {
        let process: ChildProcess
        let files: ChildProcess.Files

        init(_ started: (process: ChildProcess, files: ChildProcess.Files)) {
            (process, files) = started
        }

        deinit {
            kill()
            unlink(files.output)
            unlink(files.errors)
        }

        /// The exit code, or 128 and the signal's number.
        func wait() throws -> Int32 { try process.wait() }

        func kill() { process.end() }
    }

    func json<Answer: Decodable>(_: Answer.Type, _ arguments: String...) throws -> Answer {
        try Self.decode(Answer.self, succeed(arguments + ["--json"]))
    }

    static func decode<Answer: Decodable>(_: Answer.Type, _ text: String) throws -> Answer {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: Data(text.utf8))
    }

    struct Failure: Decodable {
        struct Content: Decodable {
            var code: String
            var message: String
            var hint: String?
        }
        var error: Content
    }

    /// What a command that failed said with `--json`.
    func failure(_ result: CommandLineHarness.Result) throws -> Failure.Content {
        let start = result.errors.firstIndex(of: "{") ?? result.errors.startIndex
        return try Self.decode(Failure.self, String(result.errors[start...])).error
    }

    // MARK: snapshots

    struct Snapshot: Decodable {
        var id: Int
        var volume: String
        var name: String?
        var setId: Int?
        var takenAt: String
        var kind: String
        var schedule: String?
        var tags: [String]
        var state: String
        var keptBy: [String]
        var expiresAt: String?

        /// Seconds since 1970.
        var moment: Double { (try? ScheduledHarness.seconds(takenAt)) ?? 0 }
    }

    private struct SnapshotList: Decodable { var snapshots: [Snapshot] }

    func snapshots(_ volumes: String...) throws -> [Snapshot] {
        let text = try succeed(["list", "--json"] + volumes)
        return try Self.decode(SnapshotList.self, text).snapshots.sorted { $0.id < $1.id }
    }

    /// Takes one by hand.
    @discardableResult
    func snapshot(_ volume: String = "data", _ options: String...) throws -> Int {
        let text = try succeed(["snapshot", volume, "--json"] + options)
        guard let first = try Self.decode(SnapshotList.self, text).snapshots.first else {
            throw Problem(.failed, "no snapshot: \(text)")
        }
        return first.id
    }

    // MARK: ticks and prunes

    struct Tick: Decodable {
        struct Slot: Decodable {
            var target: String
            var schedule: String
            var slot: String
            var missed: Int
            var outcome: String
            var snapshots: [Int]
            var setId: Int?
            var error: String?
        }
        var slots: [Slot]
        var prune: Prune?
    }

    struct Prune: Decodable {
        struct Volume: Decodable {
            var volume: String
            var freedBytes: Int
            var kept: Int
            var removed: [Removed]
            var explained: [Explained]
            var error: String?
        }
        struct Removed: Decodable {
            var id: Int
            var aloneBytes: Int
            var forSpace: Bool
            var reasons: [String]
        }
        struct Explained: Decodable {
            var id: Int
            var keptBy: [String]
            var reasons: [String]
            var expiresAt: String?
        }
        var dryRun: Bool
        var removed: Int
        var freedBytes: Int
        var volumes: [Volume]
    }

    @discardableResult
    func tick() throws -> Tick { try json(Tick.self, "tick") }

    /// Sets the clock, and ticks.
    @discardableResult
    func tick(at text: String) throws -> Tick {
        try setClock(text)
        return try tick()
    }

    @discardableResult
    func prune(_ options: String...) throws -> Prune {
        try Self.decode(Prune.self, succeed(["prune", "--json"] + options))
    }

    private struct Check: Decodable { var damaged: Int }

    /// How many snapshots the stores' metadata calls damaged.
    func damaged() throws -> Int { try json(Check.self, "check").damaged }

    // MARK: servers

    /// Serves volumes, all without any, until ``stop(_:)`` or the end of this object.
    @discardableResult
    func serve(_ volumes: String..., socket: String = "nbd.sock") throws -> Started {
        let started = try startTool(
            [CommandLineHarness.binary, "serve", "--socket", socket] + volumes)
        servers.withLock { $0.append(started) }
        let deadline = Instant.now + Instant.patience
        while Instant.now < deadline, started.process.isRunning {
            // A server that takes no name answers all the same.
            do {
                _ = try NBDClient(socket: path(socket), export: "none")
            } catch let problem as Problem {
                if problem.code == .notFound { return started }
            }
            Instant.sleep(0.01)
        }
        throw Problem(.failed, "no server: \((try? commandLine.text(started.files.errors)) ?? "")")
    }

    /// Ends a server as systemd would.
    func stop(_ server: Started) throws {
        server.process.send(SIGTERM)
        let status = try server.wait()
        guard status == 0 else { throw Problem(.failed, "the server ended with \(status)") }
    }

    /// Waits until the server has seen that its clients have gone, to which a busy machine may take
    /// its time: until a revert would not be refused for them.
    func awaitNoClients(snapshot: Int) throws {
        try self.await("the end of the clients") {
            try run("revert", "\(snapshot)", "--dry-run").status != 13
        }
    }

    func client(_ export: String = "data", socket: String = "nbd.sock") throws -> NBDClient {
        try NBDClient(socket: path(socket), export: export)
    }

    /// qemu-io's commands on an export; they must succeed, and patterns must be there.
    @discardableResult
    func qemu(_ export: String = "data", _ commands: String...) throws -> String {
        let mode = export.contains("@") ? ["-r"] : []
        let result = try commandLine.tool(
            ["qemu-io"] + mode + ["-f", "raw", "nbd+unix:///\(export)?socket=nbd.sock"]
                + commands.flatMap { ["-c", $0] })
        guard result.status == 0, !result.output.contains("failed") else {
            throw Problem(.failed, "\(commands): \(result.output) \(result.errors)")
        }
        return result.output
    }
}

extension String {
    /// A time of JSON without its fraction.
    var toSecond: String { String(prefix(19)) }
}

import Foundation
import SnapshotModel
import Synchronization
import TestKit

/// Volumes served by the built binary on a Unix socket, in a folder that goes with this object, as
/// does the server.
final class ServedHarness: Sendable {
    let commandLine: CommandLineHarness
    private let server = Mutex<(process: ChildProcess, files: ChildProcess.Files)?>(nil)

    /// Where a small filesystem is mounted, if there is one.
    private let storeMount: String?
    private let launcher: [String]
    private let serveOptions: [String]

    /// Makes volumes and serves them.
    ///
    /// - Parameter storeMegabytes: puts the store on a filesystem of its own, of this size, as only
    ///   root can.
    /// - Parameter launcher: the words of a program that becomes the server.
    /// - Parameter serveOptions: of `serve`.
    init(
        _ volumes: String..., size: String = "4M", chunk: String = "64K", options: [String] = [],
        storeMegabytes: Int? = nil, launcher: [String] = [],
        serveOptions: [String] = []
    ) throws {
        self.launcher = launcher
        self.serveOptions = serveOptions
        let commandLine = try CommandLineHarness()
        self.commandLine = commandLine
        storeMount = try storeMegabytes.map {
            try SmallFilesystem.mount(in: commandLine.folder, megabytes: $0)
        }
        let options = options + (storeMount.map { ["--store", $0 + "/store"] } ?? [])
        for volume in volumes.isEmpty ? ["data"] : volumes {
            let result = try commandLine.run(
                [
                    "volume", "create", volume, "--origin", "\(volume).img", "--create-size", size,
                    "--chunk", chunk,
                ] + options)
            guard result.status == 0 else { throw Problem(.failed, result.errors) }
        }
        try serve()
    }

    /// Serves the volumes that there are in a state.
    init(serving commandLine: CommandLineHarness, serveOptions: [String] = []) throws {
        launcher = []
        self.serveOptions = serveOptions
        storeMount = nil
        self.commandLine = commandLine
        try serve()
    }

    deinit {
        kill()
        if let storeMount { SmallFilesystem.unmount(storeMount) }
    }

    var folder: String { commandLine.folder }
    var socket: String { folder + "/nbd.sock" }

    func uri(_ export: String = "data") -> String { "nbd+unix:///\(export)?socket=nbd.sock" }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    // MARK: the server

    /// Starts the server and waits until it serves.
    func serve() throws {
        let started = try commandLine.start(
            launcher + [CommandLineHarness.binary, "serve", "--socket", "nbd.sock"] + serveOptions)
        server.withLock { $0 = started }
        let deadline = Instant.now + Instant.patience
        while Instant.now < deadline, started.process.isRunning {
            // A server that takes no name answers all the same.
            do { _ = try NBDClient(socket: socket, export: "none") } catch let problem as Problem {
                if problem.code == .notFound { return }
            }
            Instant.sleep(0.01)
        }
        throw Problem(.failed, "the server does not serve: \(serverMessages)")
    }

    /// What the server has said since it was started.
    var serverMessages: String {
        server.withLock { try? $0.map { try commandLine.text($0.files.errors) } } ?? ""
    }

    /// Ends the server as systemd would.
    func stop() throws {
        guard let process = process() else { return }
        process.send(SIGTERM)
        let status = try process.wait()
        guard status == 0 else { throw Problem(.failed, "the server ended with \(status)") }
    }

    /// Has the server look again at what there is to serve.
    func reload() { process()?.send(SIGHUP) }

    /// Whether the server's process has become nbdkit's.
    var isNBDKit: Bool {
        guard let process = process(), process.isRunning else { return false }
        let program = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/\(process.id)/exe")
        return program?.contains("nbdkit") ?? false
    }

    /// How many areas the server has open.
    var openAreaCount: Int? {
        guard let folder = process().map({ "/proc/\($0.id)/fd" }),
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        else { return nil }
        return names.count { name in
            let path = try? FileManager.default.destinationOfSymbolicLink(
                atPath: "\(folder)/\(name)")
            return path?.hasSuffix("area.cow") ?? false
        }
    }

    /// Kills the server, without a word to it.
    func kill() { process()?.end() }

    var processID: Int32? { process()?.id }

    private func process() -> ChildProcess? { server.withLock { $0?.process } }

    func client(_ export: String = "data") throws -> NBDClient {
        try NBDClient(socket: socket, export: export)
    }

    /// The content of an export.
    func content(_ export: String = "data") throws -> [UInt8] { try client(export).readAll() }

    // MARK: verbs

    /// Takes a snapshot and returns its id.
    @discardableResult
    func snapshot(_ volume: String = "data") throws -> Int {
        let rows = try commandLine.json("snapshot", volume)["snapshots"] as? [[String: Any]]
        guard let id = rows?.first?["id"] as? Int else { throw Problem(.failed, "no snapshot") }
        return id
    }

    /// Reverts, whoever is connected, and returns the answer; its merge may still run.
    @discardableResult
    func revert(_ snapshot: Int, _ options: String...) throws -> Revert {
        let result = try commandLine.run(["revert", "\(snapshot)", "--force", "--json"] + options)
        guard result.status == 0,
            let document = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
                as? [String: Any], let revert = document["revert"] as? [String: Any]
        else { throw Problem(.failed, "revert \(snapshot): \(result.errors)") }
        return Revert(
            safety: revert["safety_snapshot_id"] as? Int, planBytes: revert["plan_bytes"] as? Int,
            state: revert["state"] as? String)
    }

    struct Revert {
        var safety: Int?
        var planBytes: Int?
        var state: String?
    }

    /// The merges that run, as `merge status` tells them.
    func merges() throws -> [[String: Any]] {
        try commandLine.json("merge", "status")["merges"] as? [[String: Any]] ?? []
    }

    /// What the merge has yet to do; 0 when none runs.
    func unmergedBytes() throws -> Int {
        let merge = try merges().first
        let (plan, merged) = (merge?["plan_bytes"] as? Int, merge?["merged_bytes"] as? Int)
        return (plan ?? 0) - (merged ?? 0)
    }

    /// Waits until no merge runs.
    func awaitMerges() throws {
        let deadline = Instant.now + Instant.patience
        while try !merges().isEmpty {
            guard Instant.now < deadline else { throw Problem(.failed, "the merge does not end") }
            Instant.sleep(0.05)
        }
    }

    /// The ids of a volume's snapshots.
    func snapshots(_ volume: String = "data") throws -> [Int] {
        let rows = try commandLine.json("list", volume)["snapshots"] as? [[String: Any]]
        return rows?.compactMap { $0["id"] as? Int }.sorted() ?? []
    }

    /// Reverts, and leaves the merge under way at a low rate. Only a merge that runs can be
    /// throttled: one that was faster is undone and tried again. The plan must have 48 MiB. Whoever
    /// waits for its end calls ``liftThrottle()`` before.
    func revertSlowly(_ snapshot: Int, rate: String = "256K") throws -> Revert {
        let commandLine = commandLine
        let throttle: @Sendable () throws -> Bool = {
            try commandLine.run("merge", "throttle", rate, "data").status == 0
        }
        for _ in 0..<30 {
            let early = Background { isWanted in
                var isThrottled = false
                while isWanted(), !isThrottled { isThrottled = try throttle() }
                return isThrottled
            }
            let answer = Result { try revert(snapshot) }
            let late = try throttle()
            let isThrottled = try early.stop() || late
            let done = try answer.get()
            if isThrottled, try unmergedBytes() >= 8 << 20 { return done }
            guard let safety = done.safety else { break }
            // There may be no merge any more.
            _ = try commandLine.run("merge", "throttle", "none", "data")
            try awaitMerges()
            try revert(safety, "--wait")
        }
        throw Problem(.failed, "every merge was faster than its throttle")
    }

    /// Has the merge of ``revertSlowly(_:rate:)`` go on at full speed.
    func liftThrottle() throws { try commandLine.json("merge", "throttle", "none", "data") }

    // MARK: clients

    /// Runs a client to its end.
    func tool(_ command: String...) throws -> CommandLineHarness.Result {
        try commandLine.tool(command)
    }

    /// Runs a client that must succeed.
    @discardableResult
    func succeed(_ command: String...) throws -> String {
        let result = try commandLine.tool(command)
        guard result.status == 0 else {
            throw Problem(
                .failed, "\(command): \(result.status) \(result.output) \(result.errors)")
        }
        return result.output
    }

    /// qemu-io's commands on an export. It ends with 1 when a pattern is not there.
    @discardableResult
    func qemu(_ export: String = "data", _ commands: String...) throws -> String {
        let result = try qemuResult(export, commands)
        guard result.status == 0, !result.output.contains("failed") else {
            throw Problem(.failed, "\(commands): \(result.output) \(result.errors)")
        }
        return result.output
    }

    func qemuResult(
        _ export: String, _ commands: [String], readOnly: Bool = false
    ) throws -> CommandLineHarness.Result {
        let mode = readOnly || export.contains("@") ? ["-r"] : []
        return try commandLine.tool(
            ["qemu-io"] + mode + ["-f", "raw", uri(export)] + commands.flatMap { ["-c", $0] })
    }
}

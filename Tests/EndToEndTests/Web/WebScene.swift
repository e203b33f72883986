import Foundation
import SnapshotModel
import TestKit
import WebTestKit
import Testing

/// A daemon that serves HTTP over a state of its own.
final class WebScene: Sendable {
    let harness: CommandLineHarness
    private let started = Started()

    private final class Started: @unchecked Sendable {
        var processes: [ChildProcess] = []
    }

    init(_ harness: CommandLineHarness, settings: String = "") throws {
        self.harness = harness
        try Data(settings.utf8).write(to: URL(filePath: harness.folder + "/snapmgr.toml"))
    }

    deinit { for process in started.processes { process.end() } }

    var socket: String { harness.folder + "/state/http.sock" }
    var client: HTTPClient { HTTPClient(path: socket) }
    var environment: [String: String] { ["SNAPMGR_CONFIG": harness.folder + "/snapmgr.toml"] }

    @discardableResult
    func startDaemon(_ options: String..., at socket: String? = nil) throws -> ChildProcess {
        let (process, files) = try launch(options.isEmpty ? ["--http", "unix"] : options)
        let client = HTTPClient(path: socket ?? self.socket)
        try BusScene.await("the API") {
            !process.isRunning || (try? client.get("/healthz").status) == 200
        }
        guard process.isRunning else {
            throw Problem(.failed, "the daemon: \(try harness.text(files.errors))")
        }
        return process
    }

    /// Kills the daemon that was started last, and starts another one.
    func restart() throws {
        started.processes.last?.end()
        try startDaemon()
    }

    /// Starts it, and waits for nothing.
    func launch(_ options: [String]) throws -> (process: ChildProcess, files: ChildProcess.Files) {
        let result = try harness.start(
            [CommandLineHarness.binary, "daemon"] + options, environment: environment)
        started.processes.append(result.process)
        return result
    }

    /// What a command prints with `--json`, on either stream.
    func printed(_ words: [String]) throws -> JSONDocument {
        let result = try harness.run(words + ["--json"], environment: environment)
        return try JSONDocument(result.status == 0 ? result.output : result.errors)
    }
}

extension HTTPAnswer {
    /// Its body as JSON.
    func document() throws -> JSONDocument { try JSONDocument(text) }
}

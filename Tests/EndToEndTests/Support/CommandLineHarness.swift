import Foundation
import SnapshotModel
import Synchronization

/// Runs the built binary, and clients, as a user would, in a folder and with a state of its own.
final class CommandLineHarness: Sendable {
    let folder: String
    private let runCount = Atomic(0)

    struct Result {
        var status: Int32
        var output: String
        var errors: String
    }

    init() throws {
        folder = NSTemporaryDirectory() + "snapmgr-cli-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// `$SNAPMGR_BINARY`, else the release build of this package.
    static let binary: String = {
        if let path = ProcessInfo.processInfo.environment["SNAPMGR_BINARY"] { return path }
        let package = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return package.appending(path: ".build/release/snapmgr").path
    }()

    static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: binary) }

    @discardableResult
    func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
        try run(arguments, environment: environment)
    }

    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
        try tool([Self.binary] + arguments, environment: environment)
    }

    /// Runs a program to its end, which must come within some minutes.
    func tool(_ command: [String], environment: [String: String] = [:]) throws -> Result {
        let (process, files) = try start(command, environment: environment)
        let status = try process.wait()
        defer {
            unlink(files.output)
            unlink(files.errors)
        }
        return Result(
            status: status, output: try text(files.output), errors: try text(files.errors))
    }

    /// Starts a program. What it prints goes to files and not to pipes, so that much of it cannot
    /// stop the process.
    func start(
        _ command: [String], environment: [String: String] = [:], passing descriptor: Int32? = nil
    ) throws -> (process: ChildProcess, files: ChildProcess.Files) {
        let number = runCount.wrappingAdd(1, ordering: .relaxed).newValue
        let files = ChildProcess.Files(
            output: "\(folder)/.out\(number)", errors: "\(folder)/.err\(number)")
        var variables = ["SNAPMGR_STATE": folder + "/state", "TZ": "UTC", "HOME": folder]
        variables["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        let process = try ChildProcess(
            command, environment: variables.merging(environment) { $1 }, folder: folder,
            files: files, passing: descriptor)
        return (process, files)
    }

    /// The JSON document of a command that must succeed without a word on standard error.
    @discardableResult
    func json(_ arguments: String...) throws -> [String: Any] {
        let result = try run(arguments + ["--json"])
        guard result.status == 0, result.errors.isEmpty else {
            throw Problem(.failed, "\(arguments): \(result.status) \(result.errors)")
        }
        let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return value as? [String: Any] ?? [:]
    }

    /// Writes a program. The file that runs is made by another process: one that this process has
    /// made may still be open for writing in a child of another thread, from its fork to its exec,
    /// and could not be started (ETXTBSY).
    func write(program text: String, to path: String) throws {
        let draft = path + ".draft"
        try Data(text.utf8).write(to: URL(filePath: draft))
        defer { unlink(draft) }
        let result = try tool(["install", "--mode=755", draft, path])
        guard result.status == 0 else { throw Problem(.failed, result.errors) }
    }

    /// Writes into the origin of a volume that nobody has open.
    func write(_ byte: UInt8, chunk: Int, to file: String) throws {
        let handle = try FileHandle(forWritingTo: URL(filePath: folder + "/" + file))
        try handle.seek(toOffset: UInt64(chunk * 65_536))
        try handle.write(contentsOf: Data(repeating: byte, count: 65_536))
        try handle.close()
    }

    func text(_ path: String) throws -> String {
        try String(contentsOf: URL(filePath: path), encoding: .utf8)
    }
}

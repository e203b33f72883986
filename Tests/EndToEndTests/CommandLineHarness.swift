import Foundation
import SnapshotModel

/// Runs the built binary as a user would, with a state folder of its own.
final class CommandLineHarness {
    let folder: String

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
            .deletingLastPathComponent().deletingLastPathComponent()
        return package.appending(path: ".build/release/snapmgr").path
    }()

    static var isBuilt: Bool { FileManager.default.isExecutableFile(atPath: binary) }

    @discardableResult
    func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Result {
        try run(arguments, environment: environment)
    }

    func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Result {
        let process = Process()
        process.executableURL = URL(filePath: Self.binary)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: folder)
        var variables = ["SNAPMGR_STATE": folder + "/state", "TZ": "UTC", "HOME": folder]
        variables["PATH"] = ProcessInfo.processInfo.environment["PATH"]
        process.environment = variables.merging(environment) { $1 }
        // Files and not pipes, so that much output cannot stop the process.
        let (out, err) = (try sink("out"), try sink("err"))
        process.standardOutput = out
        process.standardError = err
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Result(
            status: process.terminationStatus, output: try text("out"), errors: try text("err"))
    }

    /// The JSON document of a command that must succeed without a word on standard error.
    func json(_ arguments: String...) throws -> [String: Any] {
        let result = try run(arguments + ["--json"])
        guard result.status == 0, result.errors.isEmpty else {
            throw Problem(.failed, "\(arguments): \(result.status) \(result.errors)")
        }
        let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
        return value as? [String: Any] ?? [:]
    }

    /// Writes into the origin of a volume that nobody has open.
    func write(_ byte: UInt8, chunk: Int, to file: String) throws {
        let handle = try FileHandle(forWritingTo: URL(filePath: folder + "/" + file))
        try handle.seek(toOffset: UInt64(chunk * 65_536))
        try handle.write(contentsOf: Data(repeating: byte, count: 65_536))
        try handle.close()
    }

    private func sink(_ name: String) throws -> FileHandle {
        let path = folder + "/." + name
        try Data().write(to: URL(filePath: path))
        return try FileHandle(forWritingTo: URL(filePath: path))
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOf: URL(filePath: folder + "/." + name), encoding: .utf8)
    }
}

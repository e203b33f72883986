import Glibc
import MergeKit
import SnapshotModel
import StoreFormat
import System

/// A volume that the command line knows, with a real chain of many snapshots, and a server of it.
final class ScaleChain {
    static let volumeBytes = 512 << 20
    static let chunkBytes = 16 << 10
    private static let writesPerSnapshot = 3

    let count: Int
    private let workspace: Workspace
    private let program: String
    private let folder: String

    /// Makes the snapshots through the engine, as a server takes them, and has the catalog made of the
    /// store: by the command line, a year of them takes hours.
    init(_ workspace: Workspace, count: Int) throws {
        self.workspace = workspace
        self.count = count
        program = try workspace.tool("snapmgr")
        folder = workspace.newPath("scale")
        mkdir(folder, 0o700)
        try FileFolder(path: folder).writeFile("snapmgr.toml", Array(Self.settings.utf8))
        let origin = try workspace.filledFile("origin", byteCount: Self.volumeBytes, seed: 1)
        try command([
            "volume", "create", "data", "--origin", origin.path, "--chunk", "16K", "--store", store,
        ])
        try fill(origin)
        try command(["catalog", "rebuild"])
    }

    private static let settings = """
        [policies.few]
        last = 10
        [volumes.data]
        policy = "few"

        """

    private var store: String { folder + "/store" }

    private func fill(_ origin: FileDevice) throws {
        let engine = try LiveEngine.open(store: FileFolder(path: store), origin: origin)
        try Self.grow(engine, count: count)
        try engine.close()
    }

    /// Takes so many snapshots, and writes 4 to 64 KiB at three places before each.
    static func grow(_ engine: LiveEngine, count: Int) throws {
        var pattern = Pattern(seed: 2)
        var buffer = AlignedBuffer(count: 64 << 10)
        pattern.fill(&buffer)
        for number in 1...count {
            for _ in 0..<writesPerSnapshot {
                let bytes = 4096 * (1 + pattern.below(16))
                let offset = 4096 * pattern.below((volumeBytes - bytes) / 4096)
                try engine.write(buffer.bytes(in: 0..<bytes), at: offset)
            }
            // Of a schedule, since no policy prunes those that people took.
            _ = try engine.takeSnapshot(
                SnapshotRequest(
                    id: SnapshotID(rawValue: Int64(number)),
                    description: SnapshotDescription(kind: .scheduled)))
        }
    }

    /// Runs a command of snapmgr's on the volume's catalog.
    func command(_ words: [String]) throws {
        try workspace.run(arguments(words), quietly: true)
    }

    /// Starts one.
    func start(_ words: [String]) throws -> pid_t {
        try workspace.start(arguments(words), quietly: true)
    }

    private func arguments(_ words: [String]) -> [String] {
        [program, "--state", folder + "/state", "--config", folder + "/snapmgr.toml"] + words
    }

    /// Makes a second volume, a small one, in the same catalog.
    func makeOther() throws {
        try command([
            "volume", "create", "other", "--origin", folder + "/other.img", "--create-size", "1M",
        ])
    }

    /// Fails when a snapshot is still there: then nothing was measured.
    func requireNotFound(_ snapshot: String) throws {
        guard (try? command(["show", snapshot])) == nil else {
            throw Problem(.failed, "snapshot \(snapshot) was not pruned")
        }
    }

    /// Serves the volume while `body` runs.
    func served<Value>(_ body: (Server) throws -> Value) throws -> Value {
        let server = try Server(
            workspace, plugin: [try workspace.plugin(), "volume=data:\(store)"])
        defer { server.stop() }
        return try body(server)
    }

    /// Reads 4 KiB of an export, with all that a client does before.
    func readFirst(_ server: Server, _ export: String) throws {
        try workspace.run(
            ["qemu-io", "-r", "-f", "raw", "-c", "read 64k 4k", server.address(export)],
            quietly: true)
    }

    func remove() throws { try workspace.run(["rm", "-rf", folder]) }
}

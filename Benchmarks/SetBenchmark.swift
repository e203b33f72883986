import Catalog
import Glibc
import SnapshotModel
import System

/// For how long the writes to the volumes of a set wait: sets of image volumes that one server has open, and
/// that nobody has open, in turn.
enum SetBenchmark {
    private static let counts = [1, 50, 200]
    private static let volumeBytes = 16 << 20

    static func run(_ workspace: Workspace) throws {
        var table = Table(
            "volumes", "opened by", "window: ms", "slowest of \(runs): ms", "command: ms")
        for count in counts {
            let machine = try Volumes(workspace, count: count)
            let server = try machine.serve()
            try add(&table, machine, "a server") { try machine.write(server) }
            server.stop()
            try add(&table, machine, "the command") {}
            try machine.remove()
        }
        table.show()
    }

    private static let runs = Measurement.runs

    private static func add(
        _ table: inout Table, _ machine: Volumes, _ name: String, prepare: () throws -> Void
    ) throws {
        let before = try machine.windows().count
        let command = try Measurement { _ in
            try prepare()
        } body: {
            try machine.snapshot()
        }
        let windows = try machine.windows().dropFirst(before).sorted()
        guard windows.count == runs else {
            throw Problem(.failed, "\(windows.count) sets were taken")
        }
        table.add(
            "\(machine.count)", name, decimal(windows[runs / 2], 1), decimal(windows[runs - 1], 1),
            decimal(command.median * 1000, 1))
    }

    /// Volumes of one state folder.
    private struct Volumes {
        let count: Int
        private let workspace: Workspace
        private let program: String
        private let folder: String

        init(_ workspace: Workspace, count: Int) throws {
            self.workspace = workspace
            self.count = count
            program = try workspace.tool("snapmgr")
            folder = workspace.newPath("set")
            mkdir(folder, 0o700)
            for name in names {
                try command([
                    "volume", "create", name, "--origin", "\(folder)/\(name).img", "--create-size",
                    "\(volumeBytes)",
                ])
            }
        }

        private var names: [String] { (1...count).map { "v\($0)" } }

        private func command(_ words: [String]) throws {
            try workspace.run([program, "--state", "\(folder)/state"] + words, quietly: true)
        }

        func serve() throws -> Server {
            let volumes = names.map { "volume=\($0):\(folder)/state/stores/\($0)" }
            return try Server(workspace, plugin: [try workspace.plugin()] + volumes)
        }

        /// Writes to all volumes, with the server's clients, and flushes nothing.
        func write(_ server: Server) throws {
            for name in names {
                try workspace.run(
                    [
                        "qemu-io", "-f", "raw", "-t", "writeback", "-c", "write 1M 64k",
                        server.address(name),
                    ], quietly: true)
            }
        }

        func snapshot() throws { try command(["snapshot"] + names + ["--set", "bench"]) }

        /// In milliseconds, of all sets so far.
        func windows() throws -> [Double] {
            let path = "\(folder)/state/catalog.sqlite"
            return try CatalogStore(path: path, now: { SystemClock().now() }).sets()
                .compactMap { $0.heldNanoseconds.map { Double($0) / 1e6 } }
        }

        func remove() throws { try workspace.run(["rm", "-rf", folder]) }
    }
}

import Foundation
import Glibc
import SnapshotModel
import TestKit

/// A volume with a filesystem that a script has filled, without root.
struct FileImage {
    let harness: CommandLineHarness

    /// - Parameters:
    ///   - script: makes files in the folder that it runs in.
    ///   - options: of mke2fs.
    init(_ script: String, options: String = "-t ext4", megabytes: Int = 64) throws {
        harness = try CommandLineHarness()
        try run("mkdir source && cd source && \(script)")
        try make(options, megabytes: megabytes)
        try harness.json("volume", "create", "data", "--origin", "disk.img")
    }

    private func make(_ options: String, megabytes: Int) throws {
        try run("truncate -s \(megabytes)M disk.img && mke2fs -q -F \(options) -d source disk.img")
    }

    /// Runs a script in the harness's folder, and returns what it prints.
    @discardableResult
    func run(_ script: String) throws -> String {
        let result = try harness.tool([
            "bash", "-c", "set -euo pipefail; PATH=$PATH:/sbin:/usr/sbin\n\(script)",
        ])
        guard result.status == 0 else {
            throw Problem(.failed, "\(script): \(result.status) \(result.errors)")
        }
        return result.output
    }

    /// Serves the volume until the result is ended.
    func serve() throws -> ChildProcess {
        let server = try harness.start(
            [CommandLineHarness.binary, "serve", "data", "--socket", "nbd.sock"]
        ).process
        let control = harness.folder + "/state/stores/data/control.sock"
        let deadline = Instant.now + Instant.patience
        while !FileManager.default.fileExists(atPath: control), Instant.now < deadline {
            guard server.isRunning else { throw Problem(.failed, "the server ended") }
            Instant.sleep(0.01)
        }
        return server
    }

    /// Changes the filesystem as a client of the volume would: what debugfs does to a copy is written through
    /// the volume's server.
    ///
    /// - Parameter isServed: whether there is one already.
    func change(_ commands: [String], isServed: Bool = false) throws {
        let text = commands.joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: URL(filePath: harness.folder + "/commands"))
        try run(
            """
            test -e next.img || cp --sparse=always disk.img next.img
            cp --sparse=always next.img known.img
            debugfs -w -f commands next.img >debugfs.log 2>&1
            """)
        let server = isServed ? nil : try serve()
        try writeDifference()
        server?.send(SIGTERM)
        _ = try server?.wait()
    }

    private func writeDifference() throws {
        let client = try NBDClient(socket: harness.folder + "/nbd.sock", export: "data")
        let (known, next) = (try image("known.img"), try image("next.img"))
        let piece = 16 << 10
        for start in stride(from: 0, to: next.count, by: piece) {
            let part = start..<min(next.count, start + piece)
            if known[part] != next[part] { try client.write([UInt8](next[part]), at: start) }
        }
        try client.flush()
    }

    private func image(_ name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: harness.folder + "/" + name))
    }

    /// All of a tree that is to come back, but for what mke2fs drops of times, the nanoseconds: kinds, modes, owners, sizes, times, names, links and contents.
    func listing(of folder: String) throws -> String {
        try run(
            """
            cd '\(folder)'
            find . -mindepth 1 -not -name lost+found \\
                \\( -type d -printf '%p %y %m %U %G %T@\\n' -o -printf '%p %y %m %U %G %s %n %T@ %l\\n' \\) |
                LC_ALL=C sort | cat -v | sed -E "s/\\.[0-9]{9,}( |$)/\\1/"
            find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | cat -v
            """)
    }
}

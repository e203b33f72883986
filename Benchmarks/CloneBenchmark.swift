import System
import Glibc
import MergeKit
import SnapshotModel

/// 4 KiB random writes over NBD to a clone, against a qcow2 overlay that qemu-nbd serves; flushes
/// included. And how long making a clone takes.
enum CloneBenchmark {
    private static let volumeBytes = 256 << 20
    private static let writeBytes = 16 << 20

    static func run(_ workspace: Workspace) throws {
        let base = try workspace.filledFile("base", byteCount: volumeBytes, seed: 1)
        var table = Table(
            "4 KiB, 16 in flight", "qemu-nbd, qcow2: IOPS", "clone: IOPS", "ratio")
        for flushEvery in [0, 64, 16] {
            for isRewrite in [false, true] {
                var (peer, own): ([Double], [Double]) = ([], [])
                // In turn, so that a noisy machine is noisy for both.
                for run in 0..<Measurement.runs {
                    peer.append(
                        try withOverlay(workspace, base.path) {
                            try rate(workspace, $0, isRewrite, flushEvery, run)
                        })
                    own.append(
                        try withClone(workspace, base) {
                            try rate(workspace, $0, isRewrite, flushEvery, run)
                        })
                }
                let (theirs, ours) = (
                    Measurement(seconds: peer).median, Measurement(seconds: own).median
                )
                let flush = flushEvery == 0 ? "flush at the end" : "flush per \(flushEvery)"
                table.add(
                    "\(isRewrite ? "rewrites" : "first writes"), \(flush)", decimal(theirs, 0),
                    decimal(ours, 0), decimal(ours / theirs))
            }
        }
        table.show()
        try creation(workspace)
    }

    /// Writes per second, the last flush included.
    private static func rate(
        _ workspace: Workspace, _ uri: String, _ isRewrite: Bool, _ flushEvery: Int, _ seed: Int
    ) throws -> Double {
        if isRewrite {
            try workspace.run(fio(uri, "write", "1M", volumeBytes, ["--end_fsync=1"]))
        }
        let flushes = flushEvery == 0 ? ["--end_fsync=1"] : ["--fsync=\(flushEvery)"]
        let start = SystemClock().monotonicNanoseconds()
        try workspace.run(
            fio(uri, "randwrite", "4k", writeBytes, flushes + ["--randseed=\(seed + 1)"]))
        let seconds = Double(SystemClock().monotonicNanoseconds() - start) / 1e9
        return Double(writeBytes / 4096) / seconds
    }

    private static func fio(
        _ uri: String, _ mode: String, _ block: String, _ bytes: Int, _ more: [String]
    ) -> [String] {
        [
            "fio", "--name=bench", "--ioengine=nbd", "--uri=\(uri)", "--rw=\(mode)",
            "--bs=\(block)",
            "--iodepth=16", "--size=\(volumeBytes)", "--io_size=\(bytes)", "--output=/dev/null",
        ] + more
    }

    private static func withOverlay(
        _ workspace: Workspace, _ base: String, _ body: (String) throws -> Double
    ) throws -> Double {
        let (overlay, socket) = (workspace.newPath("overlay"), workspace.newPath("socket"))
        try workspace.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay])
        let pid = try workspace.start([
            "qemu-nbd", "-t", "-f", "qcow2", "-k", socket, "-x", "c", "--cache=writeback", overlay,
        ])
        defer {
            kill(pid, SIGTERM)
            var status: Int32 = 0
            waitpid(pid, &status, 0)
            unlink(overlay)
        }
        for _ in 0..<500 where access(socket, F_OK) != 0 { usleep(10_000) }
        return try body("nbd+unix:///c?socket=\(socket)")
    }

    private static func withClone(
        _ workspace: Workspace, _ base: FileDevice, _ body: (String) throws -> Double
    ) throws -> Double {
        let engine = try workspace.volume(on: base, chunkBytes: 16 << 10)
        try engine.snapshot(1)
        _ = try engine.createClone(CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c"))
        let store = engine.storeFolder.path
        try engine.close()
        let server = try Server(
            workspace, plugin: [try workspace.plugin(), "volume=bench:\(store)"])
        defer {
            server.stop()
            try? workspace.run(["rm", "-rf", store])
        }
        return try body(server.address("c"))
    }

    /// The time to make a clone, whatever the volume's size.
    private static func creation(_ workspace: Workspace) throws {
        var table = Table("volume", "clone create: ms")
        for (size, bytes) in [("1 GiB", 1 << 30), ("1 TiB", 1 << 40)] {
            let origin = try FileDevice(path: workspace.newPath("sparse"), access: .create)
            try origin.resize(to: bytes)
            let engine = try workspace.volume(on: origin, chunkBytes: 16 << 10)
            try engine.snapshot(1)
            let time = try Measurement(prepare: { $0 }) { run in
                _ = try engine.createClone(
                    CloneRequest(snapshot: SnapshotID(rawValue: 1), name: "c\(run)"))
            }
            try engine.close()
            table.add(size, decimal(time.median * 1000, 1))
        }
        table.show()
    }
}

import Glibc
import SnapshotModel
import System

/// What a chain's length costs: the same on a chain of 10 snapshots and on one of many, both real.
/// `SNAPMGR_BENCH_SNAPSHOTS` says how many; `make bench-scale` measures a year of them.
enum ScaleBenchmark {
    private static let few = 10

    static var many: Int {
        getenv("SNAPMGR_BENCH_SNAPSHOTS").flatMap { Int(String(cString: $0)) } ?? 2000
    }

    static func run(_ workspace: Workspace) throws {
        let count = max(few + 2, many)
        let (short, long) = (
            try results(workspace, count: few), try results(workspace, count: count)
        )
        var table = Table("what", "\(few) snapshots", "\(count) snapshots", "ratio")
        for (row, other) in zip(short, long) {
            table.add(
                row.name, decimal(row.value, 1), decimal(other.value, 1),
                decimal(other.value / max(row.value, 1e-9)))
        }
        table.show()
    }

    private struct Row {
        var name: String
        var value: Double
    }

    private static func results(_ workspace: Workspace, count: Int) throws -> [Row] {
        let chain = try ScaleChain(workspace, count: count)
        var rows: [Row] = []
        for (name, words) in commands(count) {
            rows.append(try milliseconds("`\(name)`", runs: 3) { try chain.command(words) })
        }
        rows.append(
            try milliseconds("open until the first read", runs: 3) {
                try chain.served { try chain.readFirst($0, "data") }
            })
        rows += try chain.served { try served(workspace, chain, $0) }
        rows += try ScaleWaits(chain: chain).run().map {
            Row(name: $0.name + ": ms", value: $0.milliseconds)
        }
        if count > few { try chain.requireNotFound("1") }
        try chain.remove()
        return rows
    }

    private static func commands(_ count: Int) -> [(name: String, words: [String])] {
        [
            ("list --limit 50", ["list", "--limit", "50"]), ("show 1", ["show", "1"]),
            ("status", ["status"]), ("diff 1 live", ["diff", "1", "data@live"]),
            ("diff of the last two", ["diff", "\(count - 1)", "\(count)"]), ("check", ["check"]),
            ("catalog rebuild", ["catalog", "rebuild"]),
            ("prune --dry-run", ["prune", "--dry-run"]),
        ]
    }

    /// What a server's clients see. A client's own start is part of each time.
    private static func served(
        _ workspace: Workspace, _ chain: ScaleChain, _ server: Server
    ) throws -> [Row] {
        var rows = [
            try milliseconds("connect to the oldest", runs: 3) {
                try workspace.run(["nbdinfo", "--size", server.address("data@1")], quietly: true)
            },
            try milliseconds("first read of the oldest", runs: 1) {
                try chain.readFirst(server, "data@1")
            },
        ]
        rows.append(
            try milliseconds("the same after a snapshot", runs: 3) { _ in
                try chain.command(["snapshot", "data"])
            } body: {
                try chain.readFirst(server, "data@1")
            })
        rows.append(
            try milliseconds("`snapshot`, served", runs: 5) {
                try chain.command(["snapshot", "data"])
            })
        let (live, oldest) = (
            try copySeconds(workspace, server, "data"), try copySeconds(workspace, server, "data@1")
        )
        rows.append(Row(name: "nbdcopy of the oldest: time against the live", value: oldest / live))
        rows.append(
            try milliseconds("`nbdinfo --list`", runs: 1) {
                try workspace.run(["nbdinfo", "--list", server.address("")], quietly: true)
            })
        rows.append(
            Row(
                name: "server's peak memory: MiB",
                value: Double(try server.peakResidentKibibytes()) / 1024))
        return rows
    }

    private static func copySeconds(
        _ workspace: Workspace, _ server: Server, _ export: String
    ) throws -> Double {
        try Measurement(runs: 3, prepare: { _ in }) {
            try workspace.run(["nbdcopy", server.address(export), "null:"], quietly: true)
        }.median
    }

    private static func milliseconds(
        _ name: String, runs: Int, prepare: (Int) throws -> Void = { _ in },
        body: () throws -> Void
    ) throws -> Row {
        let measurement = try Measurement(runs: runs, prepare: prepare) { _ in try body() }
        return Row(name: name + ": ms", value: measurement.median * 1000)
    }
}

import Glibc

/// Runs the benchmarks named on the command line, or all of them, and prints one table each.
@main
struct BenchmarkRun {
    static let all: [(name: String, run: @Sendable (Workspace) throws -> Void)] = [
        ("first-writes", { try FirstWriteBenchmark.run($0) }),
        ("sequential", { try SequentialBenchmark.run($0) }),
        ("merge", { try MergeBenchmark.run($0) }),
        ("chunk-size", { try ChunkSizeBenchmark.run($0) }),
        ("chain", { try ChainBenchmark.run($0) }),
        ("served", { try ServedBenchmark.run($0) }),
        ("clones", { try CloneBenchmark.run($0) }),
        ("clone-reverts", { try CloneRevertBenchmark.run($0) }),
        ("memory", { try MemoryBenchmark.run($0) }),
        ("commands", { try CommandBenchmark.run($0) }),
        ("schedules", { try ScheduleBenchmark.run($0) }),
        ("sets", { try SetBenchmark.run($0) }),
        ("scale", { try ScaleBenchmark.run($0) }),
    ]

    static func main() {
        let names = CommandLine.arguments.dropFirst()
        let unknown = names.filter { name in !all.contains { $0.name == name } }
        guard unknown.isEmpty else {
            print("unknown: \(unknown.joined(separator: ", "))")
            print("benchmarks: \(all.map(\.name).joined(separator: " "))")
            exit(2)
        }
        do {
            let workspace = try Workspace()
            defer { workspace.remove() }
            for (name, run) in all where names.isEmpty || names.contains(name) {
                print("\n## \(name)")
                try run(workspace)
            }
        } catch {
            print("failed: \(error)")
            exit(1)
        }
    }
}

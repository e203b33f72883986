import Foundation
import Glibc
import SnapshotModel
import Testing

/// How often commands ask the filesystem, counted by a preloaded library (`Tests/CLookupFault`).
@Suite(
    .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
struct LookUpCostTests {
    /// Where `struct snapmgr_lookup_fault` has the name of the folder in question, and its end. Its count
    /// comes first.
    private enum Field {
        static let (root, end) = (32, 1088)
    }

    private static let library = URL(filePath: TestClock.library).deletingLastPathComponent()
        .appending(path: "libsnapmgr-lookup-fault.so").path

    /// The look-ups of a command below the volume's store, entries of listings included.
    private func lookUps(_ harness: CommandLineHarness, _ arguments: [String]) throws -> Int {
        let file = harness.folder + "/fault"
        let folder = try #require(realpath(harness.folder + "/state/stores/data", nil))
        defer { free(folder) }
        var bytes = Data(count: Field.end)
        let root = Data(String(cString: folder).utf8)
        bytes.replaceSubrange(Field.root..<Field.root + root.count, with: root)
        try bytes.write(to: URL(filePath: file))
        let result = try harness.run(
            arguments, environment: ["LD_PRELOAD": Self.library, "SNAPMGR_LOOKUP_FAULT": file])
        #expect(result.status == 0, "\(arguments): \(result.errors)")
        let count = try Data(contentsOf: URL(filePath: file)).prefix(8)
        return count.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private static let commands = [
        ["status"], ["status", "--prometheus"], ["volume", "list"], ["volume", "show", "data"],
        ["list", "--limit", "5"], ["show", "1"], ["hold", "add", "1", "--reason", "a test"],
        ["diff", "1", "2"],
    ]

    /// The look-ups of each command with so many snapshots more.
    private func costs(_ harness: CommandLineHarness, snapshots: Int) throws -> [Int] {
        for _ in 0..<snapshots {
            try harness.json("snapshot", "data")
        }
        // What has changed since is remembered now.
        try harness.json("status")
        return try Self.commands.map { try lookUps(harness, $0) }
    }

    @Test("commands that look ask the store for as much, however many snapshots it has")
    func looks() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        let few = try costs(harness, snapshots: 6)
        let many = try costs(harness, snapshots: 24)
        for (command, (few, many)) in zip(Self.commands, zip(few, many)) {
            #expect(many == few, "\(command): \(few) look-ups, then \(many)")
        }
        #expect(few[0] > 0, "they are counted")
    }
}

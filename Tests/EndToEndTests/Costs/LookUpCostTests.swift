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
    private func costs(
        _ harness: CommandLineHarness, _ commands: [[String]], snapshots: Int
    ) throws -> [Int] {
        for _ in 0..<snapshots {
            try harness.json("snapshot", "data")
        }
        // What has changed since is remembered now.
        try harness.json("status")
        return try commands.map { try lookUps(harness, $0) }
    }

    /// As btrfs does not: where the filesystem counts no folders, they are listed.
    private static let countsFolders: Bool = {
        let path = NSTemporaryDirectory() + "snapmgr-counted-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try? FileManager.default.createDirectory(
            atPath: path + "/within", withIntermediateDirectories: true)
        var status = stat()
        return stat(path, &status) == 0 && status.st_nlink == 3
    }()

    private func expectSame(_ commands: [[String]], _ few: [Int], _ many: [Int]) {
        for (command, (few, many)) in zip(commands, zip(few, many)) {
            #expect(many == few, "\(command): \(few) look-ups, then \(many)")
        }
    }

    @Test(
        "commands that look ask the store for as much, however many snapshots it has",
        .enabled(if: countsFolders, "the filesystem counts no folders"))
    func looks() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        let few = try costs(harness, Self.commands, snapshots: 6)
        let many = try costs(harness, Self.commands, snapshots: 24)
        expectSame(Self.commands, few, many)
        #expect(few[0] > 0, "they are counted")
    }

    @Test(
        "so they do where snapshots can be lost: those are looked at that may lose something yet",
        .enabled(if: countsFolders, "the filesystem counts no folders"))
    func breakable() throws {
        let harness = try CommandLineHarness()
        try harness.json(
            "volume", "create", "data", "--origin", "data.img", "--create-size", "1M",
            "--when-full", "break-snapshots")
        let commands = Self.commands.filter { !$0.contains("--prometheus") }
        let few = try costs(harness, commands, snapshots: 20)
        let many = try costs(harness, commands, snapshots: 24)
        expectSame(commands, few, many)
    }

    @Test("who opens a volume looks up five names of each snapshot, and lists its folder")
    func openings() throws {
        let harness = try CommandLineHarness()
        try harness.json("volume", "create", "data", "--origin", "data.img", "--create-size", "1M")
        let command = [["snapshot", "data"]]
        let few = try costs(harness, command, snapshots: 8)
        let many = try costs(harness, command, snapshots: 24)
        let each = Double(many[0] - few[0]) / 25
        // The folders' list is asked for a few times.
        #expect(each >= 5 && each <= 9, "\(each) look-ups for each snapshot")
    }
}

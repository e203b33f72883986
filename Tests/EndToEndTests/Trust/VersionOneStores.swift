import Foundation
import SnapshotModel

/// The stores of `Tests/Fixtures/version-1`, unpacked into a folder of the test's own and put in order
/// as an administrator would who has moved them there.
struct VersionOneStores {
    /// What the program that wrote them exported.
    struct Expected {
        var volume: String
        var snapshot: Int
        var checksum: String
    }

    let harness: CommandLineHarness
    let expected: [Expected]

    private static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/version-1").path

    init() throws {
        harness = try CommandLineHarness()
        let result = try harness.tool([
            "tar", "-xzf", Self.fixture + "/stores.tar.gz", "--no-same-permissions", "--mode=go-w",
        ])
        guard result.status == 0 else { throw Problem(.failed, result.errors) }
        expected = try harness.text(Self.fixture + "/expected.txt")
            .split(separator: "\n").map { line in
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 3, let id = Int(words[1]) else {
                    throw Problem(.failed, "expected.txt: \(line)")
                }
                return Expected(volume: words[0], snapshot: id, checksum: words[2])
            }
        for volume in ["plain", "paired", "broken", "reverting"] {
            try place(volume, state: "state")
        }
        // Read as an image: the areas of both drivers have one format.
        try place("device", state: "device", [("\"driver\":\"dm\"", "\"driver\":\"image\"")])
    }

    func path(_ name: String) -> String { harness.folder + "/" + name }

    /// The one place that tells a store where its origin is now: its path, and which file it is.
    private func place(_ volume: String, state: String, _ changes: [(String, String)] = []) throws {
        let origin = path("\(volume).img")
        let store = path("\(state)/stores/\(volume)")
        let old = volume == "device" ? "/dev/ubda" : "/srv/snapmgr-fixture/\(volume).img"
        try edit(store + "/volume.json", [(old, origin)] + changes)
        let inode = try FileManager.default.attributesOfItem(atPath: origin)[.systemFileNumber]
        let stamp = try harness.text(store + "/origin.json")
        guard let number = stamp.firstMatch(of: /"inode":[0-9]+/)?.output else { return }
        try edit(
            store + "/origin.json", [(String(number), "\"inode\":\(inode as? UInt64 ?? 0)")])
    }

    /// Replaces text in a record and sums it again, so that it stays one of version 1.
    private func edit(_ path: String, _ changes: [(String, String)]) throws {
        var text = try harness.text(path)
        for (old, new) in changes { text = text.replacing(old, with: new) }
        guard let start = text.firstRange(of: "\"content\":")?.upperBound,
            let end = text.firstRange(of: ",\"format\":")?.lowerBound
        else { throw Problem(.failed, "\(path) is not a record") }
        let sum = String(CRC32C.checksum(Array(text[start..<end].utf8)), radix: 16)
        let padded = String(repeating: "0", count: 8 - sum.count) + sum
        text.replace(/^\{"checksum":"[0-9a-f]{8}"/, with: "{\"checksum\":\"\(padded)\"")
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    /// The SHA-256 of a file.
    func checksum(_ path: String) throws -> String {
        let result = try harness.tool(["sha256sum", path])
        guard result.status == 0, let sum = result.output.split(separator: " ").first else {
            throw Problem(.failed, result.errors)
        }
        return String(sum)
    }

    /// The SHA-256 of a snapshot as it is exported.
    func exported(_ snapshot: Int, state: String = "state") throws -> String {
        let file = path("exported-\(snapshot).raw")
        defer { try? FileManager.default.removeItem(atPath: file) }
        try succeed("export", "\(snapshot)", file, state: state)
        return try checksum(file)
    }

    @discardableResult
    func succeed(_ arguments: String..., state: String = "state") throws -> String {
        let result = try harness.run(
            arguments, environment: ["SNAPMGR_STATE": path(state)])
        guard result.status == 0 else {
            throw Problem(.failed, "\(arguments): \(result.status) \(result.errors)")
        }
        return result.output
    }
}

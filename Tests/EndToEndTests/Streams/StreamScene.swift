import Foundation
import SnapshotModel
import TestKit

/// A served volume `data`, and shell lines with the built binary in the same state: what is received goes to other
/// volumes.
struct StreamScene {
    let served: ServedHarness
    static let chunkBytes = 65_536

    init(size: String = "8M") throws { served = try ServedHarness("data", size: size) }

    var harness: CommandLineHarness { served.commandLine }

    /// Runs a line of bash in which `$S` is the binary; a pipe fails with any of its parts.
    @discardableResult
    func shell(_ line: String) throws -> CommandLineHarness.Result {
        try harness.tool([
            "bash", "-c", "set -o pipefail; S=\(CommandLineHarness.binary); \(line)",
        ])
    }

    /// The same, which must succeed; its output.
    @discardableResult
    func run(_ line: String) throws -> String {
        let result = try shell(line)
        guard result.status == 0 else {
            throw Problem(.failed, "\(line): \(result.status) \(result.errors)")
        }
        return result.output
    }

    /// Fills chunks of `data` with a byte, and takes a snapshot.
    @discardableResult
    func snapshot(_ byte: UInt8, _ chunks: Range<Int>) throws -> Int {
        let bytes = [UInt8](repeating: byte, count: chunks.count * Self.chunkBytes)
        let client = try served.client()
        try client.write(bytes, at: chunks.lowerBound * Self.chunkBytes)
        try client.flush()
        return try served.snapshot()
    }

    /// The SHA-256 of a snapshot's content.
    func digest(_ reference: some CustomStringConvertible) throws -> String {
        let name = "export-\(UUID().uuidString)"
        return try run(
            "$S export -q \(reference) \(name) >/dev/null && sha256sum <\(name) && rm \(name)")
    }

    /// The SHA-256 of what a volume that nobody serves holds.
    func digest(ofImage name: String) throws -> String { try run("sha256sum <\(name).img") }

    /// The ids of a volume's snapshots, oldest first.
    func ids(_ volume: String) throws -> [Int] {
        let rows = try harness.json("list", volume)["snapshots"] as? [[String: Any]] ?? []
        return rows.compactMap { $0["id"] as? Int }.sorted()
    }

    /// Where the records of a stream in a file begin.
    func boundaries(_ file: String) throws -> [Int] {
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: served.path(file))))
        var (position, result) = (16, [Int]())
        while position < bytes.count {
            result.append(position)
            let length = (8..<12).reversed().reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
            position += 32 + length
        }
        return result
    }
}

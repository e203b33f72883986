import Foundation
import SnapshotModel
import TestKit
import Testing

/// Volumes served by the built binary, used through real NBD clients. One test after the other:
/// each runs a server and clients of its own, and some wait for a merge to be under way. What else
/// is served runs beside them, in suites of its own: as one row, they would take longest of all.
@Suite(
    .serialized, .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
enum ServedTests {}

/// What other programs' clients make of a served volume, one after the other.
@Suite(
    .serialized, .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
enum ServedClients {}

/// Streams from and to volumes that may be served, one after the other.
@Suite(
    .serialized, .timeLimit(.minutes(30)),
    .enabled(if: CommandLineHarness.isBuilt, "run `make build` first"))
enum ServedStreams {}

/// What the tests write.
struct Scribbler {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func number(below limit: Int) -> Int { Int(next() % UInt64(limit)) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count {
            withUnsafeBytes(of: next()) { bytes.append(contentsOf: $0) }
        }
        return Array(bytes.prefix(count))
    }

    /// Writes at random places, aligned to nothing, and keeps a copy up to date.
    mutating func scribble(_ client: NBDClient, _ copy: inout [UInt8], writes: Int = 12) throws {
        for _ in 0..<writes {
            let bytes = bytes(1 + number(below: 150_000))
            let offset = number(below: copy.count - bytes.count)
            try client.write(bytes, at: offset)
            copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        }
    }

    /// SplitMix64.
    private mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }
}

/// The bytes that a file occupies.
func allocatedBytes(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw Problem(.failed, "\(path): error \(errno)") }
    return Int(status.st_blocks) * 512
}

/// Whether a program can be run.
func isInstalled(_ program: String) -> Bool {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
}

import Foundation
import SnapshotModel
import Testing

@testable import Stream

/// The stream was made by a program of its own, from docs/on-disk.md alone.
@Suite("The format of streams is what docs/on-disk.md says")
struct GoldenStreamTests {
    private static let words: [StreamWord] = [
        .snapshot(
            Streams.snapshot(
                1, volumeBytes: 2048, isWhole: true,
                labels: SnapshotLabels(name: "first", note: "a note", tags: ["one", "two"]))),
        .data([UInt8](repeating: 0x11, count: 512), 0), .zeroes(512..<1536, true),
        .zeroes(1536..<2048, false), .take,
        .snapshot(Streams.snapshot(2, volumeBytes: 2048, isWhole: false)),
        .data([UInt8](repeating: 0x22, count: 512), 1024), .take,
    ]

    private func golden(_ version: Int = 1) throws -> [UInt8] {
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Fixtures/version-\(version).hex")
        let digits = try String(contentsOf: path, encoding: .utf8).filter { !$0.isNewline }
        var (bytes, rest) = ([UInt8](), digits[...])
        while !rest.isEmpty {
            bytes.append(try #require(UInt8(rest.prefix(2), radix: 16)))
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    @Test("what is written is the golden stream, byte by byte")
    func writes() throws { #expect(try Streams.bytes(Self.words) == golden()) }

    /// Chunks up to byte 1536 are known, and the rest of a change comes.
    private static let resumedWords: [StreamWord] = {
        var snapshot = Streams.snapshot(2, volumeBytes: 4096, isWhole: false)
        snapshot.resumedAt = 1536
        return [
            .snapshot(snapshot), .zeroes(1536..<2048, true),
            .data([UInt8](repeating: 0x33, count: 512), 3072), .take,
        ]
    }()

    @Test("a stream that goes on is of version 2, byte by byte, and is read")
    func resumes() throws {
        #expect(try Streams.bytes(Self.resumedWords, resumes: true) == golden(2))
        let read = try Streams.words(golden(2))
        #expect(read.problem == nil)
        #expect(read.words == Self.resumedWords)
    }

    @Test("a snapshot is known by place, id and time; a received one by what it was known by")
    func identity() throws {
        var manifest = SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: 2), id: SnapshotID(rawValue: 7), volumeBytes: 4096,
            takenAt: Timestamp(clampingSeconds: 1_795_348_800, nanoseconds: 123_456_789),
            description: SnapshotDescription(name: "one"))
        let volume = Streams.volume.uuid
        let uuid = "6963437a-ff55-8d15-8c69-2d9198874da4"
        #expect(try SnapshotIdentity.uuid(of: manifest, in: volume) == uuid)
        manifest.labels = SnapshotLabels(name: "two")
        #expect(try SnapshotIdentity.uuid(of: manifest, in: volume) == uuid)
        manifest.source = SnapshotSource(
            volume: volume, snapshot: "known", id: manifest.id, ordinal: manifest.ordinal,
            takenAt: manifest.takenAt)
        #expect(try SnapshotIdentity.uuid(of: manifest, in: "another") == "known")
    }

    @Test("the golden stream is read")
    func reads() throws {
        let read = try Streams.words(golden())
        #expect(read.problem == nil)
        #expect(read.words == Self.words)
    }
}

import SnapshotModel
import TestKit
import Testing

@testable import StoreFormat

@Suite("Manifests are read in one pass, and as the general decoder reads them")
struct CanonicalManifestTests {
    private func general(_ bytes: [UInt8]) -> SnapshotManifest? {
        try? RecordCodec.decode(SnapshotManifest.self, from: bytes, as: .manifest, path: "x")
    }

    private func text(_ random: inout some RandomNumberGenerator, _ letters: String) -> String? {
        guard Bool.random(using: &random) else { return nil }
        let count = Int.random(in: 0..<12, using: &random)
        return String((0..<count).compactMap { _ in letters.randomElement(using: &random) })
    }

    private func manifest(
        _ random: inout some RandomNumberGenerator, letters: String
    ) -> SnapshotManifest {
        func number() -> Int64 {
            Int64.random(in: 0...(1 << Int.random(in: 0...53, using: &random)), using: &random)
        }
        func time() -> Timestamp { Timestamp(stored: .random(in: .min ... .max, using: &random)) }
        let isSet = Bool.random(using: &random)
        return SnapshotManifest(
            ordinal: SnapshotOrdinal(rawValue: Int.random(in: 1...1 << 50, using: &random)),
            id: SnapshotID(rawValue: number()),
            volumeBytes: Int.random(in: 0...1 << 60, using: &random) / 2, takenAt: time(),
            description: SnapshotDescription(
                kind: SnapshotKind.allCases.randomElement(using: &random) ?? .manual,
                consistency: Consistency.allCases.randomElement(using: &random) ?? .crash,
                name: text(&random, letters), setID: isSet ? SetID(rawValue: number()) : nil,
                setName: text(&random, letters), setVolumes: isSet ? ["a-b", "c"] : nil,
                schedule: text(&random, letters), slot: isSet ? time() : nil,
                tags: isSet ? [] : [letters, "", "b"], note: text(&random, letters),
                revertID: isSet ? nil : RevertID(rawValue: number()),
                idFloor: IDFloor(
                    snapshot: SnapshotID(rawValue: number()), set: SetID(rawValue: number()),
                    revert: RevertID(rawValue: number()))),
            isDeleted: Bool.random(using: &random))
    }

    /// A record with another content and the checksum that belongs to it.
    private func resealed(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        guard bytes.count > 21 else { return bytes }
        bytes.replaceSubrange(13..<21, with: "00000000".utf8)
        let checksum = Int(CRC32C.checksum(bytes)).padded(to: 8, radix: 16)
        bytes.replaceSubrange(13..<21, with: checksum.utf8)
        return bytes
    }

    @Test("what is written in ASCII is read in one pass, to the same value", arguments: 0..<40)
    func same(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<25 {
            let manifest = manifest(&random, letters: "abcXYZ019._- {}[]:,/")
            let bytes = try RecordCodec.encode(manifest, as: .manifest)
            #expect(CanonicalManifest.decode(bytes) == manifest, "seed \(seed)")
            #expect(general(bytes) == manifest, "seed \(seed)")
        }
    }

    @Test("what has letters beyond ASCII or escapes is left to the general decoder")
    func other() throws {
        var random = SeededGenerator(seed: 1)
        for letters in ["ä", "\"", "\\", "\n", "\u{7F}", "日"] {
            var manifest = manifest(&random, letters: "a")
            manifest.note = "x" + letters
            let bytes = try RecordCodec.encode(manifest, as: .manifest)
            #expect(CanonicalManifest.decode(bytes) == nil)
            #expect(general(bytes) == manifest)
        }
    }

    @Test("altered bytes are refused, also with their checksum, or read as the other one does")
    func altered() throws {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<40 {
            let manifest = manifest(&random, letters: "ab0\u{20}")
            let bytes = try RecordCodec.encode(manifest, as: .manifest)
            for position in bytes.indices {
                var altered = bytes
                altered[position] = UInt8.random(in: 0...255, using: &random)
                if altered != bytes { #expect(CanonicalManifest.decode(altered) == nil) }
                let sealed = resealed(altered)
                if let read = CanonicalManifest.decode(sealed) {
                    #expect(read == general(sealed), "\(String(decoding: sealed, as: UTF8.self))")
                }
                let cut = resealed(Array(bytes[..<position]))
                #expect(CanonicalManifest.decode(cut) == nil)
            }
        }
    }

    @Test(
        "where a snapshot comes from is of version 3, and the general reader's; it has bounds, too")
    func received() throws {
        var random = SeededGenerator(seed: 4)
        var manifest = manifest(&random, letters: "a")
        manifest.source = SnapshotSource(
            volume: "v", snapshot: "s", id: SnapshotID(rawValue: 7),
            ordinal: SnapshotOrdinal(rawValue: 3), takenAt: Timestamp(stored: 0))
        let bytes = try RecordCodec.encode(manifest, as: .manifest)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"version\":3}"))
        #expect(CanonicalManifest.decode(bytes) == nil)
        let read = try RecordCodec.decode(
            SnapshotManifest.self, from: bytes, as: .manifest, path: "x")
        #expect(read.source == manifest.source)
        #expect(read.flaw == manifest.flaw)
        manifest.source?.snapshot = "../s"
        #expect(manifest.flaw != nil)
    }

    @Test("numbers out of bounds, impossible times and words that nobody knows are not read")
    func impossible() throws {
        var random = SeededGenerator(seed: 3)
        var manifest = manifest(&random, letters: "a")
        manifest.takenAt = Timestamp(stored: 0)
        manifest.kind = .manual
        manifest.ordinal = SnapshotOrdinal(rawValue: 1 << 53)
        manifest.volumeBytes = 4096
        let text = String(decoding: try RecordCodec.encode(manifest, as: .manifest), as: UTF8.self)
        for (old, new) in [
            ("1970-01-01T", "1970-02-30T"), ("T00:00", "T24:00"), ("\"manual\"", "\"annual\""),
            ("\"volumeBytes\":4096", "\"volumeBytes\":04096"),
            ("\"volumeBytes\":4096", "\"volumeBytes\":9999999999999999999"),
            ("\"ordinal\":", "\"ordinal\":9"), ("\"version\":2", "\"version\":1"),
            ("\"version\":2", "\"version\":4"), ("snapmgr-manifest", "snapmgr-revert"),
        ] {
            let altered = resealed(Array(text.replacing(old, with: new).utf8))
            #expect(CanonicalManifest.decode(altered) == nil, "\(new)")
            // And by nobody else; what an older version has written has a reader of its own.
            guard new != "\"version\":1" else { continue }
            #expect(throws: Problem.self, "\(new)") {
                try RecordCodec.decode(
                    SnapshotManifest.self, from: altered, as: .manifest, path: "x")
            }
        }
    }
}

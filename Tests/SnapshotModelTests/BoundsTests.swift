import FoundationEssentials
import SnapshotModel
import Testing

@Suite("M4: numbers from outside do not trap")
struct BoundsTests {
    @Test("M4: sums, differences and products end at the type's ends")
    func clamped() {
        #expect(Int64.max.addingClamped(1) == .max && Int64.min.addingClamped(-1) == .min)
        #expect(Int64.min.subtractingClamped(1) == .min && Int64.max.subtractingClamped(-1) == .max)
        #expect(Int.max.multipliedClamped(by: 2) == .max)
        #expect(Int.max.multipliedClamped(by: -2) == .min)
        #expect(Int.min.multipliedClamped(by: -1) == .max)
        #expect([Int.max, 1, 5].clampedSum == .max && [1, 2].clampedSum == 3)
        #expect(40.addingClamped(2) == 42 && 6.multipliedClamped(by: 7) == 42)
    }

    @Test("M4: moments beyond what is representable are the first or last one")
    func moments() {
        let last = Timestamp.last
        #expect(last.advanced(bySeconds: 1) == last)
        #expect(Timestamp.first.advanced(bySeconds: .min).stored == .min)
        #expect(last.nanoseconds(since: Timestamp.first) == .max)
        for seconds in [16_756_761_600, 1 << 40, Int64.max] {
            let clock = Timestamp(clampingSeconds: seconds, nanoseconds: 999_999_999)
            #expect(clock <= last && !Timestamp.recordable.contains(clock))
        }
        #expect(Timestamp(clampingSeconds: .min) == .first && Timestamp(seconds: .max) == nil)
        #expect(Timestamp(clampingSeconds: .max, nanoseconds: .max) == last)
        #expect(Timestamp.recordable.lowerBound.description.hasPrefix("1900-01-01T00:00:00"))
        #expect(Timestamp.recordable.upperBound.description.hasPrefix("2500-12-31T23:59:59.999999"))
    }

    private func decoded<Value: Decodable>(_ type: Value.Type, _ text: String) -> Value? {
        try? JSONDecoder().decode(type, from: Data(text.utf8))
    }

    @Test("M5: identities and ordinals out of bounds are refused where they are read")
    func identities() {
        #expect(decoded([SnapshotID].self, "[42]") == [SnapshotID(rawValue: 42)])
        for number in ["9223372036854775807", "-1", "9007199254740993"] {
            #expect(decoded([SnapshotID].self, "[\(number)]") == nil)
            #expect(decoded([SetID].self, "[\(number)]") == nil)
            #expect(decoded([RevertID].self, "[\(number)]") == nil)
            #expect(decoded([SnapshotOrdinal].self, "[\(number)]") == nil)
        }
    }

    @Test("M4: a geometry that one cannot reckon with is refused where it is read")
    func geometry() {
        #expect(decoded(Geometry.self, #"{"chunkBytes":4096,"volumeBytes":8192}"#) != nil)
        for (bytes, chunk) in [(-1, 4096), (Int.max, 4096), (4096, 0), (4096, 3000)] {
            let text = #"{"chunkBytes":\#(chunk),"volumeBytes":\#(bytes)}"#
            #expect(decoded(Geometry.self, text) == nil, "\(text)")
        }
        let far = ChunkIndex(1 << 52)
        let geometry = Geometry(volumeBytes: 1 << 30, chunkBytes: 65_536)
        #expect(geometry.bytes(of: far..<ChunkIndex(Int.max)).isEmpty)
    }

    @Test("M5: names, notes and tags that no snapmgr writes are told")
    func texts() {
        func manifest(_ description: SnapshotDescription) -> SnapshotManifest {
            SnapshotManifest(
                ordinal: SnapshotOrdinal(rawValue: 1), id: SnapshotID(rawValue: 1),
                volumeBytes: 4096, takenAt: Timestamp(stored: 0), description: description)
        }
        #expect(manifest(SnapshotDescription(name: "before-upgrade", tags: ["a b"])).flaw == nil)
        let hostile = [
            SnapshotDescription(name: "../../x"), SnapshotDescription(name: "a\u{1B}[2J"),
            SnapshotDescription(setName: "../x"), SnapshotDescription(schedule: "a/b"),
            SnapshotDescription(setVolumes: ["../x"]),
            SnapshotDescription(note: String(repeating: "x", count: 1025)),
        ]
        for description in hostile { #expect(manifest(description).flaw != nil) }
        // Older versions set no bounds to how many there are.
        let many = SnapshotDescription(tags: [String](repeating: "x", count: 2000))
        #expect(manifest(many).flaw == nil)
    }
}

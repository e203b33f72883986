import SnapshotModel
import Testing

@Suite("Chunks of a volume whose size is not a multiple of the chunk")
struct GeometryTests {
    private let geometry = Geometry(volumeBytes: 4096 * 3 + 512, chunkBytes: 4096)

    private func chunks(_ range: Range<Int>) -> Range<ChunkIndex> {
        ChunkIndex(range.lowerBound)..<ChunkIndex(range.upperBound)
    }

    @Test(
        "the last chunk counts when it is short",
        arguments: [(1, 1), (511, 1), (4096, 1), (4097, 2), (8192, 2), (12_800, 4)])
    func chunkCount(bytes: Int, count: Int) {
        #expect(Geometry(volumeBytes: bytes, chunkBytes: 4096).chunkCount == count)
    }

    @Test("the largest volume has a chunk count that does not overflow")
    func largest() {
        let largest = Geometry(volumeBytes: Geometry.volumeBytesMaximum, chunkBytes: 4096)
        #expect(largest.chunkCount == 1 << 48)
        #expect(largest.bytes(of: chunks((1 << 48) - 1..<1 << 48)).upperBound == 1 << 60)
    }

    @Test("ranges, touched and contained chunks agree with a look at every byte")
    func bruteForce() {
        let small = Geometry(volumeBytes: 27, chunkBytes: 8)
        for start in 0...27 {
            for end in start...27 {
                let touched = Set((start..<end).map { $0 / 8 })
                let found = small.chunks(touching: start..<end)
                #expect(Set(found.map(\.rawValue)) == touched, "\(start)..<\(end)")
                let whole = (0..<4).filter { chunk in
                    let bytes = chunk * 8..<min(27, chunk * 8 + 8)
                    return start <= bytes.lowerBound && bytes.upperBound <= end
                }
                let within = small.chunks(within: start..<end)
                #expect(within.map(\.rawValue) == whole, "\(start)..<\(end)")
            }
        }
    }

    @Test("bytes of chunks end where the volume does")
    func bytes() {
        #expect(geometry.bytes(of: chunks(0..<2)) == 0..<8192)
        #expect(geometry.bytes(of: chunks(3..<4)) == 12_288..<12_800)
        #expect(geometry.bytes(of: chunks(2..<9)) == 8192..<12_800)
        #expect(geometry.bytes(of: chunks(7..<9)).isEmpty)
        #expect(geometry.bytes(of: chunks(1..<1)).isEmpty)
    }

    @Test("a byte lies in the chunk that contains it")
    func containing() {
        #expect(geometry.chunk(containing: 0) == ChunkIndex(0))
        #expect(geometry.chunk(containing: 4095) == ChunkIndex(0))
        #expect(geometry.chunk(containing: 4096) == ChunkIndex(1))
    }
}

@Suite("Names, ids and checksums")
struct RecordValueTests {
    @Test(
        "names that references and exports can carry are valid",
        arguments: ["a", "Z", "0", "db-1", "vm.disk_2", String(repeating: "x", count: 64)])
    func validNames(name: String) {
        #expect(VolumeRecord.isValidName(name))
    }

    @Test(
        "other names are not",
        arguments: [
            "", ".", ".hidden", "-x", "_x", "a b", "a/b", "a@1", "a:b", "ä", "a\n", "é", "１",
            String(repeating: "x", count: 65),
        ])
    func invalidNames(name: String) {
        #expect(!VolumeRecord.isValidName(name))
    }

    @Test("the highest ids of two floors are taken id by id")
    func idFloor() {
        let left = IDFloor(
            snapshot: SnapshotID(rawValue: 5), set: SetID(rawValue: 1),
            revert: RevertID(rawValue: 9))
        let right = IDFloor(
            snapshot: SnapshotID(rawValue: 3), set: SetID(rawValue: 7),
            revert: RevertID(rawValue: 9))
        let merged = left.merged(with: right)
        #expect(merged == right.merged(with: left))
        #expect(
            merged
                == IDFloor(
                    snapshot: SnapshotID(rawValue: 5), set: SetID(rawValue: 7),
                    revert: RevertID(rawValue: 9)))
    }

    @Test(
        "CRC-32C has the published values (RFC 3720, B.4)",
        arguments: [
            ([UInt8]("123456789".utf8), 0xE306_9283),
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            ([UInt8](0..<32), 0x46DD_794E), ([], 0),
        ] as [([UInt8], UInt32)])
    func checksum(bytes: [UInt8], value: UInt32) {
        #expect(CRC32C.checksum(bytes) == value)
        var parts = CRC32C()
        for byte in bytes { parts.update([byte]) }
        #expect(parts.value == value)
    }

    @Test("a merge's remaining time is rounded up, and unknown while nothing moves")
    func eta() {
        func eta(_ rate: Int, _ state: MergeState) -> Int? {
            MergeProgress(
                revertID: RevertID(rawValue: 1), targetID: SnapshotID(rawValue: 1), safetyID: nil,
                mergedBytes: 100, planBytes: 350, preservedBytes: 0, rate: rate, state: state
            ).etaSeconds
        }
        #expect(eta(100, .merging) == 3)
        #expect(eta(0, .merging) == nil)
        #expect(eta(100, .paused) == nil)
    }
}

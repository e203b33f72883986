import SnapshotModel
import StoreFormat
import Testing

@testable import RBDDriver

/// The journal of a revert in a cluster, and what follows from it.
struct ImageRevertTests {
    private let record = RevertRecord(
        id: RevertID(rawValue: 3), target: SnapshotOrdinal(rawValue: 1),
        targetID: SnapshotID(rawValue: 10), safety: SnapshotOrdinal(rawValue: 4),
        safetyID: SnapshotID(rawValue: 14), tookSafetySnapshot: true, safetyEntryCount: 0,
        planChunkCount: 7, startedAt: Timestamp(clampingSeconds: 1_700_000_000))

    private var revert: ImageRevert {
        ImageRevert(
            volume: "0a1b2c3d-0000-4000-8000-000000000001", image: "abc123", record: record,
            imageBytes: 1 << 20, planBytes: 28672, client: 4711,
            address: "127.0.0.1:0/1", boot: "here")
    }

    @Test func isReadAsItWasWritten() throws {
        var written = revert
        written.hasBegun = true
        written.advance(to: 8192, copied: 4096)
        let read = try ImageRevert(decoding: written.encoded(), path: "journal")
        #expect(read == written && read.position == 8192 && read.copiedBytes == 4096)
    }

    @Test func everyAlteredByteIsFound() throws {
        let bytes = try revert.encoded()
        for index in bytes.indices.dropLast() {
            var altered = bytes
            altered[index] ^= 1
            #expect(throws: Problem.self, "byte \(index)") {
                try ImageRevert(decoding: altered, path: "journal")
            }
        }
        #expect(throws: Problem.self) { try ImageRevert(decoding: [], path: "journal") }
    }

    @Test func whatNoProgramHasWrittenIsRefused() throws {
        let changes: [(inout ImageRevert) -> Void] = [
            { $0.position = -1 }, { $0.position = (1 << 20) + 1 }, { $0.copiedBytes = -1 },
            { $0.copiedBytes = $0.planBytes + 1 }, { $0.imageBytes = .max }, { $0.planBytes = -1 },
            { $0.volume = "../x" }, { $0.record.safety = SnapshotOrdinal(rawValue: 0) },
        ]
        for (index, change) in changes.enumerated() {
            var wrong = revert
            change(&wrong)
            #expect(wrong.flaw != nil, "\(index)")
            let bytes = try wrong.encoded()
            #expect(throws: Problem.self, "\(index)") {
                try ImageRevert(decoding: bytes, path: "journal")
            }
        }
    }

    @Test func aNewerOneIsToldAsNewer() throws {
        let text = String(decoding: try revert.encoded(), as: UTF8.self)
            .replacing(#""version":2}"#, with: #""version":9}"#)
        #expect {
            try ImageRevert(decoding: Array(text.utf8), path: "journal")
        } throws: { ($0 as? Problem)?.code == .newerVersion }
    }

    @Test func whatIsCopiedIsNotCopiedAgain() {
        var revert = revert
        let differing = [0..<4096, 8192..<20480, 1_048_000..<1_048_576]
        #expect(
            revert.remaining(of: differing, pieceBytes: 8192)
                == [0..<4096, 8192..<16384, 16384..<20480, 1_048_000..<1_048_576])
        revert.advance(to: 12288, copied: 8192)
        #expect(
            revert.remaining(of: differing, pieceBytes: 8192)
                == [12288..<16384, 16384..<20480, 1_048_000..<1_048_576])
        revert.advance(to: 4096, copied: 0)
        #expect(revert.position == 12288, "it never goes back")
        revert.advance(to: .max, copied: .max)
        #expect(revert.remaining(of: differing, pieceBytes: 8192) == [] && revert.flaw == nil)
        revert.beginAnew(planBytes: 5)
        #expect(revert.position == 0 && revert.copiedBytes == 0 && revert.planBytes == 5)
    }

    @Test(arguments: [
        ([], [true]), ([0..<100], [false]), ([10..<20], [true, false, true]),
        ([0..<10, 10..<20], [false, false, true]), ([50..<1000], [true, false]),
    ])
    func holesAndDataFollowOneAnother(_ data: [Range<Int>], _ holes: [Bool]) {
        let pieces = CopyPiece.pieces(of: 0..<100, data: data)
        #expect(pieces.map(\.isHole) == holes)
        #expect(pieces.first?.range.lowerBound == 0 && pieces.last?.range.upperBound == 100)
        for (piece, next) in zip(pieces, pieces.dropFirst()) {
            #expect(piece.range.upperBound == next.range.lowerBound)
        }
    }

    @Test func rangesThatTouchBecomeOne() {
        let ranges = ByteRanges(unordered: [20..<30, 0..<5, 5..<10, 8..<12, 40..<40])
        #expect(ranges.ranges == [0..<12, 20..<30] && ranges.byteCount == 22)
        let geometry = Geometry(volumeBytes: 64, chunkBytes: 512)
        #expect(ranges.chunkMap(geometry).count == 1)
        #expect((5..<17).widened(toMultiplesOf: 8) == 0..<24)
        #expect((8..<16).widened(toMultiplesOf: 8) == 8..<16)
        #expect(Array((5..<21).pieces(of: 8)) == [5..<8, 8..<16, 16..<21])
    }
}

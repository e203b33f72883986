import SnapshotModel
import Testing

@testable import StoreFormat

@Suite("How long an area's file is, and how much it has room for")
struct AreaFileBytesTests {
    @Test(
        "the room of a file is what can be taken until the next block of entries is beyond its end")
    func room() {
        for chunkBytes in [512, 4096] {
            let format = AreaFormat(chunkBytes: chunkBytes)
            for count in 1...4 * format.entriesPerBlock {
                let bytes = format.fullCoverageBytes(chunkCount: count)
                #expect(format.exceptionsMaximum(fileBytes: bytes) >= count)
                #expect(format.exceptionsMaximum(fileBytes: bytes - chunkBytes) < count)
            }
            #expect(format.exceptionsMaximum(fileBytes: 0) == 0)
            #expect(format.exceptionsMaximum(fileBytes: 2 * chunkBytes) == 0)
        }
    }

    @Test("skipping chunks comes to where taking one after the other does")
    func skipping() {
        let format = AreaFormat(chunkBytes: 512)
        for first in [2, 3, 32, 33, 35, 66, 68] {
            var chunk = ChunkIndex(first)
            for count in 0..<100 {
                #expect(format.dataChunk(ChunkIndex(first), skipping: count) == chunk)
                // All that is used, and the block of entries that is due then.
                let bytes = format.usedBytes(before: chunk)
                #expect(bytes == chunk.rawValue * 512)
                chunk = format.dataChunk(after: chunk)
            }
        }
    }

    @Test("a new file has room for one chunk at least and for all chunks at most")
    func beginning() {
        let format = AreaFormat(chunkBytes: 4096)
        #expect(format.beginningBytes(chunkCount: 1 << 40) == 64 << 20)
        #expect(format.beginningBytes(chunkCount: 10) == 12 * 4096)
        #expect(format.beginningBytes(chunkCount: 10, wanted: 0) == 3 * 4096)
        #expect(format.beginningBytes(chunkCount: 10, wanted: 5 * 4096 + 1) == 5 * 4096)
        #expect(AreaFormat(chunkBytes: 512 << 10).beginningBytes(chunkCount: 1 << 30) == 64 << 20)
    }
}

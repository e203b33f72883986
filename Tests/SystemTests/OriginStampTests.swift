import SnapshotModel
import Testing

@testable import System

@Suite struct OriginStampTests {
    @Test(
        "M4: a file's time is told although 64 bits of nanoseconds have wrapped",
        arguments: [
            "1969-12-31T23:59:59", "2026-11-22T12:45", "2262-04-11T23:47:17", "2400-02-29",
            "2500-12-31T23:59:59",
        ])
    func modified(text: String) throws {
        let time = try #require(Timestamp(text))
        let stamp = OriginStamp(
            byteCount: 0,
            modifiedNanoseconds: Int64(truncatingIfNeeded: time.nanosecondsSinceEpoch), inode: 1)
        #expect(stamp.modifiedAt == time)
    }
}

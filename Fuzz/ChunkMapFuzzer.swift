// A chunk map's blob in the catalog. Whatever the bytes are, it is refused or read; what was read is
// a map, and is read again as the same after it was written.
//
// The first byte of an input tells whether the rest gets a right checksum at its end.
import SnapshotModel

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzChunkMap(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    var blob = [UInt8](input[1...])
    if input[0] & 1 == 1 {
        let checksum = CRC32C.checksum(blob)
        for shift in stride(from: 0, to: 32, by: 8) {
            blob.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
    }
    guard let runs = try? ChunkSegment(number: 3, bytes: blob).runs() else { return 0 }
    var map = ChunkMap()
    guard runs.allSatisfy({ $0.count > 0 && map.append($0) }) else {
        fatalError("the runs do not ascend: \(runs)")
    }
    guard let segments = try? ChunkSegment.segments(of: map), segments.count == 1,
        let again = try? segments[0].runs(), again == map.runs
    else { fatalError("not written as it was read: \(runs)") }
    return 0
}

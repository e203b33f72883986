// A seal of an area. Whatever the bytes are, it is refused or read; the header that was read is written again as the
// same bytes, and each sum that it promises is there.
//
// The first byte of an input tells whether the header and the sums get right checksums.
import FuzzSupport
import SnapshotModel
import StoreFormat
import System

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzSeal(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    var file = [UInt8](input[1...])
    if input[0] & 1 == 1, file.count >= SealFormat.headerBytes {
        put(CRC32C.checksum(file[0..<252]), at: 252, into: &file)
    }
    if input[0] & 2 == 2, file.count >= SealFormat.fileBytes(0) {
        let end = file.count - 4
        put(CRC32C.checksum(file[SealFormat.headerBytes..<end]), at: end, into: &file)
    }
    let device = MemoryDevice(path: "/seal", file)
    let ordinal = SnapshotOrdinal(rawValue: 1)
    guard
        let seal = try? AreaSeal(
            device, uuid: "00000000-0000-4000-8000-000000000001", chunkBytes: 4096,
            ordinal: ordinal)
    else { return 0 }
    let header = seal.header
    guard SealFormat.encode(header) == [UInt8](file[..<SealFormat.headerBytes]) else {
        fatalError("not written as it was read: \(header)")
    }
    guard header.fileBytes == file.count, let sums = try? seal.sums(0..<header.count),
        sums.count == header.count
    else { fatalError("sums that are not there: \(header)") }
    var map = ChunkMap()
    map.append(ChunkRun(origin: ChunkIndex(0), area: ChunkIndex(2), count: 1))
    _ = try? seal.hasItsRoot(map)
    return 0
}

private func put(_ checksum: UInt32, at offset: Int, into file: inout [UInt8]) {
    for index in 0..<4 { file[offset + index] = UInt8(truncatingIfNeeded: checksum >> (8 * index)) }
}

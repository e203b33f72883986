// A map of the index of views. Whatever the bytes are, it is refused or read; what was read is written
// again as the same bytes, and names its own block's areas alone.
//
// The first byte of an input tells whether the rest gets a right checksum at its end.
import SnapshotModel
import StoreFormat

private let codec = IndexMapCodec(
    VolumeRecord(
        name: "fuzz", uuid: "00000000-0000-4000-8000-000000000001", driver: "image",
        originPath: "/origin", geometry: Geometry(volumeBytes: 1 << 20, chunkBytes: 4096),
        storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: 0)),
    shape: .standard)

private let geometry = Geometry(volumeBytes: Geometry.volumeBytesMaximum, chunkBytes: 4096)
private let format = AreaFormat(chunkBytes: 4096)

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzIndexMap(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1, let block = codec.shape.block(level: 1, number: 0) else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    var file = [UInt8](input[1...])
    if input[0] & 1 == 1 {
        let checksum = CRC32C.checksum(file)
        for shift in stride(from: 0, to: 32, by: 8) {
            file.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
    }
    guard let map = try? codec.decode(file, of: block) else { return 0 }
    guard codec.encode(map) == file else { fatalError("not written as it was read: \(map)") }
    var end = ChunkIndex(0)
    for run in map.chunks.runs {
        guard run.count > 0, run.origin >= end, map.member(run.ordinal) != nil else {
            fatalError("the runs are not those of a map: \(map)")
        }
        // What a reader does with them, which stops where a number ends.
        _ = geometry.bytes(of: run.originRange)
        let last = run.area.advanced(by: run.count - 1)
        guard format.offset(of: last.advanced(by: 1)) > 0, !format.isMetadata(run.area),
            !format.isMetadata(last)
        else { fatalError("no data of an area: \(run)") }
        end = run.originRange.upperBound
    }
    guard map.members.allSatisfy({ block.contains($0.ordinal) }),
        map.follower.ordinal >= block.end
    else {
        fatalError("an area of another block: \(map)")
    }
    return 0
}

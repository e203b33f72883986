// An area's file: header and metadata blocks. Whatever the bytes are, the reader refuses them or
// gives a map that answers as the bytes say; and (one input in 32) a store with this area in it can
// be used.
//
// The first three bytes of an input choose the form and the chunk size, the chunks of the origin,
// and how far the file goes on with zeroes. The rest is the file; or, so that no mutation goes to
// waste on padding, the 16 bytes of its header and then its entries one after the other.
import System
import FuzzSupport
import StoreFormat
import SnapshotModel

let sample = try? SampleStore.make()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzArea(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 3 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let chunkBytes = SampleStore.chunkBytes << Int(input[0] & 3)
    let format = AreaFormat(chunkBytes: chunkBytes)
    let body = input[0] & 4 == 0 ? [UInt8](input[3...]) : laidOut(input[3...], format)
    let file = body + [UInt8](repeating: 0, count: Int(input[2] & 63) * chunkBytes)
    check(file, format, originChunkCount: Int(input[1]) * 8)
    if SampleStore.isChosen(input) {
        sample?.replacing(SampleStore.area, by: file).exercise()
    }
    return 0
}

/// A header and entries at the places where the format has them.
private func laidOut(_ bytes: ArraySlice<UInt8>, _ format: AreaFormat) -> [UInt8] {
    var file = padded(bytes.prefix(AreaFormat.headerBytes), to: format.chunkBytes)
    var entries = bytes.dropFirst(AreaFormat.headerBytes)
    var block = 0
    repeat {
        file = padded(file[...], to: format.offset(of: format.metadataChunk(block)))
        file += padded(entries.prefix(format.chunkBytes), to: format.chunkBytes)
        entries = entries.dropFirst(format.chunkBytes)
        block += 1
    } while !entries.isEmpty
    return file
}

private func padded(_ bytes: ArraySlice<UInt8>, to count: Int) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: max(0, count - bytes.count))
}

private func check(_ file: [UInt8], _ format: AreaFormat, originChunkCount: Int) {
    let reader = AreaReader(
        device: MemoryDevice(path: "area", file), format: format, originChunkCount: originChunkCount
    )
    guard (try? reader.header()) != nil, let entries = try? reader.entries() else { return }
    for (slot, entry) in entries.enumerated() {
        let position =
            format.offset(of: format.metadataChunk(slot / format.entriesPerBlock))
            + slot % format.entriesPerBlock * AreaFormat.entryBytes
        let bytes = file.span.bytes
        guard bytes.littleEndian(UInt64.self, at: position) == entry.origin.rawValue,
            bytes.littleEndian(UInt64.self, at: position + 8) == entry.area.rawValue,
            entry.origin.rawValue < originChunkCount, entry.area >= AreaFormat.firstDataChunk,
            format.offset(of: entry.area) < file.count, !format.isMetadata(entry.area)
        else { fatalError("entry \(slot) was read as \(entry)") }
    }
    guard let map = try? reader.chunkMap() else { return }
    guard map.count == entries.count,
        entries.allSatisfy({ map.areaChunk(for: $0.origin) == $0.area })
    else { fatalError("the map does not say what the entries say") }
}

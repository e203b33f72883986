// A merge's journal. Whatever the bytes are, it is refused or read; what it says lies within the
// volume; and (one input in eight) a store with this journal in it can be used.
//
// The first byte of an input tells whether each record of the rest gets a right checksum, without
// which hardly any input would pass the first look.
import BlockIO
import FuzzSupport
import MergeKit
import SnapshotModel

let sample = try? SampleStore.make()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzJournal(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let file = input[0] & 1 == 0 ? [UInt8](input[1...]) : sealed(input[1...])
    let chunkCount = SampleStore.volumeBytes / SampleStore.chunkBytes
    let device = MemoryDevice(path: "journal", file)
    if let (journal, merged) = try? MergeJournal.open(
        on: device, revert: RevertID(rawValue: 1), chunkBytes: SampleStore.chunkBytes,
        chunkCount: chunkCount)
    {
        guard merged.ranges.allSatisfy({ (0...chunkCount).contains($0.upperBound.rawValue) }) else {
            fatalError("the journal names chunks beyond the volume: \(merged)")
        }
        check(journal, on: device, merged, chunkCount: chunkCount)
    }
    if SampleStore.isChosen(input) {
        sample?.replacing(SampleStore.journal, by: file).exercise()
    }
    return 0
}

/// What is appended to a journal that was opened must be there when it is opened again.
private func check(
    _ journal: MergeJournal, on device: MemoryDevice, _ merged: ChunkSet, chunkCount: Int
) {
    let new = ChunkIndex(chunkCount - 1)..<ChunkIndex(chunkCount)
    guard (try? journal.append([new])) != nil else { return }
    let again = try? MergeJournal.open(
        on: device, revert: RevertID(rawValue: 1), chunkBytes: SampleStore.chunkBytes,
        chunkCount: chunkCount)
    guard let again, merged.union(ChunkSet(new)).subtracting(again.merged).isEmpty else {
        fatalError("the journal lost chunks: \(merged)")
    }
}

private func sealed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var file: [UInt8] = []
    var rest = bytes
    while rest.count >= MergeJournal.recordBytes {
        let body = rest.prefix(MergeJournal.recordBytes - 4)
        file += body
        let checksum = CRC32C.checksum(body)
        for shift in stride(from: 0, to: 32, by: 8) {
            file.append(UInt8(truncatingIfNeeded: checksum >> shift))
        }
        rest = rest.dropFirst(MergeJournal.recordBytes)
    }
    return file + rest
}

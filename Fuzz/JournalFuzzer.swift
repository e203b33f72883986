// A merge's journal. Whatever the bytes are, it is refused or read; what it says lies within the
// volume; and (one input in 32) a store with this journal in it can be used.
//
// The first byte of an input chooses its form: the file as it is; the file with a right checksum in
// each record, without which hardly any input would pass the first look; or only the ranges, 16
// bytes each, so many to a record as the second byte says.
import System
import FuzzSupport
import StoreFormat
import SnapshotModel

let sample = try? SampleStore.make()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzJournal(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let file =
        switch input[0] & 3 {
        case 0: [UInt8](input[1...])
        case 1: sealed(input[1...])
        default: sealed(records(input[2...], rangesPerRecord: Int(input[1] & 31))[...])
        }
    let chunkCount = SampleStore.volumeBytes / SampleStore.chunkBytes
    let device = MemoryDevice(path: "journal", file)
    if let (journal, merged) = try? MergeJournal.open(
        on: device, isWritable: true, revert: RevertID(rawValue: 1),
        chunkBytes: SampleStore.chunkBytes,
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

/// What is appended to a journal that was opened must be there when it is opened again. It may be
/// refused, though: the new record can make one reachable that only a forger can have written.
private func check(
    _ journal: MergeJournal, on device: MemoryDevice, _ merged: ChunkSet, chunkCount: Int
) {
    let new = ChunkIndex(chunkCount - 1)..<ChunkIndex(chunkCount)
    guard (try? journal.append([new])) != nil else { return }
    let again = try? MergeJournal.open(
        on: device, isWritable: true, revert: RevertID(rawValue: 1),
        chunkBytes: SampleStore.chunkBytes,
        chunkCount: chunkCount)
    guard let again else { return }
    guard merged.union(ChunkSet(new)).subtracting(again.merged).isEmpty else {
        fatalError("the journal lost chunks: \(merged)")
    }
}

/// The header of the sample's journal, and records with these ranges.
private func records(_ ranges: ArraySlice<UInt8>, rangesPerRecord: Int) -> [UInt8] {
    var file = [UInt8]((sample?.folder[SampleStore.journal] ?? []).prefix(MergeJournal.recordBytes))
    var (rest, number) = (ranges, 1)
    while !rest.isEmpty, file.count < 1 << 16 {
        let body = rest.prefix(max(1, rangesPerRecord) * 16)
        var record = [UInt8](repeating: 0, count: 8)
        record[0] = UInt8(truncatingIfNeeded: number)
        record += [UInt8(truncatingIfNeeded: rangesPerRecord), 0, 0, 0, 0, 0, 0, 0]
        record += body
        let missing = MergeJournal.recordBytes - record.count
        file += (record + [UInt8](repeating: 0, count: max(0, missing)))
            .prefix(MergeJournal.recordBytes)
        rest = rest.dropFirst(body.count)
        number += 1
    }
    return file
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

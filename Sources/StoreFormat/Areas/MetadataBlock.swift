internal import System
internal import SnapshotModel

/// One metadata block of a growing area, as it is on disk, or will be when written.
package struct MetadataBlock: Sendable {
    /// Which of the area's metadata chunks it is, from 0.
    package let index: Int
    private let format: AreaFormat
    private var entries: [AreaEntry]

    /// What is written at once at least, in bytes: a page of the page cache. Smaller chunks are
    /// written whole.
    private static let writeBytes = 4096

    package init(index: Int, format: AreaFormat, entries: ArraySlice<AreaEntry> = []) {
        self.index = index
        self.format = format
        self.entries = Array(entries)
    }

    /// How many entries it can still take.
    package var freeSlots: Int { format.entriesPerBlock - entries.count }

    /// Appends entries; returns the bytes of the block that must be written: those of the entries
    /// and of the terminator behind them, in whole pages.
    package mutating func append(_ new: ArraySlice<AreaEntry>) -> Range<Int> {
        precondition(new.count <= freeSlots, "a metadata block overflows")
        let first = entries.count * AreaFormat.entryBytes
        entries.append(contentsOf: new)
        let end = min(format.chunkBytes, (entries.count + 1) * AreaFormat.entryBytes)
        let unit = min(Self.writeBytes, format.chunkBytes)
        return first / unit * unit..<(end + unit - 1) / unit * unit
    }

    /// Calls with its bytes, a whole chunk of them.
    package func withBytes<Failure: Error>(
        in range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        var buffer = AlignedBuffer(count: range.count)
        encode(range, into: &buffer)
        try body(buffer.bytes)
    }

    private func encode(_ range: Range<Int>, into buffer: inout AlignedBuffer) {
        let firstSlot = range.lowerBound / AreaFormat.entryBytes
        let endSlot = min(entries.count, range.upperBound / AreaFormat.entryBytes)
        guard firstSlot < endSlot else { return }
        var bytes = buffer.mutableBytes
        for slot in firstSlot..<endSlot {
            format.encodeEntry(entries[slot], slot: slot - firstSlot, into: &bytes)
        }
    }
}

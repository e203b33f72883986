internal import SnapshotModel
internal import VolumeAccess

/// Frames that are written together, so that what they overwrite is preserved in one commit.
struct ReceiveBatch {
    private let receiver: any VolumeReceiver
    private var data: [(offset: Int, bytes: [UInt8])] = []
    private var zeroes: [Range<Int>] = []
    private var byteCount = 0
    /// Where the last frame ends, in bytes of the volume, be it written or not.
    private(set) var end = 0
    /// How much has come that is no hole and no zeroes, in bytes.
    private(set) var written = 0

    /// So many bytes are gathered at most, and so many frames.
    private static let byteMaximum = 16 << 20
    private static let frameMaximum = 4096

    init(_ receiver: any VolumeReceiver) { self.receiver = receiver }

    mutating func add(_ bytes: [UInt8], at offset: Int) throws {
        data.append((offset, bytes))
        end = offset + bytes.count
        written = written.addingClamped(bytes.count)
        try count(bytes.count)
    }

    mutating func add(zeroes range: Range<Int>) throws {
        // What is long has a commit of its own, or needs none.
        guard range.count <= Self.byteMaximum else {
            try flush()
            try receiver.zero(range)
            end = range.upperBound
            return
        }
        zeroes.append(range)
        end = range.upperBound
        try count(range.count)
    }

    private mutating func count(_ bytes: Int) throws {
        byteCount += bytes
        if byteCount >= Self.byteMaximum || data.count + zeroes.count >= Self.frameMaximum {
            try flush()
        }
    }

    mutating func flush() throws {
        guard !data.isEmpty || !zeroes.isEmpty else { return }
        let ranges = data.map { $0.offset..<$0.offset + $0.bytes.count }
        try receiver.prepare(data: ranges, zeroes: zeroes)
        for (offset, bytes) in data { try receiver.write(bytes.span.bytes, at: offset) }
        for range in zeroes { try receiver.zero(range) }
        data.removeAll(keepingCapacity: true)
        zeroes.removeAll(keepingCapacity: true)
        byteCount = 0
    }
}

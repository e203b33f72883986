package import SnapshotModel

/// The numbers of the format of streams; docs/on-disk.md describes it byte by byte.
package enum StreamFormat {
    /// The highest version that is read. It is written where a stream goes on with a snapshot that was cut, and 1 else, so
    /// that older programs read what they can.
    static let newestVersion: UInt32 = 2
    /// What a stream begins with. The first byte is no text, and the line ends are changed by whatever changes
    /// those.
    static let magic: [UInt8] = [0x89, 0x53, 0x4D, 0x53, 0x54, 0x52, 0x0D, 0x0A]
    static let preambleBytes = 16
    static let headingBytes = 32
    /// So much data is in one frame at most.
    package static let frameBytesMaximum = 1 << 20
    /// The longest payload of any record.
    static let payloadBytesMaximum = 2 << 20

    /// The bit of a record, or of a field, that who does not know it may pass over.
    static let skippable: UInt32 = 1
    /// The bit of a frame whose payload is compressed.
    static let compressed: UInt32 = 2

    /// What a record is: four letters, which are its first bytes.
    enum Tag: String, CaseIterable {
        case volume = "VOLU"
        case snapshot = "SNAP"
        case data = "DATA"
        case zeroes = "ZERO"
        case hole = "HOLE"
        case take = "TAKE"
        case done = "DONE"
    }
}

/// How frames are compressed.
package enum StreamCompression: Hashable, Sendable {
    case none
    /// Zstandard, by its level.
    case zstd(level: Int)

    package static let levels = 1...19
    package static let defaultLevel = 1
}

/// The volume that a stream comes from.
package struct StreamVolume: Hashable, Sendable {
    package var uuid: String
    package var name: String
    package var chunkBytes: Int

    package init(uuid: String, name: String, chunkBytes: Int) {
        self.uuid = uuid
        self.name = name
        self.chunkBytes = chunkBytes
    }
}

/// A snapshot that a stream takes for known: its frames hold what has changed since.
package struct StreamBase: Hashable, Sendable {
    package var uuid: String
    package var ordinal: SnapshotOrdinal
    package var takenAt: Timestamp

    package init(uuid: String, ordinal: SnapshotOrdinal, takenAt: Timestamp) {
        self.uuid = uuid
        self.ordinal = ordinal
        self.takenAt = takenAt
    }
}

/// A snapshot in a stream.
package struct StreamSnapshot: Hashable, Sendable {
    package var uuid: String
    /// Where it was taken.
    package var ordinal: SnapshotOrdinal
    package var id: SnapshotID
    package var takenAt: Timestamp
    package var volumeBytes: Int
    package var kind: SnapshotKind
    package var consistency: Consistency
    package var labels: SnapshotLabels
    /// Nil where the frames hold all of the volume.
    package var base: StreamBase?
    /// Where the frames begin, in bytes of the volume, of a snapshot whose receiver has what comes before; else nil.
    package var resumedAt: Int?

    package init(
        uuid: String, ordinal: SnapshotOrdinal, id: SnapshotID, takenAt: Timestamp,
        volumeBytes: Int, kind: SnapshotKind, consistency: Consistency, labels: SnapshotLabels,
        base: StreamBase?
    ) {
        self.uuid = uuid
        self.ordinal = ordinal
        self.id = id
        self.takenAt = takenAt
        self.volumeBytes = volumeBytes
        self.kind = kind
        self.consistency = consistency
        self.labels = labels
        self.base = base
    }
}

/// What of a snapshot a stream has held.
package struct StreamCounts: Hashable, Sendable {
    package var dataFrames: UInt64 = 0
    package var zeroFrames: UInt64 = 0
    package var holeFrames: UInt64 = 0
    /// Bytes of the volume in the frames of data.
    package var dataBytes: UInt64 = 0

    package init() {}
}

/// Takes the bytes of a stream.
package protocol StreamSink: AnyObject {
    /// - Throws: when nobody reads any more, or what is behind it takes no more.
    func write(_ bytes: RawSpan) throws(Problem)
}

/// One behind which somebody may be slow.
package protocol SlowStreamSink: StreamSink {
    /// Is called when a wait is not over in a moment, each time: to let go of what others want meanwhile.
    var beforeWaiting: (() -> Void)? { get set }
}

/// Gives the bytes of a stream.
package protocol StreamSource: AnyObject {
    /// Fills a buffer from its beginning on, with as much as there is just now.
    ///
    /// - Returns: how many bytes; 0 at the end.
    func read(into buffer: inout MutableRawSpan) throws(Problem) -> Int
}

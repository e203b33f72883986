internal import MergeKit
internal import SnapshotModel
internal import VolumeAccess

/// A clone of a snapshot of an image, as one client has it open.
struct ImageCloneContent: ExportContent {
    private let open: OpenClone
    private let onClose: @Sendable () -> Void
    let isWritable: Bool
    let description: String
    let preferredBytes: Int

    /// - Parameter onClose: called when the client has gone.
    init(
        _ open: OpenClone, of record: VolumeRecord,
        onClose: @escaping @Sendable () -> Void
    ) {
        self.open = open
        isWritable = open.isWritable
        self.onClose = onClose
        description = ExportDescription.clone(open.clone.record, of: record.name)
        preferredBytes = record.geometry.chunkBytes
    }

    var byteCount: Int { open.clone.byteCount }
    /// What was trimmed reads as zeroes.
    var canTrim: Bool { true }
    /// A write of the same zeroes would take the same chunks.
    var isZeroFast: Bool { true }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try open.clone.read(into: &buffer, at: offset)
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        try open.clone.write(bytes, at: offset, forceUnitAccess: isDurable)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        try open.clone.zero(range, forceUnitAccess: isDurable)
    }

    func flush() throws(Problem) { try open.clone.flush() }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        try open.clone.extents(in: range, limit: limit)
    }

    func close() {
        open.close()
        onClose()
    }
}

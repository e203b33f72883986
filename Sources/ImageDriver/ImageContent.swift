internal import MergeKit
internal import SnapshotModel
internal import VolumeAccess

/// An image that the engine of this process reads and writes, as one client has it open.
struct ImageContent: ExportContent {
    private let engine: LiveEngine
    let isWritable: Bool
    private let onClose: @Sendable () -> Void
    let byteCount: Int
    let description: String
    let preferredBytes: Int

    /// - Parameter onClose: called when the client has gone.
    init(_ engine: LiveEngine, isWritable: Bool, onClose: @escaping @Sendable () -> Void) {
        let record = engine.record
        self.engine = engine
        self.isWritable = isWritable
        self.onClose = onClose
        byteCount = record.geometry.volumeBytes
        description = ExportDescription.volume(record.name)
        preferredBytes = record.geometry.chunkBytes
    }

    /// What was trimmed reads as zeroes, so that a snapshot taken later has a definite content.
    var canTrim: Bool { true }
    /// A write of the same zeroes would preserve the same chunks.
    var isZeroFast: Bool { true }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try engine.read(into: &buffer, at: offset)
    }

    func write(_ bytes: RawSpan, at offset: Int, isDurable: Bool) throws(Problem) {
        try engine.write(bytes, at: offset, forceUnitAccess: isDurable)
    }

    func zero(_ range: Range<Int>, isDurable: Bool) throws(Problem) {
        try engine.zero(range, forceUnitAccess: isDurable)
    }

    func flush() throws(Problem) { try engine.flush() }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        try engine.extents(in: range, limit: limit)
    }

    func close() { onClose() }
}

/// A snapshot of an image.
struct ImageSnapshotContent: ExportContent {
    private let view: SnapshotView
    private let onClose: @Sendable () -> Void
    let description: String
    let preferredBytes: Int

    /// - Parameter onClose: called when the client has gone.
    init(
        _ view: SnapshotView, of record: VolumeRecord, onClose: @escaping @Sendable () -> Void
    ) {
        self.view = view
        self.onClose = onClose
        description = ExportDescription.snapshot(view.manifest, of: record.name)
        preferredBytes = record.geometry.chunkBytes
    }

    var byteCount: Int { view.byteCount }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try view.read(into: &buffer, at: offset)
    }

    func extents(in range: Range<Int>, limit: Int) throws(Problem) -> [Extent] {
        try view.extents(in: range, limit: limit)
    }

    func close() {
        view.close()
        onClose()
    }
}

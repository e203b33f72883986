internal import FileSystems
internal import SnapshotModel
internal import System
internal import VolumeAccess

/// The bytes of a snapshot, of a clone, or of the volume as it is, through whoever has the volume open.
final class SessionBytes: VolumeBytes {
    private let session: any VolumeSession
    private let snapshot: SnapshotID?
    private let clone: String?
    let byteCount: Int

    /// - Parameters:
    ///   - snapshot: nil is the volume as it is.
    ///   - clone: the name of the clone that is meant, whatever the snapshot is.
    init(
        _ session: any VolumeSession, _ snapshot: SnapshotID?, clone: String? = nil,
        byteCount: Int
    ) {
        self.session = session
        self.snapshot = snapshot
        self.clone = clone
        self.byteCount = byteCount
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        var done = 0
        while done < buffer.byteCount {
            let count = min(buffer.byteCount - done, VolumeContent.countMaximum)
            let content = try content(at: offset + done, count)
            var part = buffer.part(done..<done + count)
            part.copy(from: content.bytes.span.bytes)
            done += count
        }
    }

    /// What is wrong with the reading must not be taken for what is wrong with a file.
    private func content(at offset: Int, _ count: Int) throws(Problem) -> VolumeContent {
        do throws(Problem) {
            guard let clone else { return try session.read(snapshot, at: offset, count: count) }
            return try session.readClone(clone, at: offset, count: count)
        } catch {
            guard error.isOfContent else { throw error }
            throw Problem(.inputOutput, error.message, hint: error.hint)
        }
    }
}

/// A part of other bytes: a partition.
final class BytesPart: VolumeBytes {
    private let whole: any VolumeBytes
    /// Where it begins in the whole.
    let start: Int
    let byteCount: Int

    /// - Parameter range: within the whole.
    init(_ whole: any VolumeBytes, _ range: Range<Int>) {
        self.whole = whole
        start = range.lowerBound
        byteCount = range.count
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try whole.read(into: &buffer, at: start + offset)
    }
}

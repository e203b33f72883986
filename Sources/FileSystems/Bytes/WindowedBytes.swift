package import SnapshotModel
internal import System

/// Bytes that are read in windows, of which those read last are kept; and what was read of them, for those
/// who want to know what an answer depends on. A hostile filesystem cannot have it read without an end.
package final class WindowedBytes: VolumeBytes {
    private let source: any VolumeBytes
    package let byteCount: Int

    /// The windows read lately, and those read before that: so that what is in use stays.
    private var recent: [Int: [UInt8]] = [:]
    private var former: [Int: [UInt8]] = [:]

    private static let windowBytes = 32 << 10
    /// Of each of the two.
    let windowsMaximum: Int
    /// 16 MiB in all.
    package static let usualWindows = 256

    /// The windows that were read of since ``beginTrace()``; nil when nobody wants to know.
    private var traced: Set<Int>?
    /// The same, to the byte.
    package private(set) var tracedRanges: [Range<Int>] = []

    private var readsLeft = WindowedBytes.readsMaximum
    /// One look at one folder or file takes so many at most.
    private static let readsMaximum = 1 << 20

    /// - Parameter windowsMaximum: twice as many windows of 32 KiB are kept at most.
    package init(_ source: any VolumeBytes, windowsMaximum: Int = usualWindows) {
        self.source = source
        self.windowsMaximum = windowsMaximum
        byteCount = source.byteCount
    }

    /// How much is kept, in bytes.
    package var keptBytes: Int { (recent.count + former.count) * Self.windowBytes }

    /// From now on, what is read is noted.
    package func beginTrace() {
        traced = []
        tracedRanges = []
    }

    private func trace(_ range: Range<Int>) {
        guard traced != nil else { return }
        if let last = tracedRanges.last, last.upperBound == range.lowerBound {
            tracedRanges[tracedRanges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            tracedRanges.append(range)
        }
    }

    /// Has what is kept be that of another moment.
    ///
    /// - Parameter changes: what differs in a range, from its beginning on.
    /// - Returns: whether something that was read since ``beginTrace()`` is not what it was.
    package func update(
        _ changes: (Range<Int>) throws -> [(offset: Int, bytes: [UInt8])]
    ) throws -> Bool {
        var kept = former.merging(recent) { $1 }
        var isChanged = false
        for (index, before) in kept {
            let start = index * Self.windowBytes
            let parts = try changes(start..<start + before.count)
            guard !parts.isEmpty else { continue }
            var bytes = before
            for part in parts {
                bytes.replaceSubrange(
                    part.offset..<part.offset + part.bytes.count, with: part.bytes)
            }
            kept[index] = bytes
            if traced?.contains(index) ?? true, bytes != before { isChanged = true }
        }
        (recent, former) = ([:], kept)
        return isChanged
    }

    /// Another look begins, which may take as many reads as each one.
    func beginLook() { readsLeft = Self.readsMaximum }

    package func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let count = buffer.byteCount
        guard count > 0 else { return }
        guard offset >= 0, offset <= byteCount, count <= byteCount - offset else {
            throw Problem(.corrupt, "the filesystem reaches beyond the end of its volume")
        }
        guard readsLeft > 0 else {
            throw Problem(
                .corrupt, "the filesystem is damaged: what describes one of its files has no end")
        }
        readsLeft -= 1
        trace(offset..<offset + count)
        var done = 0
        while done < count {
            let position = offset + done
            let start = position % Self.windowBytes
            let part = min(Self.windowBytes - start, count - done)
            let window = try window(position / Self.windowBytes)
            var target = buffer.part(done..<done + part)
            target.copy(from: window.span.bytes.extracting(start..<start + part))
            done += part
        }
    }

    /// Reads what is not worth keeping: a file's content.
    package func readPast(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        let count = buffer.byteCount
        guard offset >= 0, offset <= byteCount, count <= byteCount - offset else {
            throw Problem(.corrupt, "a file reaches beyond the end of its volume")
        }
        try source.read(into: &buffer, at: offset)
    }

    private func window(_ index: Int) throws(Problem) -> [UInt8] {
        traced?.insert(index)
        if let known = recent[index] { return known }
        let bytes: [UInt8]
        if let known = former[index] { bytes = known } else { bytes = try load(index) }
        if recent.count >= windowsMaximum {
            former = recent
            recent = [:]
        }
        recent[index] = bytes
        return bytes
    }

    private func load(_ index: Int) throws(Problem) -> [UInt8] {
        let start = index * Self.windowBytes
        var bytes = [UInt8](repeating: 0, count: min(Self.windowBytes, byteCount - start))
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        try source.read(into: &span, at: start)
        return bytes
    }
}

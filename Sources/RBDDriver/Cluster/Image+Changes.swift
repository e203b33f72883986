internal import CRBD
internal import Glibc
internal import SnapshotModel

// What is where in an image, and what has changed.
extension Image {
    /// So much of an image is asked about at once where objects must be asked one by one, in bytes.
    private static let windowBytes = 8 << 30
    /// Of fewer bytes, the objects are asked at once: the map of objects is that of the whole image.
    private static let directBytes = 256 << 20
    /// What the map of objects may take longer for each TiB of the image, in milliseconds.
    private static let mapMilliseconds = 1000

    /// What of a range may differ between another snapshot and this one, or the image as it is; ascending.
    ///
    /// - Parameters:
    ///   - from: the older snapshot; nil for the time before anything was written.
    ///   - dataOnly: without what reads as zeroes here.
    ///   - proceed: asked again and again.
    func changes(
        since from: String?, in range: Range<Int>, dataOnly: Bool = false,
        proceed: () throws(Problem) -> Void = { () throws(Problem) in }
    ) throws(Problem) -> [Range<Int>] {
        guard !range.isEmpty else { return [] }
        var found = ByteRanges()
        var parts = [range]
        if range.count > Self.directBytes, try features().contains(.fastDiff) {
            parts = try diff(since: from, in: range, wholeObjects: true, dataOnly: dataOnly)
        }
        for part in parts {
            for window in part.pieces(of: Self.windowBytes) {
                try proceed()
                for extent in try diff(since: from, in: window, dataOnly: dataOnly) {
                    found.append(extent)
                }
            }
        }
        return found.ranges
    }

    private func diff(
        since from: String?, in range: Range<Int>, wholeObjects: Bool = false, dataOnly: Bool
    ) throws(Problem) -> [Range<Int>] {
        let list = ExtentList()
        let what = from.map { "compare it with the snapshot \($0)" } ?? "ask what it holds"
        let work =
            wholeObjects ? (range.count >> 40).multipliedClamped(by: Self.mapMilliseconds) : 0
        try call(what, workMilliseconds: work) { image in
            let (offset, count) = (UInt64(range.lowerBound), UInt64(range.count))
            func ask(_ from: UnsafePointer<CChar>?) -> Int32 {
                snapmgr_rbd_diff(
                    image, from, offset, count, wholeObjects ? 1 : 0, dataOnly ? 1 : 0,
                    &list.first, &list.count)
            }
            return Int64(from.map { $0.withCString(ask) } ?? ask(nil))
        }
        return list.ranges.map { $0.clamped(to: range) }.filter { !$0.isEmpty }
    }
}

/// What the library has allocated for a list of extents.
private final class ExtentList: @unchecked Sendable {
    var first: UnsafeMutablePointer<snapmgr_rbd_extent>?
    var count = 0

    deinit { free(first) }

    var ranges: [Range<Int>] {
        UnsafeBufferPointer(start: first, count: first == nil ? 0 : count).map { extent in
            let start = Int(clamping: extent.offset)
            return start..<start.addingClamped(Int(clamping: extent.count))
        }
    }
}

/// Ranges of bytes, ascending, of which none touches the next one.
struct ByteRanges: Hashable {
    private(set) var ranges: [Range<Int>] = []

    init() {}

    /// Of ranges in any order.
    init(unordered: [Range<Int>]) {
        for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) { append(range) }
    }

    var byteCount: Int { ranges.reduce(0) { $0.addingClamped($1.count) } }

    /// Adds a range that begins at or after the last one's beginning.
    mutating func append(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        guard let last = ranges.last, range.lowerBound <= last.upperBound else {
            ranges.append(range)
            return
        }
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
    }

    /// The chunks that they touch, in a map in which where a chunk lies says nothing.
    func chunkMap(_ geometry: Geometry) -> ChunkMap {
        let chunks = ChunkSet(unordered: ranges.map { geometry.chunks(touching: $0) })
        var map = ChunkMap(capacity: chunks.ranges.count)
        for range in chunks.ranges {
            map.append(
                ChunkRun(origin: range.lowerBound, area: range.lowerBound, count: range.count))
        }
        return map
    }
}

extension Range<Int> {
    /// The shortest range around this one that begins and ends at multiples of a size.
    func widened(toMultiplesOf byteCount: Int) -> Range<Int> {
        let start = lowerBound / byteCount * byteCount
        let end = upperBound.addingClamped(byteCount - 1) / byteCount
        return start..<Swift.max(start, end.multipliedClamped(by: byteCount))
    }

    /// The range in pieces that begin at multiples of a size, each no longer than that.
    func pieces(of byteCount: Int) -> some Sequence<Range<Int>> {
        sequence(state: lowerBound) { position -> Range<Int>? in
            guard position < upperBound else { return nil }
            let end = Swift.min(
                upperBound, (position / byteCount + 1).multipliedClamped(by: byteCount))
            defer { position = end }
            return position..<end
        }
    }
}

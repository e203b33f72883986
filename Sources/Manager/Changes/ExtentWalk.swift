internal import SnapshotModel
internal import VolumeAccess

/// The extents of a snapshot within ranges of it, asked for in as few requests as may be.
struct ExtentWalk {
    private let session: any VolumeSession
    private let id: SnapshotID
    private let volumeBytes: Int
    /// Consecutive ones, as whoever has the volume open told them last.
    private var known: ArraySlice<Extent> = []
    /// What is not passed on yet: it may go on.
    private var pending: ChangedExtent?

    /// Of so many bytes extents are asked for at once: where it costs to find them, not of all of a large volume.
    private static let windowBytes = 16 << 30

    init(_ session: any VolumeSession, _ id: SnapshotID, volumeBytes: Int) {
        (self.session, self.id, self.volumeBytes) = (session, id, volumeBytes)
    }

    /// - Parameters:
    ///   - ranges: ascending, within the snapshot.
    ///   - body: gets extents, ascending, each as long as it can be.
    mutating func forEach(
        in ranges: [Range<Int>], _ body: (ChangedExtent) throws -> Void
    ) throws {
        for range in ranges {
            var position = range.lowerBound
            while position < range.upperBound {
                let extent = try extent(at: position)
                let part = extent.range.clamped(to: position..<range.upperBound)
                try pass(ChangedExtent(part, isZero: extent.isHole), body)
                position = part.upperBound
            }
        }
        if let pending { try body(pending) }
        pending = nil
    }

    private mutating func extent(at position: Int) throws -> Extent {
        known = known.drop { $0.range.upperBound <= position }
        if let extent = known.first { return extent }
        let end = min(volumeBytes, position.addingClamped(Self.windowBytes))
        known = try session.extents(id, in: position..<end)[...]
        return known.first ?? Extent(range: position..<end, isHole: false)
    }

    private mutating func pass(
        _ extent: ChangedExtent, _ body: (ChangedExtent) throws -> Void
    ) throws {
        guard let last = pending, last.isZero == extent.isZero,
            last.range.upperBound == extent.range.lowerBound
        else {
            if let pending { try body(pending) }
            pending = extent
            return
        }
        pending?.range = last.range.lowerBound..<extent.range.upperBound
    }
}

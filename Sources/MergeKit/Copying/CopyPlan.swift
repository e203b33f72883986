package import System

/// One run of a copy plan: where the bytes come from and where they go. Offsets and lengths in
/// bytes.
package struct CopyRun: Sendable {
    package var source: any BlockDevice
    package var destination: any BlockDevice
    package var range: CopyRange
    /// Whether the destination is known to read as zeroes there, so that a hole needs no work.
    package var isDestinationZero: Bool

    package init(
        source: any BlockDevice, destination: any BlockDevice, range: CopyRange,
        isDestinationZero: Bool
    ) {
        self.source = source
        self.destination = destination
        self.range = range
        self.isDestinationZero = isDestinationZero
    }

    /// This run and the next as one, when the next continues it on both sides.
    func joined(with next: CopyRun) -> CopyRun? {
        guard source === next.source, destination === next.destination,
            isDestinationZero == next.isDestinationZero,
            range.sourceOffset + range.byteCount == next.range.sourceOffset,
            range.destinationOffset + range.byteCount == next.range.destinationOffset
        else { return nil }
        var result = self
        result.range.byteCount += next.range.byteCount
        return result
    }

    /// The part from `start` on, of `count` bytes.
    func part(from start: Int, count: Int) -> CopyRun {
        var result = self
        result.range = CopyRange(
            sourceOffset: range.sourceOffset + start,
            destinationOffset: range.destinationOffset + start, byteCount: count)
        return result
    }
}

/// What a copy did.
package struct CopyReport: Hashable, Sendable {
    /// Bytes of the plan that are done, holes included.
    package var doneBytes = 0
    /// Bytes that were moved through memory.
    package var movedBytes = 0
    /// Bytes whose extents the filesystem shares.
    package var sharedBytes = 0
    /// Bytes that were zeroes or holes, and stay holes.
    package var zeroBytes = 0

    package init() {}

    package mutating func add(_ other: CopyReport) {
        doneBytes += other.doneBytes
        movedBytes += other.movedBytes
        sharedBytes += other.sharedBytes
        zeroBytes += other.zeroBytes
    }
}

/// How copies are made.
package struct CopyOptions: Hashable, Sendable {
    /// Threads that copy at once when a plan is large; 0 or 1: the calling thread alone.
    package var workerCount: Int
    /// The bytes of one piece of work. With the workers it bounds what is in flight.
    package var segmentBytes: Int
    /// Plans up to this many bytes are copied by the calling thread: no thread starts for a write.
    package var inlineBytes: Int
    /// Zeroes become holes in whole units of so many bytes, counted from the beginning of a stretch
    /// of data: a chunk, in an engine.
    package var zeroUnitBytes: Int

    package init(
        workerCount: Int = 4, segmentBytes: Int = 1 << 20, inlineBytes: Int = 2 << 20,
        zeroUnitBytes: Int = 4096
    ) {
        self.workerCount = workerCount
        self.segmentBytes = segmentBytes
        self.inlineBytes = inlineBytes
        self.zeroUnitBytes = zeroUnitBytes
    }
}

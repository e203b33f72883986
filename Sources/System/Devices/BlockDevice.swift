/// An array of bytes that outlives a power cut once it was synced: a file, a block device, or the
/// crash simulator's. All calls block, and may come from any thread.
package protocol BlockDevice: AnyObject, Sendable {
    /// Names the device in messages.
    var path: String { get }

    /// The present size in bytes.
    func byteCount() throws(IOFailure) -> Int

    /// The bytes that the device occupies where it is stored; at most its size, less with holes.
    func allocatedBytes() throws(IOFailure) -> Int

    /// Fills the buffer from `offset` on. What lies behind the device's end reads as zeroes.
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(IOFailure)

    /// Writes all bytes at `offset`. Durable only after ``sync()``.
    func write(_ bytes: RawSpan, at offset: Int) throws(IOFailure)

    /// Makes a range read as zeroes, and frees its space where that is possible.
    func punch(_ range: Range<Int>) throws(IOFailure)

    /// Returns when everything that was written before is durable.
    func sync() throws(IOFailure)

    /// Returns when what was written to a range before is durable; of the rest nothing is said.
    ///
    /// - Parameter range: begins and ends with a page's, 4096 bytes.
    func sync(_ range: Range<Int>) throws(IOFailure)

    /// Cuts or extends (with zeroes) a file.
    func resize(to byteCount: Int) throws(IOFailure)

    /// The first stretch of `range` that may hold other bytes than zeroes; nil when it is one hole.
    func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>?

    /// Copies within the kernel or the filesystem; false, with nothing done, when this pair of
    /// devices cannot do it that way.
    func copyRange(
        _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
    )
        throws(IOFailure) -> Bool

    /// The device's size and time of change; nil where they say nothing (a block device).
    func stamp() throws(IOFailure) -> OriginStamp?

    /// Reserves space for a range, so that writing to it cannot fail for want of space; a hint.
    func allocate(_ range: Range<Int>) throws(IOFailure)

    /// As ``allocate(_:)``; false where nobody knows whether the space is there, or there is none. What was a
    /// hole reads as zeroes still.
    func reserve(_ range: Range<Int>) throws(IOFailure) -> Bool

    /// Asks that written bytes of a range begin to move to the disk; a hint.
    func startWriteback(of range: Range<Int>)
}

/// One contiguous copy, in bytes.
package struct CopyRange: Hashable, Sendable {
    package var sourceOffset: Int
    package var destinationOffset: Int
    package var byteCount: Int

    package init(sourceOffset: Int, destinationOffset: Int, byteCount: Int) {
        self.sourceOffset = sourceOffset
        self.destinationOffset = destinationOffset
        self.byteCount = byteCount
    }
}

/// The ways to copy bytes between two devices, cheapest first.
package enum CopyMethod: Int, Sendable, CaseIterable, Comparable {
    /// The filesystem shares the extents; no byte moves.
    case reflink
    /// The kernel copies from page cache to page cache.
    case copyFileRange
    /// Through a buffer of ours.
    case readWrite

    package static func < (left: CopyMethod, right: CopyMethod) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension BlockDevice {
    package func copyRange(
        _ request: CopyRange, from source: any BlockDevice, by method: CopyMethod
    ) throws(IOFailure) -> Bool { false }

    package func startWriteback(of range: Range<Int>) {}

    package func sync(_ range: Range<Int>) throws(IOFailure) { try sync() }

    package func stamp() throws(IOFailure) -> OriginStamp? { nil }

    package func allocate(_ range: Range<Int>) throws(IOFailure) {}

    package func reserve(_ range: Range<Int>) throws(IOFailure) -> Bool { false }

    package func firstData(in range: Range<Int>) throws(IOFailure) -> Range<Int>? {
        range.isEmpty ? nil : range
    }
}

package import SnapshotModel

/// Where a scrub of a volume's areas stands: all areas before this one are done.
package struct ScrubPosition: Hashable, Sendable, Codable {
    /// The snapshot whose area is read.
    package var ordinal: SnapshotOrdinal
    /// The seal by which it is read, by its checksums; when that is another one by now, the area is read again.
    package var seal: UInt64
    /// The window of its map, by the place of its first exception.
    package var window: Int
    /// The next chunk of the area.
    package var place: Int

    package init(ordinal: SnapshotOrdinal, seal: UInt64 = 0, window: Int = 0, place: Int = 0) {
        self.ordinal = ordinal
        self.seal = seal
        self.window = window
        self.place = place
    }
}

/// How many areas a scrub has looked at, and of what kind they were.
package struct ScrubCounts: Hashable, Sendable, Codable {
    /// Areas all of which was compared: they are as they were sealed, or it is told what is not.
    package var sealed = 0
    /// Areas that have no seal yet, and were read alone.
    package var unsealed = 0
    /// Sealed ones of which a part had been there for long.
    package var late = 0
    /// The bytes that were read.
    package var bytes = 0

    package init() {}
}

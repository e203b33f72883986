package import SnapshotModel

/// What the growing areas of a volume had taken at a moment, and what they could still take.
package struct RoomReading: Hashable, Sendable {
    /// One area that grows.
    package struct Area: Hashable, Sendable {
        /// Whose area it is.
        package var ordinal: SnapshotOrdinal
        /// What the kernel has used, metadata included.
        package var usedBytes: Int
        /// What is allocated to the area's file behind that: the kernel gets it whatever else fills
        /// the store.
        package var reservedBytes: Int
        /// What the kernel could use if the store had it; an area of the whole volume never needs
        /// more.
        package var leftBytes: Int

        package init(
            ordinal: SnapshotOrdinal, usedBytes: Int, reservedBytes: Int, leftBytes: Int
        ) {
            self.ordinal = ordinal
            self.usedBytes = usedBytes
            self.reservedBytes = reservedBytes
            self.leftBytes = leftBytes
        }
    }

    /// Those that grow, the oldest first.
    package var areas: [Area] = []
    /// What the store's filesystem has free, in bytes.
    package var freeBytes: Int
    /// The kernel has given a snapshot up, and nobody has noted it yet.
    package var hasLostSnapshots = false
    /// The kernel merges.
    package var isMerging = false
    /// The kernel has ended a merge, and nobody has noted it yet.
    package var hasEndedMerge = false

    package init(freeBytes: Int) { self.freeBytes = freeBytes }

    /// Whether so much of what was reserved for an area is used up that more is to be reserved.
    package func isShort(_ area: Area) -> Bool {
        let headroom = Self.headroom(leftBytes: area.leftBytes, freeBytes: freeBytes)
        return area.reservedBytes < headroom / 2
    }

    /// What is reserved ahead at most, in bytes.
    package static let headroomBytes = 64 << 20

    /// The part of the store's free space that one area may reserve.
    private static let freeShare = 4

    /// How many bytes are to be reserved behind the used ones of an area that can still take
    /// `leftBytes`, in a store with so many free: fewer near the area's end, and when it runs low.
    package static func headroom(leftBytes: Int, freeBytes: Int) -> Int {
        max(0, min(leftBytes, headroomBytes, freeBytes / freeShare))
    }

    /// The bytes that an area can take before the kernel gives its snapshot up.
    package func room(of area: Area) -> Int {
        let (sum, isTooMuch) = area.reservedBytes.addingReportingOverflow(freeBytes)
        return isTooMuch ? area.leftBytes : min(area.leftBytes, sum)
    }
}

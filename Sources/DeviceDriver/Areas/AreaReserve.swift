internal import BlockIO
internal import MergeKit
internal import SnapshotModel

/// The space that is reserved in the file of an area that grows, behind what the kernel has used.
struct AreaReserve {
    /// The store, whose filesystem gives the space.
    let folder: any Folder

    /// What is reserved ahead at most, in bytes.
    static let headroomBytes = 64 << 20

    /// The part of the store's free space that one area may reserve.
    private static let freeShare = 4

    /// Reserves space behind the used bytes, as far as the store has it. That it has none is no
    /// failure here: the policy for a full store is somebody else's.
    func reserve(_ area: any BlockDevice, usedBytes: Int) throws(Problem) {
        try doing { () throws(IOFailure) in
            let wanted = try headroom(area, usedBytes: usedBytes)
            let start = usedBytes / Geometry.sectorBytes * Geometry.sectorBytes
            guard wanted > 0 else { return }
            do throws(IOFailure) { try area.allocate(start..<start + wanted) } catch {
                guard error.isNoSpace else { throw error }
            }
        }
    }

    /// Reserves again what the kernel has used up, once that is half.
    func refill(_ area: any BlockDevice, usedBytes: Int) throws(Problem) {
        let isShort = try doing { () throws(IOFailure) in
            try area.allocatedBytes() < usedBytes + headroom(area, usedBytes: usedBytes) / 2
        }
        if isShort { try reserve(area, usedBytes: usedBytes) }
    }

    /// How many bytes are to be reserved behind the used ones: fewer near the area's end, and when the
    /// store runs low.
    func headroom(_ area: any BlockDevice, usedBytes: Int) throws(IOFailure) -> Int {
        Self.headroom(
            leftBytes: try area.byteCount() - usedBytes, freeBytes: try folder.freeBytes())
    }

    /// The same of an area that can still take `leftBytes`, in a store with so many free.
    static func headroom(leftBytes: Int, freeBytes: Int) -> Int {
        max(0, min(leftBytes, headroomBytes, freeBytes / freeShare))
    }
}

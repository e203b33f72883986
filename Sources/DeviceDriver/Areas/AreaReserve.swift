internal import System
internal import SnapshotModel
internal import VolumeAccess

/// The space that is reserved in the file of an area that grows, behind what the kernel has used.
struct AreaReserve {
    /// The store, whose filesystem gives the space.
    let folder: any Folder

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

    func headroom(_ area: any BlockDevice, usedBytes: Int) throws(IOFailure) -> Int {
        RoomReading.headroom(
            leftBytes: try area.byteCount() - usedBytes, freeBytes: try folder.freeBytes())
    }
}

internal import System
internal import DeviceMapper
internal import StoreFormat
package import SnapshotModel
internal import VolumeAccess

// Space for the areas that grow, kept ahead of the kernel: an area that finds none is invalidated.
extension DeviceVolume {
    private var areaReserve: AreaReserve { AreaReserve(folder: store.folder) }

    /// Reserves space in the area's file behind its used bytes, as far as the store has it.
    func reserve(_ area: any BlockDevice, usedBytes: Int) throws(Problem) {
        try areaReserve.reserve(area, usedBytes: usedBytes)
    }

    /// Writes zeroes to a part of what is reserved in an area that the kernel has not seen yet: the
    /// filesystem below notes where each reserved block is first written, and commits that to its
    /// journal at every flush, of which each exception makes one. In an area that the kernel writes,
    /// nobody else may.
    ///
    /// The part is what the last area took, and half as much again: volumes of which little is
    /// changed between two snapshots do not pay for those of which much is.
    func writeAhead(_ area: any BlockDevice) throws(Problem) {
        let last = try state.active.map { manifest throws(Problem) in
            try usedBytes(of: manifest) / 2 * 3
        }
        try doing { () throws(IOFailure) in
            let wanted = max(last ?? RoomReading.headroomBytes, Self.leastWrittenBytes)
            let start = state.format.offset(of: AreaFormat.firstDataChunk)
            let end = min(wanted, try areaReserve.headroom(area, usedBytes: 0))
            // A store that is nearly full has no room for it.
            guard start < end else { return }
            do throws(IOFailure) {
                try writeZeroes(area, start..<end)
            } catch {
                guard error.isNoSpace else { throw error }
            }
        }
    }

    private static let leastWrittenBytes = 4 << 20
    private static let pieceBytes = 1 << 20

    private func writeZeroes(
        _ area: any BlockDevice, _ range: Range<Int>
    ) throws(IOFailure) {
        let zeroes = AlignedBuffer(count: Self.pieceBytes)
        var start = range.lowerBound
        while start < range.upperBound {
            let count = min(Self.pieceBytes, range.upperBound - start)
            try area.write(zeroes.bytes.extracting(0..<count), at: start)
            start += count
        }
        try area.sync()
    }

    func reserve(_ manifest: SnapshotManifest) throws(Problem) {
        let used = try usedBytes(of: manifest)
        try reserve(store.openArea(manifest.ordinal, writable: true), usedBytes: used)
    }

    /// Reserves again what the kernel has used up, once that is half.
    func refill() throws(Problem) {
        for manifest in [state.active, state.second].compactMap({ $0 }) {
            try areaReserve.refill(
                store.openArea(manifest.ordinal, writable: true),
                usedBytes: usedBytes(of: manifest))
        }
    }

    /// Reserves what a merge of `plan` will need, so that it cannot run out of space half-way: the
    /// kernel would give up every snapshot, or the volume itself, and could not be made to wait.
    ///
    /// The area of `ordinal` must take each chunk that the merge overwrites and that is not in `kept`.
    /// The overlay must take, at worst, each that users write before it is merged; its file is made
    /// later, so here is only looked whether there is room for it.
    func reserveForMerge(
        of plan: SourceMap, preservedIn ordinal: SnapshotOrdinal, keeping kept: ChunkMap
    ) throws(Problem) {
        let format = state.format
        let area = try store.openArea(ordinal, writable: true)
        let preserved = plan.chunks.subtracting(kept.chunks).count
        let layout = SyntheticLayout(plan: plan, format: format)
        let overlayBytes = format.fullCoverageBytes(chunkCount: layout.chunkCount)
        let noRoom = Problem(
            .noSpace,
            "the store of volume \(record.name) has no room for this revert: its merge takes up to "
                + "\(ByteCount(preserved * format.chunkBytes + overlayBytes))",
            hint: "free space there, or delete snapshots with \(.delete)")
        let free: Int
        do throws(IOFailure) {
            // The chunks that are there, and those to come, in the order of their allocation.
            let wanted = format.fullCoverageBytes(chunkCount: kept.count + preserved)
            try area.allocate(0..<min(try area.byteCount(), wanted))
            free = try store.folder.freeBytes()
        } catch {
            throw error.isNoSpace ? noRoom : Problem(error)
        }
        guard free >= overlayBytes else { throw noRoom }
    }

    /// Gives the snapshot that grows up, and with it all older ones: its area takes no exceptions any
    /// more, and the volume goes on. What the kernel does with one for which it finds no room, but
    /// before it comes to that, and without filling the store to its last byte.
    ///
    /// - Returns: the snapshot; nil when none grows.
    package func giveUpSnapshots() throws(Problem) -> SnapshotID? {
        guard try stack.isActive(), let active = state.active else { return nil }
        // First: a snapshot that is not attached any more misses what is written.
        try store.writeMark(StoreLayout.brokenMark(active.ordinal))
        try reload()
        try tidy()
        return active.id
    }

    private func usedBytes(of manifest: SnapshotManifest) throws(Problem) -> Int {
        guard case .usage(let allocated, _, _) = try stack.status(.snapshot(manifest.ordinal))
        else { return 0 }
        return allocated * Geometry.sectorBytes
    }

    /// Frees what was reserved in an area that grows no more. Best effort: it only costs space.
    func freeTail(_ ordinal: SnapshotOrdinal) {
        guard let manifest = state.manifest(ordinal), let map = try? map(of: manifest),
            let area = try? store.openArea(ordinal, writable: true),
            let size = try? area.byteCount()
        else { return }
        let format = state.format
        let last = map.runs.map { $0.area.advanced(by: $0.count - 1) }.max()
        let next = last.map { format.dataChunk(after: $0) } ?? AreaFormat.firstDataChunk
        // A full metadata block is followed by an empty one, which ends the list.
        let end = min(size, format.offset(of: next.advanced(by: 1)))
        if end < size { try? area.punch(end..<size) }
    }
}

internal import System
package import SnapshotModel

/// What areas occupy, and how that is given back.
extension Store {
    /// The bytes that all areas occupy.
    package func areaBytes() throws(Problem) -> Int {
        var total = 0
        for ordinal in try snapshotFolders() {
            guard let device = try? openArea(ordinal, writable: false) else { continue }
            total = total.addingClamped(
                try doing { () throws(IOFailure) in try device.allocatedBytes() })
        }
        for ordinal in try cloneFolders() {
            guard let device = try? openCloneArea(ordinal, writable: false) else { continue }
            total = total.addingClamped(
                try doing { () throws(IOFailure) in try device.allocatedBytes() })
        }
        return total
    }

    /// Of the filesystem that the store is on, for this user.
    package func freeBytes() throws(Problem) -> Int {
        try doing { () throws(IOFailure) in try folder.freeBytes() }
    }

    /// Frees the chunks of an area that hold exceptions of `chunks`, and needs no space for it.
    ///
    /// - Parameter map: of the area.
    /// - Returns: the bytes of the exceptions that went, and those that the filesystem got back.
    package func punch(
        _ chunks: ChunkSet, of ordinal: SnapshotOrdinal, _ map: ChunkMap, _ format: AreaFormat
    ) throws(Problem) -> (punchedBytes: Int, freedBytes: Int) {
        guard !chunks.isEmpty else { return (0, 0) }
        let device = try openArea(ordinal, writable: true)
        return try doing { () throws(IOFailure) -> (Int, Int) in
            let before = try device.allocatedBytes()
            var punched = 0
            for range in chunks.ranges {
                var index = map.firstRun(endingAfter: range.lowerBound)
                while index < map.runs.count, map.runs[index].origin < range.upperBound {
                    let run = map.runs[index].clamped(to: range)
                    let start = format.offset(of: run.area)
                    let bytes = start..<start + run.count * format.chunkBytes
                    if try device.firstData(in: bytes) != nil {
                        try device.punch(bytes)
                        punched += bytes.count
                    }
                    index += 1
                }
            }
            // An area that grows meanwhile may occupy more than before.
            return try (punched, max(0, before - device.allocatedBytes()))
        }
    }

    /// Removes snapshots whose areas are garbage as a whole.
    ///
    /// - Parameter onRemoved: gets each that is gone, and the bytes that its area occupied.
    package func removeCollected(
        _ ordinals: [SnapshotOrdinal], onRemoved: (SnapshotOrdinal, Int) -> Void
    ) throws(Problem) {
        var bytes: [SnapshotOrdinal: Int] = [:]
        for ordinal in ordinals {
            // An area that cannot be opened goes all the same; what it occupied is not known.
            let area = try? openArea(ordinal, writable: false)
            bytes[ordinal] = (try? area?.allocatedBytes()) ?? 0
        }
        try removeSnapshots(ordinals) { onRemoved($0, bytes[$0] ?? 0) }
    }
}

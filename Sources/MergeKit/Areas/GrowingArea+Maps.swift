package import SnapshotModel
internal import StoreFormat
internal import System

// Maps of what an area that still grows has.
extension GrowingArea {
    /// The committed entries as a chunk map.
    package func chunkMap() -> ChunkMap {
        let parts = parts(after: 0)
        // Room that is not used takes no memory.
        var map = ChunkMap(capacity: parts.entryCount)
        for part in parts {
            EntryRuns(part).forEach { map.append($0) }
        }
        return map
    }

    /// The committed entries as a source map.
    ///
    /// - Parameter known: what this said before: only what came since is sorted.
    func sourceMap(extending known: SourceMap = SourceMap()) -> SourceMap {
        let parts = parts(after: known.count)
        var map = SourceMap(capacity: parts.entryCount)
        for part in parts {
            EntryRuns(part).forEach { run in
                map.append(
                    SourceRun(
                        origin: run.origin, count: run.count, ordinal: ordinal, area: run.area))
            }
        }
        return known.extended(by: map)
    }

    private func parts(after first: Int) -> EntryParts {
        EntryParts(first..<max(first, entryCount)) { [self] places, body in
            // Others append to the array as soon as the lock is free.
            monitor.withLock {
                for entry in state.committed.entries.dropFirst(places.lowerBound)
                    .prefix(places.count)
                { body(entry) }
            }
        }
    }
}

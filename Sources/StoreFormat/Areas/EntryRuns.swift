package import SnapshotModel

/// The entries of an area as runs, which are as long as they can be: what maps are made of, without a
/// second list of them.
package struct EntryRuns {
    private let entries: [AreaEntry]

    /// - Parameter entries: ascending by their chunks of the origin, none of which is there twice.
    package init(_ entries: [AreaEntry]) { self.entries = entries }

    var count: Int {
        var count = 0
        forEach { _ in count += 1 }
        return count
    }

    /// Calls for each run, ascending.
    package func forEach(_ body: (ChunkRun) -> Void) {
        guard let first = entries.first else { return }
        var run = ChunkRun(origin: first.origin, area: first.area, count: 1)
        for entry in entries.dropFirst() {
            let next = ChunkRun(origin: entry.origin, area: entry.area, count: 1)
            if run.isContinued(by: next) {
                run.count += 1
            } else {
                body(run)
                run = next
            }
        }
        body(run)
    }
}

extension ChunkMap {
    /// - Parameter entries: ascending by their chunks of the origin, none of which is there twice.
    package init(ascending entries: [AreaEntry]) {
        let runs = EntryRuns(entries)
        var map = ChunkMap(capacity: runs.count)
        runs.forEach { map.append($0) }
        self = map
    }
}

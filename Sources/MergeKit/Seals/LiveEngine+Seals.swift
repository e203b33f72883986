package import SnapshotModel
internal import StoreFormat
internal import System

// Seals of frozen areas: made in the background, and made anew by a fold of what is known to be right.
extension LiveEngine {
    /// Goes on with the seals of frozen areas. Snapshots, reads and writes go on; no area goes meanwhile.
    ///
    /// - Parameter byteLimit: how much is read at most.
    /// - Returns: whether there may be more; false also where the store has too little room.
    /// - Throws: when an area cannot be read, or a seal not be written.
    package func sealStep(byteLimit: Int) throws(Problem) -> Bool {
        guard let seals else { return false }
        return try collecting.during { () throws(Problem) in
            try checkOpen()
            // Between barriers: an area that has just frozen may grow again when one is rolled back.
            let chain = chainLock.during { self.chain }
            return try seals.step(record, chain, library, byteLimit: byteLimit)
        }
    }

    /// Follows a fold: what is moved is compared with the seals of the areas that it comes from before it is copied,
    /// and its sums go with it.
    final class FoldWatch {
        private let engine: LiveEngine
        private let target: SnapshotManifest
        private let begun: FoldSeal?
        private var sources: [SnapshotOrdinal: SealedSums?] = [:]
        private var moved: [ChunkIndex: UInt64] = [:]
        private var areUnsealed = false

        /// - Throws: `corrupt` when the area that takes over is not what was sealed.
        init(_ engine: LiveEngine, _ target: SnapshotManifest) throws(Problem) {
            self.engine = engine
            self.target = target
            begun = try engine.seals?.beginGrowth(
                of: target, engine.record, engine.library.read(target))
        }

        /// Reads what is about to be moved.
        ///
        /// - Parameter runs: of the area of a deleted snapshot.
        /// - Throws: `corrupt` when it is not what was sealed there.
        func look(
            at runs: [ChunkRun], of source: SnapshotManifest
        ) throws(Problem) {
            guard let seals = engine.seals else { return }
            let sealed: SealedSums?
            if let known = sources[source.ordinal] {
                sealed = known
            } else {
                sealed = try seals.sums(of: source, engine.record, engine.library)
                sources[source.ordinal] = .some(sealed)
            }
            // Without either there is nothing to compare with, and nothing to note.
            guard sealed != nil || begun != nil, let map = ChunkMap(unordered: runs) else { return }
            var reader = AreaSums(try engine.library.device(source.ordinal), engine.format, map)
            while reader.beginWindow() {
                let start = reader.window.lowerBound
                var sums = [UInt64?](repeating: nil, count: reader.window.count)
                while reader.place != nil { _ = reader.step { sums[$0 - start] = $1 } }
                var cursor = MapCursor(map)
                for sum in sums {
                    guard let origin = cursor.next() else { break }
                    try note(origin, sum, sealed?.sum(of: origin), source)
                }
            }
        }

        private func note(
            _ origin: ChunkIndex, _ sum: UInt64?, _ sealed: UInt64?, _ source: SnapshotManifest
        ) throws(Problem) {
            guard let sum, sealed == nil || sum == sealed else {
                throw Problem(
                    .corrupt,
                    "the area of the deleted snapshot \(source.id) of volume "
                        + "“\(engine.record.name)” is not what was sealed: nothing is moved from it",
                    hint:
                        "run \(.check(engine.record.name, readsData: true)) to see what can be done"
                )
            }
            // Behind the volume's end the last chunk of an area is anything: of it the bytes are summed as they
            // lie in the area that takes them over, which is done in the background.
            let geometry = engine.geometry
            guard origin.rawValue < geometry.volumeBytes / geometry.chunkBytes else { return }
            moved[origin] = sum
            if sealed == nil { areUnsealed = true }
        }

        /// The fold has ended, or a part of it.
        func end() {
            guard let begun, let seals = engine.seals else { return }
            seals.endGrowth(
                of: target, engine.record, begun, moved: moved, areUnsealed: areUnsealed)
        }
    }
}

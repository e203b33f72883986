internal import System
package import SnapshotModel

/// A revert that the store has, and how far its merge is.
package struct RunningRevert: Equatable, Sendable {
    /// What it is.
    package let record: RevertRecord
    /// How far its merge is.
    package let phase: Phase
    /// What its merge is held back by; none where none were set, or they cannot be read.
    package let limits: MergeLimits
    /// The chunks that the journal names: 0 under device-mapper, where the kernel alone knows; nil
    /// when the journal is damaged. Of ``RevertRecord/planChunkCount``.
    package let mergedChunks: Int?

    /// In the order in which a merge passes them.
    package enum Phase: Comparable, Sendable {
        /// It counts, but its merge has never run: nothing of the origin has changed.
        case committed
        /// Some of it may be merged.
        case begun
        /// Some of it may be merged, and no more shall be until it is resumed.
        case paused
        /// All of it is merged.
        case merged
    }

    /// The files beside its record that say how far it is, under device-mapper.
    package struct Marks: Sendable {
        /// The kernel may have merged some of it.
        package var isBegun = false
        /// The kernel shall merge no more of it.
        package var isPaused = false
        /// The kernel has merged all of it.
        package var isMerged = false

        package init() {}
    }

    package init(
        _ record: RevertRecord, marks: Marks = Marks(), limits: MergeLimits, mergedChunks: Int?
    ) {
        self.record = record
        self.limits = limits
        self.mergedChunks = mergedChunks
        // A journal that cannot be read may name anything.
        let hasMerged = mergedChunks != 0
        let isWhole = hasMerged && mergedChunks ?? 0 >= record.planChunkCount
        phase =
            if marks.isMerged || isWhole {
                .merged
            } else if marks.isBegun {
                marks.isPaused ? .paused : .begun
            } else if limits.isPaused {
                .paused
            } else {
                hasMerged ? .begun : .committed
            }
    }
}

extension Store {
    /// The record of the running revert, which is the one with the highest id that has a record; nil
    /// when there is none.
    package func runningRevert() throws(Problem) -> RevertRecord? {
        var last: RevertID?
        while true {
            let ids = try revertFolders()
            for id in ids.reversed() {
                if let record = try revert(id) { return record }
            }
            // What ended since the list was made may have a successor, which has a higher id.
            guard let newest = ids.last, newest != last else { return nil }
            last = newest
        }
    }

    /// How far a revert is, as its folder says.
    func progress(
        of record: RevertRecord, _ geometry: Geometry
    ) throws(Problem) -> RunningRevert {
        var marks = RunningRevert.Marks()
        marks.isMerged = try exists(StoreLayout.mergedMark(record.id))
        marks.isBegun = try exists(StoreLayout.begunMark(record.id))
        marks.isPaused = try exists(StoreLayout.pausedMark(record.id))
        let mergedChunks: Int?
        do throws(Problem) {
            mergedChunks = try self.mergedChunks(of: record.id, geometry).count
        } catch {
            guard error.isDamage else { throw error }
            mergedChunks = nil
        }
        // A merge is right with any limits.
        let limits = (try? mergeLimits(record.id)) ?? MergeLimits()
        return RunningRevert(record, marks: marks, limits: limits, mergedChunks: mergedChunks)
    }

    /// The chunks that a revert's journal names.
    func mergedChunks(of id: RevertID, _ geometry: Geometry) throws(Problem) -> ChunkSet {
        let device = try doing { () throws(IOFailure) in
            try folder.openFile(StoreLayout.journal(id), writable: false)
        }
        return try MergeJournal.open(
            on: device, isWritable: false, revert: id, chunkBytes: geometry.chunkBytes,
            chunkCount: geometry.chunkCount
        ).merged
    }
}

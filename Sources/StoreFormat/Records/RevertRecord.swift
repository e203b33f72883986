package import SnapshotModel

/// A revert in progress: the content of `revert.json`. The plan is not in it, for it follows from
/// the areas: the overlay of those from the target to the safety snapshot, without what the journal
/// names.
package struct RevertRecord: Hashable, Sendable, Codable {
    /// In ascending order of their beginning; the running one has the highest.
    package var id: RevertID
    /// The snapshot that the volume reads as.
    package var target: SnapshotOrdinal
    /// The same by its id, for people.
    package var targetID: SnapshotID
    /// The snapshot whose area takes what the merge overwrites: the newest at the revert.
    package var safety: SnapshotOrdinal
    /// The safety snapshot by its id, for people.
    package var safetyID: SnapshotID
    /// Whether the revert took the safety snapshot itself.
    package var tookSafetySnapshot: Bool
    /// The exceptions that the safety snapshot's area had at the revert: they belong to the plan,
    /// later ones do not.
    package var safetyEntryCount: Int
    /// How many chunks differ, and are to be copied.
    package var planChunkCount: Int
    /// When it was committed.
    package var startedAt: Timestamp
    /// Under device-mapper: what some of the chunks that the merge will overwrite held on the origin.
    package var overwrittenSums: [ChunkSum]?

    package init(
        id: RevertID, target: SnapshotOrdinal, targetID: SnapshotID, safety: SnapshotOrdinal,
        safetyID: SnapshotID, tookSafetySnapshot: Bool, safetyEntryCount: Int,
        planChunkCount: Int, startedAt: Timestamp, overwrittenSums: [ChunkSum]? = nil
    ) {
        self.id = id
        self.target = target
        self.targetID = targetID
        self.safety = safety
        self.safetyID = safetyID
        self.tookSafetySnapshot = tookSafetySnapshot
        self.safetyEntryCount = safetyEntryCount
        self.planChunkCount = planChunkCount
        self.startedAt = startedAt
        self.overwrittenSums = overwrittenSums
    }
}

extension RevertRecord {
    /// What in it no snapmgr has written; nil when there is nothing.
    var flaw: String? {
        let counts = 0...Geometry.volumeBytesMaximum / Geometry.sectorBytes
        guard counts.contains(planChunkCount), counts.contains(safetyEntryCount) else {
            return "it names more chunks than a volume can have"
        }
        return target <= safety ? nil : "its snapshots are out of order"
    }

    /// The size of the plan, for people.
    package func planBytes(chunkBytes: Int) -> Int {
        planChunkCount.multipliedClamped(by: chunkBytes)
    }
}

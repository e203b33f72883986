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
    /// The clone whose content the volume reads as, where it was written to; nil when it is the snapshot's
    /// alone.
    package var clone: RevertClone?

    package init(
        id: RevertID, target: SnapshotOrdinal, targetID: SnapshotID, safety: SnapshotOrdinal,
        safetyID: SnapshotID, tookSafetySnapshot: Bool, safetyEntryCount: Int,
        planChunkCount: Int, startedAt: Timestamp, overwrittenSums: [ChunkSum]? = nil,
        clone: RevertClone? = nil
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
        self.clone = clone
    }
}

extension RevertRecord {
    /// What in it no snapmgr has written; nil when there is nothing.
    var flaw: String? {
        let counts = 0...Geometry.volumeBytesMaximum / Geometry.sectorBytes
        guard counts.contains(planChunkCount), counts.contains(safetyEntryCount),
            counts.contains(clone?.entryCount ?? 0)
        else {
            return "it names more chunks than a volume can have"
        }
        if let clone, !VolumeRecord.isValidName(clone.name) {
            return "it names what cannot be a clone"
        }
        if let layers = clone?.layers {
            let isPossible =
                (1...CloneRecord.layersMaximum).contains(layers.count)
                && layers.allSatisfy { counts.contains($0.entryCount) }
            if !isPossible { return "its clone has impossible layers" }
        }
        return target <= safety ? nil : "its snapshots are out of order"
    }

    /// Notes how much is left of those areas of its clone's that are damaged. Nothing of them is removed before
    /// somebody has looked.
    mutating func noteReadable(_ entries: [CloneOrdinal: Int]) {
        guard var damaged = clone, !entries.isEmpty else { return }
        damaged.entryCount = entries[damaged.ordinal] ?? damaged.entryCount
        damaged.layers = damaged.layers?.map { layer in
            RevertLayer(
                ordinal: layer.ordinal, entryCount: entries[layer.ordinal] ?? layer.entryCount)
        }
        damaged.ends = false
        clone = damaged
    }

    /// The size of the plan, for people.
    package func planBytes(chunkBytes: Int) -> Int {
        planChunkCount.multipliedClamped(by: chunkBytes)
    }
}

/// Whoever knows no clones in reverts must not take one for a revert without.
extension RevertRecord: VersionedRecord {
    /// 3 of one with a clone, 4 where that has layers.
    package var formatVersion: Int {
        guard let clone else { return 2 }
        return clone.layers == nil ? 3 : 4
    }
}

/// Whoever knows no layers would take what is in them for the snapshot's.
extension CloneRecord: VersionedRecord {
    /// 3 of one that is not a writable clone of its snapshot's size, with nothing in between.
    package var formatVersion: Int {
        role == nil && layers == nil && parent == nil && snapshotBytes == nil ? 2 : 3
    }
}

/// The clone that a running revert copies from, which nobody writes to meanwhile.
package struct RevertClone: Hashable, Sendable, Codable {
    /// The clone.
    package var ordinal: CloneOrdinal
    /// For people.
    package var name: String
    /// The exceptions that its area had at the revert.
    package var entryCount: Int
    /// Whether it is over when the merge has ended.
    package var ends: Bool
    /// The layers between its area and the snapshot, newest first; nil when there are none.
    package var layers: [RevertLayer]?

    package init(
        ordinal: CloneOrdinal, name: String, entryCount: Int, ends: Bool,
        layers: [RevertLayer]? = nil
    ) {
        self.ordinal = ordinal
        self.name = name
        self.entryCount = entryCount
        self.ends = ends
        self.layers = layers
    }

    /// All that its content is made of, in the order in which it counts: its own area, and the layers.
    package var areas: [RevertLayer] {
        [RevertLayer(ordinal: ordinal, entryCount: entryCount)] + (layers ?? [])
    }
}

/// An area of a clone that a running revert copies from.
package struct RevertLayer: Hashable, Sendable, Codable {
    /// Of its folder.
    package var ordinal: CloneOrdinal
    /// The exceptions that it had at the revert.
    package var entryCount: Int

    package init(ordinal: CloneOrdinal, entryCount: Int) {
        self.ordinal = ordinal
        self.entryCount = entryCount
    }
}

/// Asks for one snapshot of one volume.
package struct SnapshotRequest: Hashable, Sendable, Codable {
    package var id: SnapshotID
    package var description: SnapshotDescription

    package init(id: SnapshotID, description: SnapshotDescription) {
        self.id = id
        self.description = description
    }
}

/// A snapshot that was taken, and how long writes were held for it.
package struct SnapshotOutcome: Hashable, Sendable, Codable {
    package var manifest: SnapshotManifest
    package var heldNanoseconds: Int64

    package init(manifest: SnapshotManifest, heldNanoseconds: Int64) {
        self.manifest = manifest
        self.heldNanoseconds = heldNanoseconds
    }
}

/// Asks that the origin become a snapshot's content.
package struct RevertRequest: Hashable, Sendable, Codable {
    package var id: RevertID
    package var target: SnapshotID
    /// The safety snapshot to take first; nil drops what was written since the newest snapshot.
    package var safety: SnapshotRequest?

    package init(id: RevertID, target: SnapshotID, safety: SnapshotRequest?) {
        self.id = id
        self.target = target
        self.safety = safety
    }
}

/// What a revert would do.
package struct RevertPreview: Hashable, Sendable, Codable {
    package var target: SnapshotID
    /// Bytes that the merge will copy into the origin.
    package var planBytes: Int
    /// Bytes that the merge will first copy into the newest area, for the siblings.
    package var preserveBytes: Int
    /// Why the revert would be refused; nil when it would not.
    package var refusal: Problem?
    /// Why the clone whose content the volume would get cannot be taken just now, unless its clients are
    /// overruled; nil when it can. Servers of older versions do not say it.
    package var cloneProblem: Problem?

    package init(target: SnapshotID, planBytes: Int, preserveBytes: Int, refusal: Problem?) {
        self.target = target
        self.planBytes = planBytes
        self.preserveBytes = preserveBytes
        self.refusal = refusal
    }
}

/// A revert that has been done: reads and writes see the snapshot's content.
package struct RevertOutcome: Hashable, Sendable, Codable {
    package var id: RevertID
    package var target: SnapshotID
    package var safety: SnapshotManifest?
    package var planBytes: Int
    /// From the request until reads and writes saw the snapshot's content, in nanoseconds.
    package var usableAfterNanoseconds: Int64
    package var state: MergeState

    package init(
        id: RevertID, target: SnapshotID, safety: SnapshotManifest?, planBytes: Int,
        usableAfterNanoseconds: Int64, state: MergeState
    ) {
        self.id = id
        self.target = target
        self.safety = safety
        self.planBytes = planBytes
        self.usableAfterNanoseconds = usableAfterNanoseconds
        self.state = state
    }
}

/// What deleting snapshots will free.
package struct DeleteReport: Hashable, Sendable, Codable {
    package var deleted: [SnapshotID]
    /// The bytes that no live snapshot needs once these are gone, all together: an estimate of what
    /// the filesystem gets back.
    package var freedBytes: Int

    package init(deleted: [SnapshotID], freedBytes: Int) {
        self.deleted = deleted
        self.freedBytes = freedBytes
    }
}

/// What a collection of garbage did.
package struct CollectReport: Hashable, Sendable, Codable {
    /// Bytes of exceptions that nobody needs any more.
    package var punchedBytes: Int
    /// Areas whose whole folder went, and such as took over what others held: what was known of their
    /// content counts no more.
    package var removedAreas: [SnapshotOrdinal]
    /// The bytes that the filesystem got back, by what the areas occupied before and after; nil from
    /// a server that does not measure.
    package var freedBytes: Int?

    package init(
        punchedBytes: Int = 0, removedAreas: [SnapshotOrdinal] = [], freedBytes: Int? = nil
    ) {
        self.punchedBytes = punchedBytes
        self.removedAreas = removedAreas
        self.freedBytes = freedBytes
    }
}

/// Clients that have a volume open for writing.
package struct ClientPresence: Hashable, Sendable, Codable {
    package var count: Int
    /// Since when the one that came first has.
    package var since: Timestamp

    package init(count: Int, since: Timestamp) {
        self.count = count
        self.since = since
    }
}

/// How far a long copy is.
package struct TransferProgress: Hashable, Sendable, Codable {
    package var doneBytes: Int
    package var totalBytes: Int
    /// Bytes per second of late.
    package var rate: Int

    package init(doneBytes: Int, totalBytes: Int, rate: Int) {
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.rate = rate
    }
}

/// One snapshot, as the one who has the volume open sees it.
package struct SnapshotStatus: Hashable, Sendable, Codable {
    package var manifest: SnapshotManifest
    package var state: SnapshotState
    /// The number of exceptions in the snapshot's own area.
    package var exceptionCount: Int
    /// The readers (exports) that have it open now.
    package var readers: Int

    package init(
        manifest: SnapshotManifest, state: SnapshotState, exceptionCount: Int, readers: Int
    ) {
        self.manifest = manifest
        self.state = state
        self.exceptionCount = exceptionCount
        self.readers = readers
    }
}

/// A volume, as the one who has it open sees it.
package struct VolumeStatus: Hashable, Sendable, Codable {
    package var record: VolumeRecord
    package var snapshots: [SnapshotStatus]
    package var merge: MergeProgress?
    /// Bytes that the areas occupy in the store.
    package var storeBytes: Int
    /// Bytes still free where the store lies.
    package var freeBytes: Int
    /// Things that somebody must know, found at open or since: the origin was written by others, a
    /// chain is broken, left-overs were swept.
    package var warnings: [Advice]

    package init(
        record: VolumeRecord, snapshots: [SnapshotStatus], merge: MergeProgress?, storeBytes: Int,
        freeBytes: Int, warnings: [Advice]
    ) {
        self.record = record
        self.snapshots = snapshots
        self.merge = merge
        self.storeBytes = storeBytes
        self.freeBytes = freeBytes
        self.warnings = warnings
    }
}

/// Something that a check found.
package struct Finding: Hashable, Sendable, Codable {
    package enum Severity: String, Sendable, Codable {
        case note
        case warning
        case damage
    }

    package var severity: Severity
    /// What it is about: `area 42`, `manifest 42`, `origin`.
    package var object: String
    package var message: String
    /// What to do.
    package var remedy: Advice?
    /// Whether `check --repair` mends it, or has mended it.
    package var isRepairable: Bool
    /// Of damaged content: the snapshots that read it; nil of anything else.
    package var snapshots: [SnapshotID]?
    /// Where in the volume it is, in bytes, as far as that is known.
    package var ranges: [Range<Int>]?

    package init(
        _ severity: Severity, object: String, message: String, remedy: Advice? = nil,
        isRepairable: Bool = false
    ) {
        self.severity = severity
        self.object = object
        self.message = message
        self.remedy = remedy
        self.isRepairable = isRepairable
    }
}

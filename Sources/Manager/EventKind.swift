/// The words of `kind` in the event log; they only grow.
enum EventKind: String, CaseIterable {
    case volumeCreated = "volume_created"
    case volumeRemoved = "volume_removed"
    case volumeResized = "volume_resized"
    case snapshotTaken = "snapshot_taken"
    case snapshotFailed = "snapshot_failed"
    case snapshotsDeleted = "snapshots_deleted"
    case reverted = "reverted"
    case revertFailed = "revert_failed"
    case mergeEnded = "merge_ended"
    case mergeCancelled = "merge_cancelled"
    case held = "held"
    case released = "released"
    case exported = "exported"
    case reconciled = "reconciled"
    case damageFound = "damage_found"
    case catalogRebuilt = "catalog_rebuilt"
}

/// What a person may do next, as a value: a face turns it into a command line, a link or a button.
///
/// Where nothing is named that a case could name, the person has to choose it, or all are meant.
/// Its form on the wire is that of the cases' names.
package enum Remedy: Hashable, Sendable, Codable {
    /// Of an origin, by its path; all that a volume needs.
    case setup(String? = nil, name: String? = nil)

    // Volumes
    case volumeCreate(String? = nil)
    case volumeList
    case volumeRemove(String, keepsStore: Bool = false)
    case volumeResize(String, bytes: Int)
    case volumeSet(String, origin: String)
    case volumeShow(String)
    case activate(String? = nil, accepting: Acceptance? = nil)
    case activateAll
    case deactivate(String, withoutStore: Bool = false)
    case serve(String? = nil)

    // Snapshots
    case snapshot(String)
    case cloneCreate(SnapshotID)
    case cloneDelete(String)
    case cloneList
    /// A clone of a clone, by its name.
    case cloneOfClone(String)
    /// A clone of a clone that keeps its state.
    case cloneKeep(String)
    case clonePromote(String)
    case delete
    case export(SnapshotID)
    case hold
    case holdList
    case list(String? = nil)
    case listSets
    case modify(SnapshotID)
    case mount(SnapshotID)
    case release(SnapshotID, owner: String)
    case umount(String)

    // Reverts and their merges
    case revert(SnapshotID)
    case revertWithoutSafety
    /// Of a clone, by its name, and the snapshot that it began as.
    case revertWithClone(SnapshotID, String)
    case mergeCancel(String)
    case mergeResume(String? = nil)
    case mergeStatus(String? = nil)
    case mergeThrottle(String? = nil)

    // VMs
    case machineList
    /// A copy of one, by its name.
    case machineStop(String)

    // Mirrors
    case mirrorAdd(String? = nil)
    case mirrorList
    /// - Parameter acceptsRevert: also what a revert of the source has left.
    case mirrorRun(String? = nil, acceptsRevert: Bool = false)
    case mirrorRemove(String)
    /// Of a volume: it is the one that is written to from now on.
    case mirrorPromote(String)
    /// Of a volume: it is a mirror's target from now on.
    case mirrorDemote(String)

    // Tokens of the HTTP API
    case tokenCreate
    case tokenList

    // Webhooks
    case webhookList
    case webhookRetry(String)

    // Upkeep
    case catalogRebuild
    /// - Parameter takesOver: also a store that belongs to another state.
    case catalogRebuildStore(String? = nil, takesOver: Bool = false)
    case check(String? = nil, readsData: Bool = false)
    case checkRepair
    case configCheck
    case configShow
    case daemon
    case events
    case prune
    case pruneAcceptingClock
    case pruneExplained(String)
    case status
    case statusForMonitoring
    /// What a command takes, by the words that name it; none is the program.
    case help([String])

    /// What an activation takes although it is not as it was left.
    package enum Acceptance: String, Hashable, Sendable, Codable, CaseIterable {
        case device
        case origin
    }
}

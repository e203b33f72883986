/// Where a running or ended merge stands; the words of `merge status --json`.
package enum MergeState: String, Sendable, Codable, CaseIterable {
    case merging
    case paused
    /// Stopped by an error; it goes on at the next open, or when resumed.
    case failed
    case done
    case cancelled
}

/// The progress of a merge.
package struct MergeProgress: Hashable, Sendable, Codable {
    package var revertID: RevertID
    package var targetID: SnapshotID
    package var safetyID: SnapshotID?
    package var mergedBytes: Int
    package var planBytes: Int
    /// Bytes that were copied into the newest area so that siblings keep them.
    package var preservedBytes: Int
    /// Bytes per second, over the last seconds; 0 when it does not move.
    package var rate: Int
    package var state: MergeState
    /// Why the merge failed, when it has.
    package var failure: String?
    /// The throttle in bytes per second; nil without one.
    package var bytesPerSecondLimit: Int?

    package init(
        revertID: RevertID, targetID: SnapshotID, safetyID: SnapshotID?, mergedBytes: Int,
        planBytes: Int, preservedBytes: Int, rate: Int, state: MergeState, failure: String? = nil,
        bytesPerSecondLimit: Int? = nil
    ) {
        self.revertID = revertID
        self.targetID = targetID
        self.safetyID = safetyID
        self.mergedBytes = mergedBytes
        self.planBytes = planBytes
        self.preservedBytes = preservedBytes
        self.rate = rate
        self.state = state
        self.failure = failure
        self.bytesPerSecondLimit = bytesPerSecondLimit
    }

    /// What is still to be merged.
    package var restBytes: Int { max(0, planBytes.subtractingClamped(mergedBytes)) }

    /// Seconds until the merge ends at the present rate; nil when that is unknown.
    package var etaSeconds: Int? {
        guard state == .merging, rate > 0 else { return nil }
        return restBytes.addingClamped(rate - 1) / rate
    }
}

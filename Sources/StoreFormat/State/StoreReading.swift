package import SnapshotModel

/// What was read of a store at one moment, and what it means. Whatever cannot be found out is an error,
/// but for what is only a help: see ``VolumeState/unread`` and ``RunningRevert``.
package struct StoreReading: Sendable {
    /// The volume's, with everything that the state leaves out.
    package let record: VolumeRecord
    /// What the store's folders are: what to sweep, and what to refuse.
    package let survey: StoreSurvey
    /// What follows from it.
    package let state: VolumeState

    package init(_ store: Store) throws(Problem) { try self.init(store, try store.volume()) }

    /// - Parameter record: the store's, just read.
    package init(_ store: Store, _ record: VolumeRecord) throws(Problem) {
        let store = store.forOneLook
        let survey = try StoreSurvey(store)
        var losses = survey.losses
        try store.findLosses(
            of: survey.manifests, AreaFormat(chunkBytes: record.geometry.chunkBytes), &losses)
        let revert = try survey.runningRevert.map { revert throws(Problem) in
            try store.progress(of: revert, record.geometry)
        }
        self.record = record
        self.survey = survey
        state = VolumeState(
            record, manifests: survey.manifests, unfinished: survey.unfinished, losses: losses,
            revert: revert)
    }
}

extension Store {
    /// Looks at the marks and headers, from the newest down to the first that lost exceptions: what is
    /// older lost them with it.
    fileprivate func findLosses(
        of manifests: [SnapshotManifest], _ format: AreaFormat, _ losses: inout ChainLosses
    ) throws(Problem) {
        for manifest in manifests.reversed() {
            let ordinal = manifest.ordinal
            var isLost = try isBroken(ordinal)
            if !isLost { isLost = try isInvalid(ordinal, format, &losses.unread) }
            guard isLost else { continue }
            losses.lost = ordinal
            return
        }
    }

    /// Whether an area's header says that it was given up; one that cannot be read says nothing, and
    /// one whose snapshot was removed just now is nobody's.
    private func isInvalid(
        _ ordinal: SnapshotOrdinal, _ format: AreaFormat, _ unread: inout [SnapshotOrdinal]
    ) throws(Problem) -> Bool {
        do throws(Problem) { return try isInvalid(ordinal, format) } catch {
            if try !isGone(ordinal, error) { unread.append(ordinal) }
            return false
        }
    }
}

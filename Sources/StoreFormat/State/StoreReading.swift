package import SnapshotModel

/// What was read of a store at one moment, and what it means. Whatever cannot be found out is an error,
/// but for what is only a help: see ``VolumeState/unread`` and ``RunningRevert``.
package struct StoreReading: Sendable {
    /// The volume's, with everything that the state leaves out.
    package let record: VolumeRecord
    /// What the store's folders are: what to sweep, and what to refuse.
    package let survey: StoreSurvey
    /// The same of its clones.
    package let cloneSurvey: CloneSurvey
    /// What follows from it.
    package let state: VolumeState

    package init(_ store: Store) throws(Problem) { try self.init(store, try store.volume()) }

    /// - Parameter record: the store's, just read.
    package init(_ store: Store, _ record: VolumeRecord) throws(Problem) {
        let store = store.forOneLook
        let survey = try StoreSurvey(
            store, AreaFormat(chunkBytes: record.geometry.chunkBytes))
        let revert = try survey.runningRevert.map { revert throws(Problem) in
            try store.progress(of: revert, record.geometry)
        }
        let cloneSurvey = try CloneSurvey(store, revert: survey.runningRevert)
        self.record = record
        self.survey = survey
        self.cloneSurvey = cloneSurvey
        state = VolumeState(
            record, manifests: survey.manifests, unfinished: survey.unfinished,
            losses: survey.losses, revert: revert, clones: cloneSurvey.clones,
            doubtfulClones: cloneSurvey.doubtful.map(\.ordinal))
    }
}

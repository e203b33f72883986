internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// One volume of a revert, with its session and what was begun for it.
struct RevertMember {
    let volume: VolumeRow
    let target: SnapshotRow
    let session: any VolumeSession
    let preview: RevertPreview
    var request: RevertRequest?

    init(_ context: ManagerContext, _ target: SnapshotRow) throws {
        self.target = target
        volume = try context.volume(target.volume)
        _ = try context.reader(volume)
        try context.requireWhole(target)
        let session = try context.openSession(volume)
        self.session = session
        do {
            preview = try session.previewRevert(to: target.id)
        } catch {
            session.close()
            throw error
        }
    }

    var name: String { volume.record.name }

    /// What the preview says.
    var item: RevertItem {
        RevertItem(
            id: nil, volume: name, target: target.id, safety: nil, planBytes: preview.planBytes,
            preserveBytes: preview.preserveBytes, usableAfterNanoseconds: nil, state: nil)
    }

    func item(_ outcome: RevertOutcome) -> RevertItem {
        var item = item
        item.id = outcome.id
        item.safety = outcome.safety?.id
        item.planBytes = outcome.planBytes
        item.usableAfterNanoseconds = outcome.usableAfterNanoseconds
        item.state = outcome.state
        return item
    }
}

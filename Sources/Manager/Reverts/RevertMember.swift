internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// One volume of a revert, with its session and what was begun for it.
struct RevertMember {
    let volume: VolumeRow
    let target: SnapshotRow
    let session: AttendedSession
    let preview: RevertPreview
    /// Whose content the volume gets, too.
    var clone: CloneUse?
    var request: RevertRequest?

    /// The volumes that snapshots are of, with a session each: all of them, or none.
    ///
    /// - Parameter clone: of the one snapshot.
    static func open(
        _ context: ManagerContext, _ targets: [SnapshotRow], with clone: CloneUse?
    ) throws -> [Self] {
        let volumes = try targets.map { target in
            let volume = try context.volume(target.volume)
            _ = try context.reader(volume)
            try context.requireWhole(target)
            return volume
        }
        let sessions = try context.openSessions(volumes)
        do {
            return try zip(zip(volumes, sessions), targets).map { member, target in
                Self(
                    volume: member.0, target: target, session: member.1,
                    preview: try member.1.previewRevert(to: target.id, with: clone),
                    clone: clone)
            }
        } catch {
            context.closeSessions(sessions)
            throw error
        }
    }

    var name: String { volume.record.name }

    /// What the preview says.
    var item: RevertItem {
        RevertItem(
            id: nil, volume: name, target: target.id, safety: nil, planBytes: preview.planBytes,
            preserveBytes: preview.preserveBytes, usableAfterNanoseconds: nil, state: nil,
            clone: clone)
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

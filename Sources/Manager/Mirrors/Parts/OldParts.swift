internal import Catalog
internal import SnapshotModel
internal import VolumeAccess

/// Parts of snapshots whose transfers were cut, and that nobody has gone on with for long.
struct OldParts {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// So long they stay: what they have overwritten takes space in the store.
    static let keptSeconds: Int64 = 7 * 86_400

    /// Gives a volume back what it was before such a part; else does nothing. Of a first copy there is nothing to be
    /// given back.
    func giveBack(_ volume: VolumeRow, asOf moment: Timestamp, isDryRun: Bool) throws {
        guard try isOld(volume, moment) else { return }
        let name = volume.record.name
        guard !isDryRun else {
            return context.note(
                "volume \(name): what has come of a snapshot whose transfer was cut, and did not go on for a week, "
                    + "would be taken back")
        }
        do { try giveBack(volume, moment) } catch let problem as Problem
            where [.locked, .refused].contains(problem.code)
        {
            // Somebody who has the volume open may be going on with it.
            context.note(
                "volume \(name): what has come of a snapshot whose transfer was cut is left for now: "
                    + problem.message)
        }
    }

    private func giveBack(_ volume: VolumeRow, _ moment: Timestamp) throws {
        try Reconciler(context).withVolume(volume.record.name) { volume in
            guard try isOld(volume, moment) else { return }
            try context.prepareStore(volume)
            let receiver = try context.driver(of: volume).receiver(of: volume.place)
            defer { receiver.close() }
            guard let note = receiver.halfReceived, note.mark != nil else { return }
            try receiver.takeBack()
            let text =
                "of snapshot \(note.snapshot), whose transfer was cut and did not go on for a week, what had come was "
                + "taken back"
            context.note("volume \(volume.record.name): \(text)")
            try context.log(.warning, .reconciled, text, volume: volume.record.name)
        }
    }

    private func isOld(_ volume: VolumeRow, _ moment: Timestamp) throws -> Bool {
        guard let note = try context.inspector(volume).receiving(), note.base != nil,
            let last = note.markedAt
        else { return false }
        return last.advanced(bySeconds: Self.keptSeconds) < moment
    }
}

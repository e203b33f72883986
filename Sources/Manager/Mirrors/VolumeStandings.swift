internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System

/// What volumes are to their mirrors: who may write to them, and whose word counts.
struct VolumeStandings {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    private func store(_ volume: VolumeRow) -> Store {
        Store(folder: FileFolder(path: volume.storePath))
    }

    /// As the store says it; nil of a volume that is no copy, and was never promoted.
    func recorded(_ volume: VolumeRow) throws -> MirrorStanding? {
        try store(volume).mirrorStanding()
    }

    /// To be called with the volume's lock. Nil forgets it.
    func record(_ standing: MirrorStanding?, of volume: VolumeRow) throws {
        guard let standing else { return try store(volume).removeMirrorStanding() }
        try store(volume).writeMirrorStanding(standing)
    }

    /// The snapshots here from which a target's mirror goes on, or at which a promotion was cut; none of a primary. They
    /// are known by the store alone, so that no hold need be there.
    ///
    /// - Parameter rows: the volume's snapshots, in the order of the chain.
    func bases(of volume: VolumeRow, among rows: [RetentionRow]) throws -> Set<SnapshotID> {
        guard let standing = try recorded(volume), standing.role != .primary else { return [] }
        var bases = Set<SnapshotID>()
        if let id = try snapshot(standing.snapshot, of: volume, among: rows) { bases.insert(id) }
        // Its copy may be whole, and the one who was to note it gone.
        if standing.role == .target, standing.isDemoted != true,
            let newest = rows.last(where: { $0.kind == .mirror })
        {
            bases.insert(newest.id)
        }
        return bases
    }

    /// - Parameter uuid: what the snapshot is known by everywhere.
    private func snapshot(
        _ uuid: String?, of volume: VolumeRow, among rows: [RetentionRow]
    ) throws -> SnapshotID? {
        guard let uuid else { return nil }
        let reader = try context.reader(volume)
        // It is one of the newest. What cannot be read is nobody's base.
        return rows.last { row in
            guard let manifest = try? reader.manifest(row.ordinal) as SnapshotManifest else {
                return false
            }
            return (try? SnapshotIdentity.uuid(of: manifest, in: volume.record.uuid)) == uuid
        }?.id
    }

    /// - Throws: `refused` when one of these is what a target's mirror goes on from, or a promotion was cut at.
    func requireNoBase(_ ids: [SnapshotID], of volume: VolumeRow) throws {
        let name = volume.record.name
        guard !ids.isEmpty, let role = try recorded(volume)?.role, role != .primary else { return }
        let bases = try bases(of: volume, among: context.catalog.retentionRows(volume: name))
        guard let id = ids.first(where: bases.contains) else { return }
        guard role == .target else {
            throw Problem(
                .refused, "snapshot \(id) is what volume \(name) was to be promoted at",
                hint: "end the promotion, which was cut: \(.mirrorPromote(name))")
        }
        throw Problem(
            .refused,
            "snapshot \(id) is the copy that volume \(name) reads as, and its mirror goes on from it",
            hint:
                "delete it when a later one has come; to have no mirror any more: \(.mirrorPromote(name))"
        )
    }

    /// The other volume takes what this one sends, so that there is no split brain any more.
    func forgetRival(of name: String) throws {
        guard try recorded(context.volume(name))?.rival != nil else { return }
        try Reconciler(context).withVolume(name) { volume in
            guard var standing = try recorded(volume) else { return }
            standing.rival = nil
            try record(standing, of: volume)
        }
    }

    /// What is to be taken for right where the store does not say it: a volume that mirrors send from, and that has no
    /// copies, is the one that is written to. Nil when nobody knows.
    func known(_ volume: VolumeRow) throws -> MirrorStanding? {
        if let standing = try recorded(volume) { return standing }
        let mirrors = try MirrorFolder(context.state).content().records.filter {
            $0.volume == volume.record.name && $0.volumeUUID == volume.record.uuid
        }
        guard let since = mirrors.map(\.addedAt).min() else { return nil }
        // One without snapshots may be what is about to be mirrored to.
        let snapshots = try context.reader(volume).state().readable
        guard !snapshots.isEmpty, snapshots.allSatisfy({ $0.source == nil }) else { return nil }
        return MirrorStanding(role: .primary, generation: .first, since: since)
    }

    /// That of a volume that sends.
    func ofSource(_ volume: VolumeRow) throws -> MirrorStanding {
        try known(volume)
            ?? MirrorStanding(
                role: .primary, generation: .first, since: volume.record.createdAt)
    }

    /// - Throws: `refused` of a volume to which mirrors alone write.
    func requireNoCopy(_ volume: VolumeRow) throws {
        guard let standing = try recorded(volume), standing.role == .target else { return }
        let name = volume.record.name
        throw Problem(
            .refused,
            "volume \(name) is a mirror's target since \(standing.since): what it reads as is its mirror's, which "
                + "could not go on otherwise",
            hint:
                "mount, export or clone its snapshots; to have it take over from the volume that is mirrored: "
                + "\(.mirrorPromote(name))")
    }

    /// - Throws: `refused` of a volume whose promotion was cut: nobody writes to it.
    func requireNoPromotion(_ volume: VolumeRow) throws {
        guard try recorded(volume)?.role == .promoting else { return }
        throw cut(volume.record.name)
    }

    /// Why nothing is written to a volume whose promotion was cut.
    func cut(_ name: String) -> Problem {
        Problem(
            .refused, "the promotion of volume \(name) was cut: nobody writes to it",
            hint: "promote it again, which ends it: \(.mirrorPromote(name))")
    }

    /// Whether a volume has anything that no snapshot before has: later snapshots, or what was written since. Copies of
    /// another volume's are no such.
    ///
    /// - Parameter uuid: what the snapshot is known by everywhere; nil when there is none.
    func hasAdvanced(_ volume: VolumeRow, since uuid: String?) throws -> Bool {
        let reader = try context.reader(volume)
        let snapshots = try reader.state().readable
        guard let newest = snapshots.last else { return true }
        let known = try snapshots.map {
            try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid)
        }
        guard let uuid, let place = known.lastIndex(of: uuid) else { return true }
        if snapshots[place...].dropFirst().contains(where: { $0.kind != .mirror }) { return true }
        return try !reader.chunkMap(of: newest).isEmpty
    }

    /// For people; nil when there is nothing that they should do something about.
    func warning(_ volume: VolumeRow) -> String? {
        let standing: MirrorStanding?
        do { standing = try recorded(volume) } catch { return Problem(error).message }
        return standing?.role == .promoting
            ? "its promotion was cut, and nobody can write to it: promote it again" : nil
    }

    /// For people: what is written to as well, as mirrors from there and to there have found it.
    func splits(_ volume: VolumeRow) -> [String] { rivals(volume) + splitMirrors(volume) }

    private func rivals(_ volume: VolumeRow) -> [String] {
        guard let standing = try? recorded(volume), let rival = standing.rival else { return [] }
        return [
            SplitWords.text(
                volume.record.name, standing.generation,
                other: "volume \(rival.name ?? rival.volume ?? "") of the other site", rival)
        ]
    }

    private func splitMirrors(_ volume: VolumeRow) -> [String] {
        let name = volume.record.name
        guard let content = try? MirrorFolder(context.state).content(),
            let own = try? ofSource(volume).generation
        else { return [] }
        return content.records.compactMap { record in
            guard record.volume == name, let split = record.split else { return nil }
            return SplitWords.text(name, own, other: record.target, split)
        }
    }
}

/// How a split brain reads.
enum SplitWords {
    /// - Parameter other: names the other one.
    static func text(
        _ volume: String, _ generation: MirrorGeneration, other: String, _ rival: MirrorRival
    ) -> String {
        let common =
            rival.common.map { "the last snapshot that both have is \($0)" }
            ?? "they have no snapshot in common"
        return
            "split brain: volume \(volume), of generation \(generation.number), and \(other), of generation "
            + "\(rival.generation.number), are both written to; \(common); nothing is sent until one of them was "
            + "demoted"
    }
}

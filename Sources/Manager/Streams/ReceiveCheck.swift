internal import Catalog
internal import SnapshotModel
internal import Stream
internal import VolumeAccess

/// Whether a volume is what a snapshot of a stream builds on: by what its snapshots are known by everywhere, and
/// never by names or times.
struct ReceiveCheck {
    private let context: ManagerContext
    private let volume: VolumeRow
    private let receiver: any VolumeReceiver
    private let source: StreamVolume
    private let known: [String: SnapshotManifest]
    private let overwrites: Bool

    init(
        _ context: ManagerContext, _ volume: VolumeRow, _ receiver: any VolumeReceiver,
        _ source: StreamVolume, _ known: [String: SnapshotManifest], overwrites: Bool
    ) {
        self.context = context
        self.volume = volume
        self.receiver = receiver
        self.source = source
        self.known = known
        self.overwrites = overwrites
    }

    private var name: String { volume.record.name }

    /// - Throws: `refused`, with what to do.
    func require(_ snapshot: StreamSnapshot) throws {
        // Whose it is comes first: of another volume, nobody should make anything larger.
        if let base = snapshot.base {
            try require(base)
        } else {
            try requireVacant()
        }
        try requireRoom(snapshot)
    }

    /// - Throws: `refused` when the snapshot is larger than the volume.
    func requireRoom(_ snapshot: StreamSnapshot) throws {
        let volumeBytes = receiver.record.geometry.volumeBytes
        guard snapshot.volumeBytes > volumeBytes else { return }
        throw Problem(
            .refused,
            "volume \(name) has \(volumeBytes) bytes, and snapshot \(snapshot.id) of volume "
                + "\(source.name) \(snapshot.volumeBytes)",
            hint: "make it as large, then send again: "
                + "\(.volumeResize(name, bytes: snapshot.volumeBytes))")
    }

    private func require(_ base: StreamBase) throws {
        guard let manifest = known[base.uuid] else { throw missing(base) }
        guard try receiver.isUnchanged(since: manifest) else {
            if let problem = try laterProblem(base, than: manifest) { throw problem }
            let standing = try VolumeStandings(context).recorded(volume)
            throw Problem(
                .refused,
                "volume \(name) has been written to since snapshot \(manifest.id), on which the stream builds",
                hint: followingHint(standing, manifest))
        }
    }

    private func followingHint(
        _ standing: MirrorStanding?, _ manifest: SnapshotManifest
    ) -> Advice {
        guard let standing, standing.role == .target else {
            return "have it read as that again, then send again: \(.revert(manifest.id))"
        }
        guard standing.isDemoted == true else {
            return
                "have it follow its mirror again, which keeps what it is: \(.mirrorDemote(name))"
        }
        return
            "run a mirror of this version to it, which begins from there; or have it be the primary: "
            + "\(.mirrorPromote(name))"
    }

    /// What a copy says that is further than the stream's beginning and has lost snapshots in between, which nobody
    /// can put before those that it has; nil when it is not further.
    private func laterProblem(
        _ base: StreamBase, than manifest: SnapshotManifest
    ) throws -> Problem? {
        guard let newest = receiver.snapshots.last, newest.ordinal > manifest.ordinal,
            let origin = newest.source, try receiver.isUnchanged(since: newest)
        else { return nil }
        return Problem(
            .refused,
            "volume \(name) reads as snapshot \(newest.id), a later copy, of snapshot \(origin.id) of volume "
                + "\(source.name); what the stream has between snapshot \(manifest.id) and that was deleted here",
            hint: "send from snapshot \(origin.id) on (--from \(origin.id))")
    }

    private func missing(_ base: StreamBase) -> Problem {
        let wanted =
            "the stream builds on snapshot \(base.uuid), taken at \(base.takenAt), of volume "
            + "\(source.name)"
        let sources = Set(known.values.compactMap { $0.source?.volume })
        let isOther =
            !known.isEmpty && !sources.contains(source.uuid) && receiver.record.uuid != source.uuid
        guard !isOther else {
            return Problem(
                .refused,
                "\(wanted), which volume \(name) does not come from: it has no snapshot of it",
                hint: "receive it into a volume of its own: name one that is not there")
        }
        return Problem(
            .refused, "\(wanted), which volume \(name) does not have",
            hint: known.isEmpty
                ? "receive a whole snapshot first: send it without --from"
                : "send from one that it has: \(.list(name)) tells which")
    }

    /// All of a volume is received only where nothing is lost by it.
    private func requireVacant() throws {
        guard receiver.snapshots.isEmpty else {
            throw Problem(
                .refused,
                "volume \(name) has snapshots, and the stream holds a whole snapshot of volume "
                    + source.name,
                hint: "send with --from what both have, or receive it into a volume that is not "
                    + "there")
        }
        if receiver.halfReceived?.volume == source.uuid || overwrites { return }
        guard try receiver.isBlank() else {
            throw Problem(
                .refused,
                "volume \(name) holds data, which no snapshot has and the stream would overwrite",
                hint: "receive it into a volume that is not there, or give this one up with "
                    + "--overwrite")
        }
    }
}

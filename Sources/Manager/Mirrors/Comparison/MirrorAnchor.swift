internal import SnapshotModel
internal import Stream
internal import System
internal import VolumeAccess

/// What a target reads as that has nothing in common with its source: its newest snapshot. The mirror begins anew from it by
/// what differs, and all that is there stays.
struct MirrorAnchor {
    /// What it is known by.
    var uuid: String
    /// Its size.
    var byteCount: Int

    /// Compares the first snapshot of a plan with it, and has that build on it.
    func compare(
        _ plan: inout SendPlan, _ context: ManagerContext, _ record: MirrorRecord,
        _ peer: MirrorPeer
    ) throws {
        guard let first = plan.steps.first?.snapshot else { return }
        let session = try TurnSession(context, plan.volume)
        defer { session.close() }
        let digests = ViewDigests(SnapshotContent(session, first.id))
        // What both have by whole units: the rest is sent.
        let common =
            min(first.volumeBytes, byteCount) / ViewDigests.smallUnitBytes
            * ViewDigests.smallUnitBytes
        var ranges = try MirrorComparison(context, record, peer, digests, uuid: uuid)
            .differences(in: common)
        if common < first.volumeBytes {
            Ranges.append(common..<first.volumeBytes, to: &ranges)
        }
        plan.anchor(at: uuid, ranges)
    }
}

extension MirrorRun {
    /// - Throws: `refused` when the mirror may not begin anew, here or there.
    func anchor(_ offer: PeerOffer) throws -> MirrorAnchor {
        guard options.reanchors else {
            throw Problem(
                .refused,
                "mirror \(record.name): \(record.target) has \(offer.snapshots.count) snapshots, and none of volume "
                    + "\(record.volume)'s",
                hint:
                    "when it is that volume's copy, have the mirror go on by what differs, --reanchor: "
                    + "\(.help(["mirror", "run"])); or mirror it into a volume of its own: "
                    + "\(.mirrorRemove(record.name)), and add one with another target")
        }
        guard offer.standing?.role == .target else {
            throw Problem(
                .refused,
                "\(record.target) is no mirror's target: it may be somebody's volume, who would find another one in "
                    + "its place",
                hint:
                    "have it be one there, which keeps what it is as a snapshot: "
                    + "\(.help(["mirror", "demote"]))")
        }
        guard offer.isComparable == true, let newest = offer.snapshots.last,
            let byteCount = newest.byteCount, byteCount > 0
        else {
            throw Problem(
                .refused, "snapmgr at \(record.target) is older, and cannot compare",
                hint: "install this version there, too")
        }
        return MirrorAnchor(uuid: newest.uuid, byteCount: byteCount)
    }
}

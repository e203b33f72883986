internal import Catalog
internal import SnapshotModel
internal import System

// Whether a target may be sent to: a volume that was promoted is nobody's copy, and a source that was overtaken sends
// nothing.
extension MirrorRun {
    /// - Throws: `refused` of a volume whose promotion was cut.
    func requireSender(_ own: MirrorStanding) throws {
        guard own.role == .promoting else { return }
        throw Problem(
            .refused, "the promotion of volume \(record.volume) was cut",
            hint: "end it first: \(.mirrorPromote(record.volume))")
    }

    /// Looks at what the target is.
    ///
    /// - Returns: the outcome when there is nothing to be sent to it; nil when it takes what is sent.
    /// - Throws: `refused` when it does not.
    mutating func meet(
        _ own: MirrorStanding, _ volume: VolumeRow, _ offer: PeerOffer, common: String?,
        _ peer: MirrorPeer
    ) throws -> MirrorOutcome? {
        if let flaw = offer.standing?.flaw {
            throw Problem(.corrupt, "\(record.target) does not answer as snapmgr does: \(flaw)")
        }
        record.peer = offer.standing
        record.isReversed = nil
        guard let there = offer.standing else {
            guard own.isDemoted != true else { throw nobodyWrites(own) }
            return nil
        }
        if there.role == .target {
            guard own.isDemoted != true else { throw nobodyWrites(own) }
            guard !own.generation.mayFollow(there.generation) else { return nil }
            throw overtaken(own, there)
        }
        if own.role == .target {
            record.isReversed = true
            var outcome = outcome
            outcome.state = .reversed
            return outcome
        }
        try look(own, there, volume, common, peer)
        throw promoted(own, there)
    }

    private func nobodyWrites(_ own: MirrorStanding) -> Problem {
        Problem(
            .refused,
            "volume \(record.volume) was demoted at \(own.since), and \(record.target) is a target, too: neither is "
                + "written to",
            hint: "promote one of them, here: \(.mirrorPromote(record.volume))")
    }

    private func overtaken(_ own: MirrorStanding, _ there: PeerStanding) -> Problem {
        Problem(
            .refused,
            "volume \(record.volume) is of generation \(own.generation.number), and \(record.target) has followed a "
                + "volume of generation \(there.generation.number): this one was taken over from",
            hint:
                "have it follow: \(.mirrorDemote(record.volume)); or, when it is to be the primary: "
                + "\(.mirrorPromote(record.volume))")
    }

    private func promoted(_ own: MirrorStanding, _ there: PeerStanding) -> Problem {
        if let split = record.split {
            return Problem(
                .refused,
                SplitWords.text(record.volume, own.generation, other: record.target, split),
                hint:
                    "demote the one whose changes are not to go on, which keeps them as a snapshot; here: "
                    + "\(.mirrorDemote(record.volume))")
        }
        return Problem(
            .refused,
            "\(record.target) was promoted at \(there.since), which began generation "
                + "\(there.generation.number): it is written to, and takes nothing",
            hint:
                "have volume \(record.volume) follow it: \(.mirrorDemote(record.volume)), then add a mirror there; "
                + "or demote the volume there, and promote this one: \(.mirrorPromote(record.volume))"
        )
    }

    /// Finds out whether both are written to, and tells both sides.
    private mutating func look(
        _ own: MirrorStanding, _ there: PeerStanding, _ volume: VolumeRow, _ common: String?,
        _ peer: MirrorPeer
    ) throws {
        let bothAdvanced =
            try there.hasAdvanced != false
            && VolumeStandings(context).hasAdvanced(volume, since: common)
        guard bothAdvanced || own.generation.number > 0 else {
            record.split = nil
            return
        }
        let known = record.split
        var split = MirrorRival(
            volume: nil, name: nil, generation: there.generation, common: common,
            foundAt: context.clock.now())
        if let known, known.generation == split.generation { split.foundAt = known.foundAt }
        record.split = split
        guard !options.isDryRun else { return }
        try peer.order(PeerOrder(action: .split, uuid: common))
        guard split != known else { return }
        try context.log(
            .error, .mirrorSplit,
            "mirror \(record.name): "
                + SplitWords.text(record.volume, own.generation, other: record.target, split),
            volume: record.volume)
    }
}

internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// One run of a mirror: finds what both sides have by the snapshots' own UUIDs, sends what was taken since, and moves the
/// base on when both have recorded it.
struct MirrorRun {
    let context: ManagerContext
    let options: MirrorService.RunOptions
    private let patienceMilliseconds: Int
    /// How far it is; of a failed run as well.
    var record: MirrorRecord

    init(
        _ context: ManagerContext, _ record: MirrorRecord, _ options: MirrorService.RunOptions,
        patienceMilliseconds: Int
    ) {
        self.context = context
        self.record = record
        self.options = options
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// A snapshot here, and what it is known by everywhere.
    struct Known {
        var manifest: SnapshotManifest
        var uuid: String
    }

    var outcome: MirrorOutcome {
        MirrorOutcome(
            mirror: record.name, volume: record.volume, target: record.target, state: .current)
    }

    /// - Throws: `refused` when both sides have nothing in common, or a revert waits for a word on it; what the target
    ///   says; `failed` when the connection ends.
    mutating func run() throws -> MirrorOutcome {
        let volume = try requireVolume()
        try Reconciler(context).tidy([record.volume])
        let known = try known(volume)
        // Only now: of a revert meanwhile, nothing is among what is sent without a word on it.
        let reverts = try MirrorReverts(context, record)
        let own = try VolumeStandings(context).ofSource(volume)
        // Nothing is to be said to the target then.
        if record.base != nil, let question = question(reverts, own) { throw question }
        guard let newest = known.last else { return outcome }
        try requireSender(own)
        let peer = try MirrorPeer(context, record, patienceMilliseconds: patienceMilliseconds)
        defer { peer.end() }
        let offer = try peer.greet(
            MirrorPeer.greeting(context, record, volume, isPreview: options.isDryRun))
        let newestCommon = newestCommon(known, offer)
        if let outcome = try meet(own, volume, offer, common: newestCommon?.known.uuid, peer) {
            return outcome
        }
        // A first transfer that was cut has left no base, and yet something of what was reverted from.
        if newestCommon != nil, let question = question(reverts, own) { throw question }
        let common = newestCommon
        if common == nil, !offer.snapshots.isEmpty {
            return try send(volume, from: nil, known, reverts, peer, at: anchor(offer))
        }
        if let common, common.known.uuid == newest.uuid {
            try agree(common.known, common.targetID, peer)
            if !options.isDryRun { record.acceptedRevert = reverts.last ?? record.acceptedRevert }
            var outcome = outcome
            outcome.base = common.known.manifest.id
            return outcome
        }
        return try send(
            volume, from: common?.known, known, reverts, peer, with: offer.part)
    }

    /// Why the mirror waits for a word on a revert; nil when it goes on. Of a target's reverts nobody is asked.
    private func question(_ reverts: MirrorReverts, _ own: MirrorStanding) -> Problem? {
        guard own.role == .primary, record.onRevert == .ask, !options.acceptsRevert else {
            return nil
        }
        return reverts.question(record)
    }

    private func requireVolume() throws -> VolumeRow {
        let volume = try context.volume(record.volume)
        guard volume.record.uuid == record.volumeUUID else {
            throw Problem(
                .refused,
                "volume \(record.volume) is another one than mirror \(record.name) was made for",
                hint: "remove the mirror: \(.mirrorRemove(record.name)); then add it again")
        }
        return volume
    }

    private func known(_ volume: VolumeRow) throws -> [Known] {
        try context.reader(volume).state().readable.map {
            Known(
                manifest: $0, uuid: try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid))
        }
    }

    /// The newest snapshot that both have.
    private func newestCommon(
        _ known: [Known], _ offer: PeerOffer
    ) -> (known: Known, targetID: SnapshotID)? {
        let there = Dictionary(offer.snapshots.map { ($0.uuid, $0.id) }) { first, _ in first }
        for snapshot in known.reversed() {
            if let id = there[snapshot.uuid] { return (snapshot, id) }
        }
        return nil
    }

}

// MARK: - Sending

extension MirrorRun {
    private mutating func send(
        _ volume: VolumeRow, from base: Known?, _ known: [Known], _ reverts: MirrorReverts,
        _ peer: MirrorPeer, at anchor: MirrorAnchor? = nil, with part: PeerPart? = nil
    ) throws -> MirrorOutcome {
        var outcome = outcome
        outcome.base = base?.manifest.id
        let rows = try rows(base ?? known.first, known.last)
        let service = SendService(context: context)
        let makePlan = { [context] (volume: VolumeRow) in
            try SendPlan(
                context, volume, from: base == nil ? nil : rows.first,
                first: base == nil ? rows.first : nil, to: rows.last)
        }
        guard !options.isDryRun else {
            var plan = try makePlan(volume)
            try anchor?.compare(&plan, context, record, peer)
            if let resume = MirrorResume(part, plan) {
                outcome.resumedAt = resume.end
                try plan.resume(at: resume.end)
            }
            outcome.state = .planned
            outcome.snapshots = plan.steps.map(\.snapshot.id)
            outcome.dataBytes = plan.totalBytes
            return outcome
        }
        let held = try service.held(volume, makePlan)
        defer { withExtendedLifetime(held.1) {} }
        var plan = held.0
        try anchor?.compare(&plan, context, record, peer)
        if let resume = MirrorResume(part, plan) {
            let offset = try resume.proven(plan, context, record, peer)
            if offset > 0 {
                outcome.resumedAt = offset
                try plan.resume(at: offset)
            }
        }
        try holdBase(base)
        try follow(reverts, from: base, peer)
        let report = try transfer(plan, from: anchor?.uuid ?? base?.uuid, peer)
        outcome.state = .sent
        outcome.snapshots = report.snapshots.map(\.id)
        outcome.dataBytes = report.dataBytes
        outcome.streamBytes = report.streamBytes
        try conclude(known, peer)
        try context.log(
            .mirrored,
            "mirror \(record.name) has sent \(outcome.snapshots.count) snapshots to \(record.target), up to "
                + "\(known.last.map { "\($0.manifest.id)" } ?? "")"
                + (outcome.resumedAt.map { ", the first one from byte \($0) on" } ?? ""),
            volume: record.volume, snapshot: known.last?.manifest.id)
        return outcome
    }

    private func rows(
        _ first: Known?, _ last: Known?
    ) throws -> (first: SnapshotRow, last: SnapshotRow) {
        func row(_ known: Known?) throws -> SnapshotRow {
            guard let known, let row = try context.catalog.snapshot(known.manifest.id) else {
                throw Problem(
                    .refused, "snapshots of volume \(record.volume) were deleted meanwhile",
                    hint: "run it again: \(.mirrorRun(record.name))")
            }
            return row
        }
        return (try row(first), try row(last))
    }

    private var sendingReason: String { "being sent to \(record.target)" }

    /// What the target has as its newest copy stays, and what else earlier runs have begun need not: nothing goes on
    /// from that.
    private func holdBase(_ base: Known?) throws {
        let id = base?.manifest.id
        if let id { try context.catalog.hold(id, owner: record.owner, reason: sendingReason) }
        for hold in try context.catalog.holds(volume: record.volume)
        where hold.owner == record.owner && hold.reason == sendingReason && hold.snapshot != id {
            try context.catalog.release(
                hold.snapshot, owner: record.owner, reason: sendingReason)
        }
    }

    /// Takes note of a revert, and has the target hold what it had before, where the settings say so. What is cut after
    /// that goes on without another word on it, and what follows the revert is never taken for what was before.
    private mutating func follow(
        _ reverts: MirrorReverts, from base: Known?, _ peer: MirrorPeer
    ) throws {
        guard let revert = reverts.pending.last else { return }
        if let base, record.onRevert == .keep {
            try peer.order(
                PeerOrder(
                    action: .keep, uuid: base.uuid,
                    reason:
                        "the last copy from before volume \(record.volume) was reverted to snapshot "
                        + "\(revert.snapshot)"))
        }
        record.acceptedRevert = revert.id
        try MirrorFolder(context.state).write(record)
        guard base != nil else { return }
        try context.log(
            .warning, .mirrorFollowed,
            "mirror \(record.name) goes on after revert \(revert.id) to snapshot \(revert.snapshot)",
            volume: record.volume, snapshot: revert.snapshot)
    }

    /// Each snapshot is held from before its first byte on: the target may have it when this process is gone, and one
    /// that it reads as and that is gone here would be the end of the mirror. What was not begun is held only while
    /// this process lives.
    private func transfer(
        _ plan: SendPlan, from base: String?, _ peer: MirrorPeer
    ) throws -> SendReport {
        let compression = record.compressionLevel.map { StreamCompression.zstd(level: $0) }
        let (catalog, owner, reason) = (context.catalog, record.owner, sendingReason)
        return try peer.stream(from: base) { sink in
            let session = try TurnSession(context, plan.volume)
            defer { session.close() }
            session.yield(whileWaitingFor: sink)
            let sender = SnapshotSender(context, plan, session)
            sender.beforeSnapshot = { try catalog.hold($0, owner: owner, reason: reason) }
            return try sender.run(compression ?? .none, to: sink)
        }
    }

    private mutating func conclude(_ known: [Known], _ peer: MirrorPeer) throws {
        let there = try peer.received()
        guard let newest = known.last, let last = there.last, last.uuid == newest.uuid else {
            throw Problem(
                .failed, "\(record.target) does not have what was sent to it",
                hint: "run it again: \(.mirrorRun(record.name))")
        }
        try agree(newest, last.id, peer)
    }

    /// Moves the base on: the target holds the new one as well, the source records it, and then neither holds what was
    /// before. A cut in between leaves a base that both have, and the next run ends it.
    private mutating func agree(
        _ base: Known, _ targetID: SnapshotID, _ peer: MirrorPeer
    ) throws {
        guard !options.isDryRun else { return }
        let next = MirrorBase(
            uuid: base.uuid, id: base.manifest.id, ordinal: base.manifest.ordinal,
            takenAt: base.manifest.takenAt, targetID: targetID)
        try peer.order(
            PeerOrder(
                action: .hold, uuid: base.uuid,
                reason: "mirror \(record.name) of volume \(record.volume) goes on from it"))
        let reason = "the next transfer to \(record.target) starts from it"
        try context.catalog.hold(next.id, owner: record.owner, reason: reason)
        record.base = next
        try MirrorFolder(context.state).write(record)
        try peer.order(PeerOrder(action: .moved, uuid: base.uuid))
        try MirrorService(context: context).letGo(record.owner, keeping: next.id)
        try context.catalog.release(next.id, owner: record.owner, reason: sendingReason)
    }
}

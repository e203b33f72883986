internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// Compares a snapshot that both sides of a mirror have, by digests of what each reads: first of large units, then of small
/// ones within those that differ. Nothing else is sent, and nothing is changed.
final class MirrorVerifier {
    private let context: ManagerContext
    private let record: MirrorRecord
    private let patienceMilliseconds: Int
    /// The side that is repaired; nil for none.
    private let side: MirrorSide?
    private let isDryRun: Bool

    init(
        _ context: ManagerContext, _ record: MirrorRecord, repairing side: MirrorSide?,
        isDryRun: Bool, patienceMilliseconds: Int
    ) {
        self.context = context
        self.record = record
        self.side = side
        self.isDryRun = isDryRun
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// - Parameter reference: the snapshot; nil is the newest that both have.
    func run(_ reference: String?) throws -> MirrorVerification {
        let start = context.clock.monotonicNanoseconds()
        let volume = try requireVolume()
        let wanted = try reference.map { try ReferenceResolver(context).snapshot($0) }
        let peer = try MirrorPeer(context, record, patienceMilliseconds: patienceMilliseconds)
        defer { peer.end() }
        var greeting = try MirrorPeer.greeting(
            context, record, volume, isPreview: side != .target || isDryRun)
        // A run may go on beside it: which one it goes on from is the run's to say.
        greeting.base = nil
        let offer = try peer.greet(greeting)
        guard offer.isComparable == true else {
            throw Problem(
                .refused, "snapmgr at \(record.target) is older, and cannot compare",
                hint: "install this version there, too")
        }
        // Looked up and held while nobody deletes any.
        let (manifest, there, hold) = try Reconciler(context).withVolume(record.volume) { volume in
            let known = try context.reader(volume).state().readable
            let (manifest, there) = try common(known, wanted, volume, offer)
            return (
                manifest, there,
                try SendingHolds(context).hold([manifest.id], of: record.volume)
            )
        }
        defer { withExtendedLifetime(hold) {} }
        var result = MirrorVerification(
            mirror: record.name, volume: record.volume, target: record.target,
            snapshot: manifest.id, targetID: there.id, uuid: there.uuid,
            comparedBytes: manifest.volumeBytes, ranges: [])
        let session = try TurnSession(context, volume)
        defer { session.close() }
        let digests = ViewDigests(SnapshotContent(session, manifest.id))
        let comparison = MirrorComparison(context, record, peer, digests, uuid: there.uuid)
        result.ranges = try comparison.differences(in: manifest.volumeBytes)
        try repair(&result, manifest, volume, session, comparison, peer, offer)
        result.milliseconds = (context.clock.monotonicNanoseconds() - start) / 1_000_000
        return result
    }

    /// Finds out which side's seals say that what differs is damaged there, and repairs it where that is wanted.
    private func repair(
        _ result: inout MirrorVerification, _ manifest: SnapshotManifest, _ volume: VolumeRow,
        _ session: TurnSession, _ comparison: MirrorComparison, _ peer: MirrorPeer,
        _ offer: PeerOffer
    ) throws {
        guard !result.isSame else { return }
        guard let chunkBytes = offer.chunkBytes else {
            guard side == nil else {
                throw Problem(
                    .refused, "snapmgr at \(record.target) is older, and cannot repair",
                    hint: "install this version there, too")
            }
            return
        }
        guard Geometry.chunkBytesAllowed.contains(chunkBytes), chunkBytes.nonzeroBitCount == 1
        else { throw Problem(.corrupt, "\(record.target) does not answer as snapmgr does") }
        let repair = try MirrorRepair(
            context, volume, manifest, session, peer, uuid: result.uuid, result.ranges,
            chunkBytesThere: chunkBytes)
        (result.damagedHere, result.damagedThere) = (repair.here.damaged, repair.there.damaged)
        guard let side else { return }
        var report = MirrorRepairReport(side, isDryRun: isDryRun)
        let reasons = try repair.run(side, isDryRun: isDryRun, &report)
        var still: [Range<Int>] = []
        if isDryRun {
            still = Ranges.subtracting(report.mended, from: result.ranges)
        } else {
            still = try comparison.differences(within: repair.ranges)
        }
        report.left = Ranges.pieces(still, of: repair.chunkBytes(side)).map {
            ($0, reasons($0.lowerBound))
        }
        result.repair = report
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

    private func common(
        _ known: [SnapshotManifest], _ wanted: SnapshotRow?, _ volume: VolumeRow,
        _ offer: PeerOffer
    ) throws -> (SnapshotManifest, PeerOffer.Snapshot) {
        let there = Dictionary(offer.snapshots.map { ($0.uuid, $0) }) { first, _ in first }
        for manifest in known.reversed() where wanted.map({ $0.id == manifest.id }) ?? true {
            let uuid = try SnapshotIdentity.uuid(of: manifest, in: volume.record.uuid)
            if let snapshot = there[uuid] { return (manifest, snapshot) }
        }
        let what = wanted.map { "snapshot \($0.id)" } ?? "any snapshot of volume \(record.volume)"
        throw Problem(
            .notFound, "\(record.target) does not have \(what)",
            hint:
                "see what it has: \(.mirrorList); to send what it lacks: \(.mirrorRun(record.name))"
        )
    }
}

extension MirrorService {
    /// Compares what both sides have of a snapshot, without sending it, and repairs what differs where that is wanted.
    ///
    /// - Parameters:
    ///   - reference: a snapshot of the mirror's volume; nil is the newest that both have.
    ///   - side: what is written to: only what is not what was sealed there, with what was; nil changes nothing.
    ///   - patienceMilliseconds: how long the target may do nothing.
    /// - Throws: `notFound` when the target does not have it, `locked` when what is to be repaired is open.
    package func verify(
        _ name: String, snapshot reference: String? = nil, repairing side: MirrorSide? = nil,
        isDryRun: Bool = false, patienceMilliseconds: Int = 600_000
    ) throws -> MirrorVerification {
        let record = try require(name)
        return try context.asJob(.mirror, of: [record.volume]) { context in
            let result = try MirrorVerifier(
                context, record, repairing: side, isDryRun: isDryRun,
                patienceMilliseconds: patienceMilliseconds
            ).run(reference)
            try MirrorService(context: context).log(result)
            return result
        }
    }

    private func log(_ result: MirrorVerification) throws {
        let words =
            "mirror \(result.mirror): snapshot \(result.snapshot) and its copy at \(result.target) "
        if result.isSame {
            try context.log(
                .mirrorVerified, words + "are the same", volume: result.volume,
                snapshot: result.snapshot)
        } else {
            try context.log(
                .error, .mirrorDiffers, words + "differ in \(result.differingBytes) bytes",
                volume: result.volume, snapshot: result.snapshot)
        }
        guard let repair = result.repair, !repair.isDryRun, !repair.mended.isEmpty else { return }
        try context.log(
            .warning, .mirrorMended,
            words
                + "differed: \(repair.mendedBytes) bytes were mended at the \(repair.side.rawValue)",
            volume: result.volume, snapshot: result.snapshot)
    }
}

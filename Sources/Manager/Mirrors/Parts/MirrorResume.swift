internal import SnapshotModel
internal import Stream
internal import System
internal import VolumeAccess

/// Goes on with a snapshot whose transfer was cut. What the target says that it has of it is compared with what it would
/// be sent: from the first byte that differs, it is sent.
struct MirrorResume {
    private let part: PeerPart

    /// Content is compared in units of so many bytes.
    private static let unitBytes = 64 << 10
    /// What lies between two stretches that were changed, and is no longer, is compared with them: it is asked for at once.
    private static let gapBytes = 1 << 20

    /// Nil when the target has nothing of what is sent first.
    init?(_ part: PeerPart?, _ plan: SendPlan) {
        guard let part, let first = plan.steps.first?.snapshot, first.uuid == part.uuid,
            first.base?.uuid == part.base, part.byteCount >= Self.unitBytes,
            part.byteCount <= first.volumeBytes
        else { return nil }
        self.part = part
    }

    /// Up to where the part may be compared.
    var end: Int { part.byteCount / Self.unitBytes * Self.unitBytes }

    /// Up to where the target has what it should have; 0 when it has nothing.
    func proven(
        _ plan: SendPlan, _ context: ManagerContext, _ record: MirrorRecord, _ peer: MirrorPeer
    ) throws -> Int {
        guard let first = plan.steps.first else { return 0 }
        let ranges = try compared(plan, first)
        let session = try TurnSession(context, plan.volume)
        defer { session.close() }
        let digests = ViewDigests(SnapshotContent(session, first.snapshot.id))
        return try MirrorComparison(context, record, peer, digests, uuid: part.uuid)
            .firstDifference(within: ranges, unit: Self.unitBytes) ?? end
    }

    /// What was sent of the part, by whole units.
    private func compared(_ plan: SendPlan, _ first: SendPlan.Step) throws -> [Range<Int>] {
        let unit = Self.unitBytes
        var ranges: [Range<Int>] = []
        try plan.forEachRange(of: first) { range in
            guard range.lowerBound < end else { return }
            let start = range.lowerBound / unit * unit
            let stop = min(end, range.upperBound.addingClamped(unit - 1) / unit * unit)
            // The stretch before it, when it is near.
            let last = ranges.last?.upperBound ?? 0
            let isNear = !ranges.isEmpty && start - last <= Self.gapBytes
            Ranges.append((isNear ? min(start, last) : start)..<stop, to: &ranges)
        }
        return ranges
    }
}

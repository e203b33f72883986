internal import SnapshotModel
internal import System

/// Compares what a snapshot here and one at the target read, by digests: first of large units, then of small ones within those
/// that differ. Nothing else is sent, and nothing is changed.
struct MirrorComparison {
    private let context: ManagerContext
    private let record: MirrorRecord
    private let peer: MirrorPeer
    private let digests: ViewDigests
    /// What the one at the target is known by.
    private let uuid: String

    /// In so many units that differ, small ones are compared; of more, all of each is told.
    private static let lookMaximum = 1024
    /// So many parts are asked for before the first one's answer is waited for: a long way there and back is waited for
    /// once, and not for each of them.
    private static let openMaximum = 8
    /// The same of parts that may be small and many. Their questions have room in what the connection holds.
    private static let smallOpenMaximum = 64
    /// Of what came of a snapshot, so many bytes are asked for at once: others wait for the volume meanwhile.
    private static let partSegmentBytes = 16 << 20

    init(
        _ context: ManagerContext, _ record: MirrorRecord, _ peer: MirrorPeer,
        _ digests: ViewDigests, uuid: String
    ) {
        self.context = context
        self.record = record
        self.peer = peer
        self.digests = digests
        self.uuid = uuid
    }

    /// Where the first so many bytes of both differ, ascending.
    func differences(in byteCount: Int) throws -> [Range<Int>] {
        let meter = TransferMeter(context, .checking, record.volume, totalBytes: byteCount)
        // What is not looked at any closer is put together at once: of that there may be any number.
        var (differing, others): ([Range<Int>], [Range<Int>]) = ([], [])
        let size = ViewDigests.segmentBytes
        let segments = stride(from: 0, to: byteCount, by: size).lazy.map {
            $0..<min(byteCount, $0.addingClamped(size))
        }
        try forEachDifference(
            in: segments, unit: ViewDigests.unitBytes,
            each: { part in
                if differing.count < Self.lookMaximum {
                    differing.append(part)
                } else {
                    Ranges.append(part, to: &others)
                }
            }, done: { meter.add($0.count) })
        var found = try differences(within: differing)
        for part in others { Ranges.append(part, to: &found) }
        return found
    }

    /// Where both differ within some ranges, which begin with small units.
    func differences(within ranges: [Range<Int>]) throws -> [Range<Int>] {
        var found: [Range<Int>] = []
        try forEachDifference(
            in: Ranges.pieces(ranges, of: ViewDigests.unitBytes), unit: ViewDigests.smallUnitBytes,
            each: { Ranges.append($0, to: &found) })
        return found
    }

    /// The first byte, by units, at which both differ within some ranges, whose ends are those of units; nil when nowhere.
    func firstDifference(within ranges: [Range<Int>], unit: Int) throws -> Int? {
        let meter = TransferMeter(
            context, .checking, record.volume, totalBytes: ranges.map(\.count).clampedSum)
        var first: Int?
        try forEachDifference(
            in: Ranges.pieces(ranges, of: Self.partSegmentBytes), unit: unit,
            openMaximum: Self.smallOpenMaximum, until: { first != nil },
            each: { first = first ?? $0.lowerBound }, done: { meter.add($0.count) })
        return first
    }

    /// Compares parts of the volume, in their order, and reads while the other side does. Once it is enough nothing more
    /// is asked for.
    private func forEachDifference(
        in parts: some Sequence<Range<Int>>, unit: Int, openMaximum: Int = openMaximum,
        until isEnough: () -> Bool = { false }, each: (Range<Int>) -> Void,
        done: (Range<Int>) -> Void = { _ in }
    ) throws {
        var rest = parts.makeIterator()
        var asked: [Range<Int>] = []
        while true {
            while !isEnough(), asked.count < openMaximum, let part = rest.next() {
                try peer.ask(
                    PeerOrder(
                        action: .digests, uuid: uuid, offset: part.lowerBound, length: part.count,
                        unit: unit))
                asked.append(part)
            }
            guard let part = asked.first else { return }
            try context.end.check()
            for range in try differences(in: part, unit: unit) { each(range) }
            done(part)
            asked.removeFirst()
        }
    }

    /// Those of a part that was asked for.
    private func differences(in range: Range<Int>, unit: Int) throws -> [Range<Int>] {
        let own = try digests.digests(of: range, unit: unit)
        let others = try peer.digests()
        guard others.count == own.count else {
            throw Problem(.corrupt, "\(record.target) does not answer what it was asked")
        }
        return own.indices.filter { own[$0] != others[$0] }.map { index in
            let start = range.lowerBound + index * unit
            return start..<min(range.upperBound, start + unit)
        }
    }
}

internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// What a target has of a snapshot whose transfer was cut: it has the volume open, until it is closed.
final class ReceivedPart {
    let uuid: String
    /// All of it up to so many bytes of the volume.
    let byteCount: Int
    /// When the transfer began.
    let begunAt: Timestamp
    let digests: ViewDigests
    private let receiver: any VolumeReceiver
    private var isOpen = true
    private let turn = Deadline(milliseconds: ReceivedPart.turnMilliseconds)

    /// As long as a session's.
    private static let turnMilliseconds = 1000

    /// - Throws: `notFound` when there is nothing of it any more.
    init(_ context: ManagerContext, _ volume: VolumeRow, _ uuid: String, of source: String) throws {
        try context.prepareStore(volume)
        let receiver = try context.driver(of: volume).receiver(of: volume.place)
        guard let note = receiver.halfReceived, note.snapshot == uuid, note.volume == source,
            let mark = note.mark
        else {
            receiver.close()
            throw Self.gone(volume)
        }
        self.uuid = uuid
        self.receiver = receiver
        byteCount = mark
        begunAt = note.begunAt
        digests = ViewDigests(PartContent(receiver))
    }

    deinit { close() }

    static func gone(_ volume: VolumeRow) -> Problem {
        Problem(
            .notFound,
            "volume \(volume.record.name) has nothing any more of the snapshot that was cut",
            hint: "run the mirror again: it begins anew")
    }

    /// Whether others are to have a turn with the volume.
    var isTurnOver: Bool { turn.hasPassed }

    func close() {
        guard isOpen else { return }
        isOpen = false
        receiver.close()
    }

    /// What is told to a source of what the volume has of one of its snapshots; nil when there is nothing.
    static func offered(
        _ context: ManagerContext, _ volume: VolumeRow, to source: String
    ) throws -> PeerPart? {
        guard let note = try context.inspector(volume).receiving(), note.volume == source,
            let mark = note.mark
        else { return nil }
        guard let ordinal = note.base else {
            return PeerPart(uuid: note.snapshot, base: nil, byteCount: mark)
        }
        guard
            let base = try context.reader(volume).state().readable.last(where: {
                $0.ordinal == ordinal
            })
        else { return nil }
        return PeerPart(
            uuid: note.snapshot, base: try SnapshotIdentity.uuid(of: base, in: volume.record.uuid),
            byteCount: mark)
    }

    /// What the snapshot of a source is known by of which a volume has a part; nil when it has none.
    static func snapshot(
        in volume: VolumeRow, of source: String, _ context: ManagerContext
    ) throws -> String? {
        guard let note = try context.inspector(volume).receiving(), note.volume == source,
            note.mark != nil
        else { return nil }
        return note.snapshot
    }
}

/// The volume's own content, as far as it has come.
private struct PartContent: ComparedContent {
    private let receiver: any VolumeReceiver

    init(_ receiver: any VolumeReceiver) { self.receiver = receiver }

    func extents(in range: Range<Int>) throws -> [Extent] {
        guard let data = try receiver.firstReceived(in: range) else {
            return [Extent(range: range, isHole: true)]
        }
        let hole = Extent(range: range.lowerBound..<data.lowerBound, isHole: true)
        return (hole.range.isEmpty ? [] : [hole]) + [Extent(range: data, isHole: false)]
    }

    func read(at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var elements = bytes.mutableSpan
        var span = elements.mutableBytes
        try receiver.readReceived(into: &span, at: offset)
        return bytes
    }
}

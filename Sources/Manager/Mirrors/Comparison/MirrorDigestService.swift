internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// What a target answers when it is asked to compare and to mend: of one of its snapshots, which is held meanwhile.
final class MirrorDigestService {
    private let context: ManagerContext
    /// What was asked for last: who asks compares one snapshot.
    private var open: Compared?
    /// The same of what has come of a snapshot.
    private var part: ReceivedPart?
    /// When the transfer began of which a part was compared first.
    private var begun: (uuid: String, at: Timestamp)?
    private var hold: SendingHold?
    /// What the seals say, as long as nothing is written.
    private var looker: SealMender?
    /// What writes, with the store's lock.
    private var mender: (SealMender, lock: FileLock?)?

    /// A snapshot that is compared.
    private struct Compared {
        var uuid: String
        var volume: VolumeRow
        var manifest: SnapshotManifest
        var session: TurnSession
        var digests: ViewDigests

        var byteCount: Int { manifest.volumeBytes }
    }

    init(_ context: ManagerContext) { self.context = context }

    deinit { letGo() }

    /// Longer than whoever waits for a volume takes to look again.
    private static let pauseMilliseconds = 50

    /// What only looks; nil of another order.
    func answer(to order: PeerOrder, _ greeting: PeerGreeting) throws -> PeerAnswer? {
        switch order.action {
        case .digests: PeerAnswer(digests: try digests(order, greeting))
        case .places: PeerAnswer(places: try places(order, of: greeting.volume))
        default: nil
        }
    }

    /// - Throws: `notFound` when there is no such snapshot.
    private func digests(_ order: PeerOrder, _ greeting: PeerGreeting) throws -> [String] {
        let (digests, byteCount) = try compared(order, greeting)
        mender = nil
        try context.end.check()
        let (range, unit) = try ViewDigests.range(
            order.offset, order.length, unit: order.unit, in: byteCount)
        do { return try digests.digests(of: range, unit: unit) } catch {
            // What has come of a snapshot and cannot be read comes again, and is written over: no digest is empty.
            guard let part, part.uuid == order.uuid, Problem(error).code == .inputOutput else {
                throw error
            }
            context.note(
                "volume \(greeting.volume): what has come of a snapshot is sent again where it cannot be read: "
                    + Problem(error).message)
            return [String](repeating: "", count: (range.count + unit - 1) / unit)
        }
    }

    private func compared(
        _ order: PeerOrder, _ greeting: PeerGreeting
    ) throws -> (digests: ViewDigests, byteCount: Int) {
        if part?.uuid == order.uuid, part?.isTurnOver == true {
            letGo()
            BackgroundThread.sleep(milliseconds: Self.pauseMilliseconds)
        }
        if let part, part.uuid == order.uuid { return (part.digests, part.byteCount) }
        if open?.uuid != order.uuid, let part = try openPart(order, greeting) {
            return (part.digests, part.byteCount)
        }
        let open = try opened(order, greeting.volume)
        return (open.digests, open.byteCount)
    }

    /// Nil when what is asked for is no snapshot of which there is a part.
    private func openPart(
        _ order: PeerOrder, _ greeting: PeerGreeting
    ) throws -> ReceivedPart? {
        let volume = try context.volume(greeting.volume)
        guard
            let uuid = try ReceivedPart.snapshot(in: volume, of: greeting.source, context),
            uuid == order.uuid
        else { return nil }
        rest()
        let opened = try ReceivedPart(context, volume, uuid, of: greeting.source)
        // Of what has begun anew nothing was compared.
        if let begun, begun.uuid == uuid, begun.at != opened.begunAt {
            throw ReceivedPart.gone(volume)
        }
        begun = (uuid, opened.begunAt)
        part = opened
        return opened
    }

    /// Whoever waits for a source lets the volume go until the next question: the source may be dead.
    func letGo() {
        open?.session.close()
        part?.close()
        part = nil
    }

    private func opened(_ order: PeerOrder, _ name: String) throws -> Compared {
        part?.close()
        part = nil
        if let open, open.uuid == order.uuid { return open }
        open?.session.close()
        (open, looker, mender) = (nil, nil, nil)
        // Looked up and held while nobody deletes any.
        let (volume, manifest, uuid) = try Reconciler(context).withVolume(name) { volume in
            let (manifest, uuid) = try find(order, volume)
            hold = try SendingHolds(context).hold([manifest.id], of: name)
            return (volume, manifest, uuid)
        }
        let session = try TurnSession(context, volume)
        let compared = Compared(
            uuid: uuid, volume: volume, manifest: manifest, session: session,
            digests: ViewDigests(SnapshotContent(session, manifest.id)))
        open = compared
        return compared
    }

    private func find(
        _ order: PeerOrder, _ volume: VolumeRow
    ) throws -> (SnapshotManifest, uuid: String) {
        let found = try context.reader(volume).state().readable.last {
            try SnapshotIdentity.uuid(of: $0, in: volume.record.uuid) == order.uuid
        }
        guard let manifest = found, let uuid = order.uuid else {
            throw Problem(
                .notFound,
                "volume \(volume.record.name) does not have the snapshot that is to be compared")
        }
        return (manifest, uuid)
    }

    /// Gives the volume up until the next question: what else is ordered may write to it. The snapshot stays held.
    func rest() {
        letGo()
        (looker, mender) = (nil, nil)
    }

    // MARK: Seals

    /// What the seals say of a part.
    private func places(_ order: PeerOrder, of name: String) throws -> [PeerPlace] {
        let open = try opened(order, name)
        try context.end.check()
        let (range, _) = try ViewDigests.range(
            order.offset, order.length, unit: ViewDigests.smallUnitBytes, in: open.byteCount)
        return SealedPlaces(
            try look(at: range, open), volumeBytes: open.byteCount, try looker(open).chunkBytes
        ).peerPlaces
    }

    private func looker(_ open: Compared) throws -> SealMender {
        if let looker { return looker }
        let made = try SealMender(FileFolder(path: open.volume.storePath))
        looker = made
        return made
    }

    private func look(at range: Range<Int>, _ open: Compared) throws -> SealMender.Look {
        let looker = try looker(open)
        return try looker.look(
            confirmed: ChunkSet(
                Geometry(volumeBytes: open.byteCount, chunkBytes: looker.chunkBytes)
                    .chunks(touching: range)), of: open.manifest.id)
    }

    /// The content of a part; nil when some of it is not what was sealed, and of what did not come from the volume that
    /// asks.
    func content(_ order: PeerOrder, _ greeting: PeerGreeting) throws -> [UInt8]? {
        let open = try opened(order, greeting.volume)
        mender = nil
        // What a volume gets back is what it has sent. It may ask for others: that they are here is all that it knows.
        guard open.manifest.source?.volume == greeting.source else { return nil }
        let (range, _) = try ViewDigests.range(
            order.offset, order.length, unit: ViewDigests.smallUnitBytes, in: open.byteCount)
        guard range.count <= Geometry.chunkBytesAllowed.upperBound else {
            throw Problem(.corrupt, "what is to be given is more than a chunk")
        }
        guard try look(at: range, open).damaged.isEmpty else { return nil }
        return try open.session.read(open.manifest.id, at: range.lowerBound, count: range.count)
            .bytes
    }

    /// Puts a chunk right whose seal says that it is not what it was.
    ///
    /// - Returns: whether what came is what was sealed; else nothing is written.
    /// - Throws: `locked` while somebody has the volume open.
    func mend(
        _ order: PeerOrder, _ bytes: [UInt8], _ greeting: PeerGreeting
    ) throws -> Bool {
        let open = try opened(order, greeting.volume)
        guard let offset = order.offset, offset >= 0, offset < open.byteCount,
            order.length == bytes.count
        else { throw Problem(.corrupt, "what is to be mended is no part of a volume") }
        open.session.close()
        let mender = try mender(open, greeting)
        let chunk = Geometry(volumeBytes: open.byteCount, chunkBytes: mender.chunkBytes)
            .chunk(containing: offset)
        let look = try mender.look(
            at: ChunkSet(chunk..<chunk.advanced(by: 1)), of: open.manifest.id)
        guard let damage = look.damaged.first, damage.bytes == offset..<offset + bytes.count
        else { return false }
        return try mender.mend(damage, with: bytes.span.bytes, isDryRun: false)
    }

    private func mender(_ open: Compared, _ greeting: PeerGreeting) throws -> SealMender {
        if let mender { return mender.0 }
        let lock = try open.volume.lock()
        let made = try SealMender(FileFolder(path: open.volume.storePath))
        mender = (made, lock)
        looker = nil
        try context.log(
            .warning, .mirrorMended,
            "the mirror of volume \(greeting.sourceName) mends what snapshot \(open.manifest.id) holds",
            volume: open.volume.record.name, snapshot: open.manifest.id)
        return made
    }
}

/// What seals say of a part of a snapshot, in bytes of the volume.
struct SealedPlaces {
    var damaged: [Range<Int>]
    var sound: [Range<Int>]

    init(_ look: SealMender.Look, volumeBytes: Int, _ chunkBytes: Int) {
        let geometry = Geometry(volumeBytes: volumeBytes, chunkBytes: chunkBytes)
        damaged = look.damaged.map(\.bytes)
        sound = look.sound.ranges.map { geometry.bytes(of: $0) }
    }

    init(_ places: [PeerPlace]) {
        func ranges(_ isDamaged: Bool) -> [Range<Int>] {
            places.filter { $0.isDamaged == isDamaged }.map { $0.offset..<$0.offset + $0.length }
        }
        (damaged, sound) = (ranges(true), ranges(false))
    }

    var peerPlaces: [PeerPlace] {
        func places(_ ranges: [Range<Int>], _ isDamaged: Bool) -> [PeerPlace] {
            ranges.map {
                PeerPlace(offset: $0.lowerBound, length: $0.count, isDamaged: isDamaged)
            }
        }
        return places(damaged, true) + places(sound, false)
    }
}

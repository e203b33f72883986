internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// Repairs what two sides have of a snapshot, by their seals: what is not what was sealed on one side is written there, as
/// the other side has it, when that is what was sealed. What the other side's own seal contradicts is never sent.
final class MirrorRepair {
    private let context: ManagerContext
    private let volume: VolumeRow
    private let manifest: SnapshotManifest
    private let session: TurnSession
    private let peer: MirrorPeer
    private let uuid: String
    private let chunkBytesHere: Int
    private let chunkBytesThere: Int

    /// What differs, in whole chunks of both sides.
    let ranges: [Range<Int>]
    /// What the seals say of it, here and there.
    private(set) var here: SealedPlaces
    private(set) var there: SealedPlaces
    /// Where what came was not what was sealed, and where there was nothing that could be sent.
    private var others: Set<Int> = []
    private var contradicted: Set<Int> = []

    /// So much is asked about at once.
    private static let partBytes = 16 << 20

    /// Asks both sides' seals.
    init(
        _ context: ManagerContext, _ volume: VolumeRow, _ manifest: SnapshotManifest,
        _ session: TurnSession, _ peer: MirrorPeer, uuid: String, _ ranges: [Range<Int>],
        chunkBytesThere: Int
    ) throws {
        self.context = context
        self.volume = volume
        self.manifest = manifest
        self.session = session
        self.peer = peer
        self.uuid = uuid
        self.chunkBytesThere = chunkBytesThere
        let looker = try SealMender(FileFolder(path: volume.storePath))
        chunkBytesHere = looker.chunkBytes
        self.ranges = Ranges.widened(
            ranges, to: max(chunkBytesHere, chunkBytesThere), in: manifest.volumeBytes)
        (here, there) = (SealedPlaces([]), SealedPlaces([]))
        for part in Ranges.pieces(self.ranges, of: Self.partBytes) {
            try context.end.check()
            try peer.ask(
                PeerOrder(
                    action: .places, uuid: uuid, offset: part.lowerBound, length: part.count,
                    unit: ViewDigests.smallUnitBytes))
            here.add(try look(looker, part))
            there.add(try peer.places(in: part))
        }
    }

    func chunkBytes(_ side: MirrorSide) -> Int {
        side == .source ? chunkBytesHere : chunkBytesThere
    }

    private func look(_ looker: SealMender, _ part: Range<Int>) throws -> SealedPlaces {
        let geometry = Geometry(volumeBytes: manifest.volumeBytes, chunkBytes: chunkBytesHere)
        return SealedPlaces(
            try looker.look(
                confirmed: ChunkSet(geometry.chunks(touching: part)), of: manifest.id),
            volumeBytes: manifest.volumeBytes, chunkBytesHere)
    }

    /// - Returns: why a byte that still differs was not mended.
    func run(
        _ side: MirrorSide, isDryRun: Bool, _ report: inout MirrorRepairReport
    ) throws -> (Int) -> MirrorLeftReason {
        switch side {
        case .target: try mendTarget(isDryRun, &report)
        case .source: try mendSource(isDryRun, &report)
        }
        let (places, unit) = (side == .source ? here : there, chunkBytes(side))
        let (contradicted, others) = (contradicted, others)
        return { offset in
            let start = offset / unit * unit
            if contradicted.contains(start) { return .contradicted }
            if others.contains(start) { return .other }
            return Ranges.contain(places.sound, offset) ? .sound : .unproven
        }
    }

    private func mendTarget(_ isDryRun: Bool, _ report: inout MirrorRepairReport) throws {
        for place in Ranges.pieces(there.damaged, of: chunkBytesThere) {
            try context.end.check()
            // What is written there is a chunk of that side's as a whole, and nothing else.
            let chunk = Ranges.widened([place], to: chunkBytesThere, in: manifest.volumeBytes)[0]
            guard !here.damaged.contains(where: { $0.overlaps(chunk) }) else {
                contradicted.insert(chunk.lowerBound)
                continue
            }
            if !isDryRun {
                let content = try session.read(
                    manifest.id, at: chunk.lowerBound, count: chunk.count)
                guard try peer.mend(uuid, at: chunk.lowerBound, content.bytes) else {
                    others.insert(chunk.lowerBound)
                    continue
                }
            }
            Ranges.append(chunk, to: &report.mended)
        }
    }

    private func mendSource(_ isDryRun: Bool, _ report: inout MirrorRepairReport) throws {
        session.close()
        let lock = try isDryRun ? nil : volume.lock()
        defer { withExtendedLifetime(lock) {} }
        let mender = try SealMender(FileFolder(path: volume.storePath))
        let geometry = Geometry(volumeBytes: manifest.volumeBytes, chunkBytes: chunkBytesHere)
        for place in here.damaged {
            try context.end.check()
            // As it is now.
            let look = try mender.look(
                at: ChunkSet(geometry.chunks(touching: place)), of: manifest.id)
            for damage in look.damaged {
                let start = damage.bytes.lowerBound
                guard let content = try peer.content(uuid, damage.bytes) else {
                    contradicted.insert(start)
                    continue
                }
                let isMended = try mender.mend(
                    damage, with: content.span.bytes, isDryRun: isDryRun)
                if isMended {
                    Ranges.append(damage.bytes, to: &report.mended)
                } else {
                    others.insert(start)
                }
            }
        }
    }
}

extension SealedPlaces {
    /// Those of a part behind the others.
    mutating func add(_ places: SealedPlaces) {
        for range in places.damaged.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            Ranges.append(range, to: &damaged)
        }
        for range in places.sound.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            Ranges.append(range, to: &sound)
        }
    }
}

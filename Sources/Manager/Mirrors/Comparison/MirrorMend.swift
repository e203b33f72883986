internal import Catalog
internal import SnapshotModel
internal import StoreFormat
internal import Stream
internal import System
internal import VolumeAccess

/// Repairs what frozen areas of a volume hold from a mirror's copies: all that is not what was sealed, with what was.
struct MirrorMend {
    private let context: ManagerContext
    private let record: MirrorRecord
    private let isDryRun: Bool
    private let patienceMilliseconds: Int

    init(
        _ context: ManagerContext, _ record: MirrorRecord, isDryRun: Bool,
        patienceMilliseconds: Int
    ) {
        self.context = context
        self.record = record
        self.isDryRun = isDryRun
        self.patienceMilliseconds = patienceMilliseconds
    }

    /// - Throws: `locked` when somebody has the volume open; what the target says.
    func run() throws -> [Finding] {
        // The name is not kept: all is read, and the target may take its time. Whoever mends has the store.
        let volume = try Reconciler(context).withVolume(record.volume) { volume in
            if context.isActive(volume) { try context.withSession(volume) { _ in } }
            return volume
        }
        let lock = try isDryRun ? nil : volume.lock()
        defer { withExtendedLifetime(lock) {} }
        let mender = try SealMender(FileFolder(path: volume.storePath))
        let end = context.end
        let damage = try mender.findAll { () throws(Problem) in try end.check() }
        guard !damage.isEmpty else { return [] }
        return try mend(damage, mender, volume)
    }

    private func mend(
        _ damage: [SealMender.Damage], _ mender: SealMender, _ volume: VolumeRow
    ) throws -> [Finding] {
        let peer = try MirrorPeer(context, record, patienceMilliseconds: patienceMilliseconds)
        defer { peer.end() }
        let offer = try peer.greet(
            MirrorPeer.greeting(context, record, volume, isPreview: true))
        guard offer.chunkBytes != nil else {
            throw Problem(
                .refused, "snapmgr at \(record.target) is older, or has no such volume",
                hint: "install this version there, too")
        }
        let uuids = try copies(volume, offer)
        var (mended, left) = ([Place: [Range<Int>]](), [Place: [Range<Int>]]())
        do {
            for item in damage {
                try context.end.check()
                let place = Place(area: item.area, readers: item.readers)
                if try isMended(item, mender, uuids, peer) {
                    Ranges.append(item.bytes, to: &mended[place, default: []])
                } else {
                    Ranges.append(item.bytes, to: &left[place, default: []])
                }
            }
        } catch {
            // What was written before it is told, too.
            try? log(mended, volume)
            throw error
        }
        try log(mended, volume)
        return findings(mended, isMended: true) + findings(left, isMended: false)
    }

    /// A chunk that the disk here does not take is left as it is, and is no matter of the others.
    private func isMended(
        _ damage: SealMender.Damage, _ mender: SealMender,
        _ copies: [SnapshotID: (uuid: String, byteCount: Int)], _ peer: MirrorPeer
    ) throws -> Bool {
        for (bytes, uuid) in Self.asked(damage.readers, damage.bytes, copies) {
            guard let content = try peer.content(uuid, bytes) else { continue }
            do throws(Problem) {
                if try mender.mend(damage, with: content.span.bytes, isDryRun: isDryRun) {
                    return true
                }
            } catch {
                guard error.code == .inputOutput else { throw error }
                context.note(error.message)
                return false
            }
        }
        return false
    }

    /// Ranges that the same snapshots read from one area.
    private struct Place: Hashable {
        var area: SnapshotOrdinal
        var readers: [SnapshotID]
    }

    /// What the snapshots here that the target has are known by, and their sizes.
    private func copies(
        _ volume: VolumeRow, _ offer: PeerOffer
    ) throws -> [SnapshotID: (uuid: String, byteCount: Int)] {
        let there = Set(offer.snapshots.map(\.uuid))
        var result: [SnapshotID: (uuid: String, byteCount: Int)] = [:]
        for manifest in try context.reader(volume).state().readable {
            let uuid = try SnapshotIdentity.uuid(of: manifest, in: volume.record.uuid)
            if there.contains(uuid) { result[manifest.id] = (uuid, manifest.volumeBytes) }
        }
        return result
    }

    /// Copies that have the chunk, the newest first: some of them, as all that were not altered have the same there.
    static func asked(
        _ readers: [SnapshotID], _ bytes: Range<Int>,
        _ copies: [SnapshotID: (uuid: String, byteCount: Int)]
    ) -> [(bytes: Range<Int>, uuid: String)] {
        var result: [(bytes: Range<Int>, uuid: String)] = []
        for reader in readers.reversed() where result.count < askedMaximum {
            guard let copy = copies[reader], bytes.lowerBound < copy.byteCount else { continue }
            result.append((bytes.clamped(to: 0..<copy.byteCount), copy.uuid))
        }
        return result
    }

    private static let askedMaximum = 4

    private func log(_ mended: [Place: [Range<Int>]], _ volume: VolumeRow) throws {
        guard !isDryRun, !mended.isEmpty else { return }
        let bytes = mended.values.flatMap { $0 }.map(\.count).clampedSum
        try context.log(
            .warning, .mirrorMended,
            "\(bytes) bytes that volume \(record.volume) has preserved were mended from \(record.target)",
            volume: record.volume)
    }

    private func findings(_ places: [Place: [Range<Int>]], isMended: Bool) -> [Finding] {
        places.sorted {
            ($0.key.area, $0.value[0].lowerBound) < ($1.key.area, $1.value[0].lowerBound)
        }
        .map { place, ranges in
            let bytes = ranges.map(\.count).clampedSum
            let what =
                "\(bytes) bytes of the volume from byte \(ranges[0].lowerBound) on, in the area of the snapshot "
                + "with number \(place.area.rawValue), "
            let words =
                isMended
                ? isDryRun ? "would be mended from" : "are what was sealed again, from"
                : "are not what was sealed, and are not to be had as it from"
            var finding = Finding(
                isMended && !isDryRun ? .note : .damage, object: "data",
                message: what + "\(words) \(record.target)",
                remedy: isMended && isDryRun ? "run it without --dry-run" : nil,
                isRepairable: isMended)
            finding.snapshots = place.readers
            finding.ranges = ranges
            return finding
        }
    }
}

extension MirrorService {
    /// Repairs what a volume has preserved from a mirror: what is not what was sealed, with what was. At the target nothing
    /// is changed.
    ///
    /// - Parameters:
    ///   - source: a mirror's name, or its target, as `mirror add` takes it.
    ///   - volume: the volume; nil is the mirror's.
    /// - Returns: the volume, and what was found and mended, or would be.
    /// - Throws: `locked` when somebody has the volume open, `usage` when the mirror is another volume's.
    package func mend(
        from source: String, _ volume: String?, isDryRun: Bool, patienceMilliseconds: Int = 600_000
    ) throws -> CheckReport {
        let record = try record(of: source, volume)
        return try context.asJob(.check, of: [record.volume]) { context in
            let findings = try MirrorMend(
                context, record, isDryRun: isDryRun, patienceMilliseconds: patienceMilliseconds
            ).run()
            return CheckReport(
                items: findings.map { CheckReport.Item(volume: record.volume, finding: $0) },
                volumes: [record.volume])
        }
    }

    private func record(of source: String, _ volume: String?) throws -> MirrorRecord {
        guard source.contains("://") else {
            let record = try require(source)
            guard volume.map({ $0 == record.volume }) ?? true else {
                throw Problem(
                    .usage, "mirror \(source) is one of volume \(record.volume)",
                    hint: "name that volume, or a mirror of volume \(volume ?? ""): \(.mirrorList)")
            }
            return record
        }
        guard let volume else {
            throw Problem(
                .usage, "which volume is to be repaired is not said",
                hint: "name it: \(.help(["check"]))")
        }
        let row = try context.volume(volume)
        return MirrorRecord(
            name: volume, volume: volume, volumeUUID: row.record.uuid,
            target: try MirrorTarget(source).description, onRevert: .ask,
            addedAt: context.clock.now())
    }
}

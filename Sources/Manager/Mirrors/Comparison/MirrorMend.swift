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
        try Reconciler(context).withVolume(record.volume) { volume in
            if context.isActive(volume) { try context.withSession(volume) { _ in } }
            let lock = try isDryRun ? nil : volume.lock()
            defer { withExtendedLifetime(lock) {} }
            let mender = try SealMender(FileFolder(path: volume.storePath))
            let end = context.end
            let damage = try mender.findAll { () throws(Problem) in try end.check() }
            guard !damage.isEmpty else { return [] }
            return try mend(damage, mender, volume)
        }
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
        for item in damage {
            try context.end.check()
            let place = Place(area: item.area, readers: item.readers)
            if try mend(item, mender, uuids, peer) {
                Ranges.append(item.bytes, to: &mended[place, default: []])
            } else {
                Ranges.append(item.bytes, to: &left[place, default: []])
            }
        }
        try log(mended, volume)
        return findings(mended, isMended: true) + findings(left, isMended: false)
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

    /// Asks for one that reads it after the other, the newest first.
    private func mend(
        _ damage: SealMender.Damage, _ mender: SealMender,
        _ copies: [SnapshotID: (uuid: String, byteCount: Int)], _ peer: MirrorPeer
    ) throws -> Bool {
        for reader in damage.readers.reversed() {
            guard let copy = copies[reader], damage.bytes.lowerBound < copy.byteCount else {
                continue
            }
            let bytes = damage.bytes.clamped(to: 0..<copy.byteCount)
            guard let content = try peer.content(copy.uuid, bytes) else { continue }
            if try mender.mend(damage, with: content.span.bytes, isDryRun: isDryRun) {
                return true
            }
        }
        return false
    }

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

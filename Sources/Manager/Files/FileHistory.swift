internal import Catalog
internal import FileSystems
internal import SnapshotModel
internal import StoreFormat
internal import System
internal import VolumeAccess

/// Looks up the same paths in many snapshots of a volume, from the newest one back.
///
/// An older snapshot differs from the next one in what the areas between the two hold, and they hold its
/// content. So what was read of the next one is brought up to date from there. When none of it has changed,
/// the answer cannot have: it follows from what was read, whatever filesystem that is.
final class FileHistory {
    typealias Answer = Result<[NodePath: FileNode], Problem>

    private let context: ManagerContext
    private let volume: VolumeRow
    private let session: any VolumeSession
    private let partition: Int?
    private let areas: AreaMaps
    /// While a merge runs, what it has not copied yet is in other areas.
    private let isMerging: Bool
    /// Whether what has changed between two snapshots lies in areas; else each is read by itself.
    private let readsAreas: Bool
    /// Of the snapshot that is looked at.
    private var chunks: Geometry
    private var current: Current?

    /// So many files fit a pattern at most.
    static let matchesMaximum = 10_000

    /// The snapshot that was looked at last.
    private struct Current {
        var row: SnapshotRow
        var source: StepBytes
        var bytes: WindowedBytes
        /// Where the bytes begin on the volume.
        var start: Int
        var answer: Answer
    }

    init(
        _ context: ManagerContext, _ volume: VolumeRow, _ session: any VolumeSession,
        _ partition: Int?
    ) throws {
        self.context = context
        self.volume = volume
        self.session = session
        self.partition = partition
        areas = AreaMaps(context, volume)
        isMerging = try areas.reader().runningRevert() != nil
        readsAreas = volume.record.hasAreas
        chunks = volume.record.geometry
    }

    /// - Parameter rows: by their ordinals; the answers are in the same order.
    func answers(_ pattern: PathPattern, in rows: [SnapshotRow]) throws -> [Answer] {
        var answers: [Answer] = []
        for row in rows.reversed() {
            try context.end.check()
            answers.append(try answer(pattern, row))
        }
        return answers.reversed()
    }

    private func answer(_ pattern: PathPattern, _ row: SnapshotRow) throws -> Answer {
        if try isUnchanged(row), let answer = current?.answer { return answer }
        var next = try current ?? opened(row)
        next.row = row
        next.answer = try look(pattern, next)
        current = next
        return next.answer
    }

    /// Brings what was read up to date; whether nothing of it has changed. What cannot be brought is forgotten.
    private func isUnchanged(_ row: SnapshotRow) throws -> Bool {
        guard var next = current else { return false }
        guard !isMerging, readsAreas, next.row.volumeBytes == row.volumeBytes,
            row.ordinal < next.row.ordinal
        else {
            current = nil
            return false
        }
        chunks.volumeBytes = row.volumeBytes
        let isChanged = try bringUp(&next, with: row.ordinal..<next.row.ordinal)
        next.row = row
        next.source.snapshot = row.id
        current = next
        return !isChanged
    }

    /// Whether anything has changed by what some areas hold. Meanwhile a fold may move that from one of them
    /// into an older one, and free it where it was: what was read counts when the areas' maps are the same
    /// afterwards.
    private func bringUp(
        _ next: inout Current, with ordinals: Range<SnapshotOrdinal>
    ) throws -> Bool {
        var maps = try areas.stored(in: ordinals)
        var isChanged = false
        for _ in 0..<Self.attemptsMaximum {
            var hasRead = false
            do {
                let start = next.start
                let isNew = try next.bytes.update { window in
                    let range = window.lowerBound + start..<window.upperBound + start
                    let parts = try parts(of: range, maps)
                    hasRead = hasRead || !parts.isEmpty
                    return parts
                }
                isChanged = isChanged || isNew
                guard hasRead else { return isChanged }
            } catch let problem as Problem where problem.code == .notFound {
                // The area has gone since its map was read.
                isChanged = true
            }
            let now = try areas.stored(in: ordinals)
            guard now != maps else { return isChanged }
            maps = now
        }
        throw Problem(
            .failed, "what snapshots of volume \(volume.record.name) hold is being moved",
            hint: "try again")
    }

    /// A fold moves many megabytes at a time: nobody meets so many.
    private static let attemptsMaximum = 64

    /// What areas hold of a range of the volume, the oldest of them last: it counts.
    private func parts(
        of range: Range<Int>, _ maps: [SnapshotOrdinal: ChunkMap]
    ) throws -> [(offset: Int, bytes: [UInt8])] {
        var parts: [(offset: Int, bytes: [UInt8])] = []
        let touched = chunks.chunks(touching: range)
        for (ordinal, map) in maps.sorted(by: { $0.key > $1.key }) {
            var index = map.firstRun(endingAfter: touched.lowerBound)
            while index < map.runs.count, map.runs[index].origin < touched.upperBound {
                let run = map.runs[index]
                let bytes = chunks.bytes(of: run.originRange).clamped(to: range)
                if !bytes.isEmpty {
                    let skipped = bytes.lowerBound - run.origin.rawValue * chunks.chunkBytes
                    let content = try areas.reader().areaContent(
                        ordinal, from: run.area, skipping: skipped, count: bytes.count)
                    parts.append((bytes.lowerBound - range.lowerBound, content))
                }
                index += 1
            }
        }
        return parts
    }

    private func opened(_ row: SnapshotRow) throws -> Current {
        let source = StepBytes(session, row.id, byteCount: row.volumeBytes)
        let part = try FileAccess.part(of: source, partition, name(row))
        let start = (part as? BytesPart)?.start ?? 0
        return Current(
            row: row, source: source, bytes: WindowedBytes(part), start: start,
            answer: .success([:]))
    }

    private func name(_ row: SnapshotRow) -> String {
        "snapshot \(row.id) of volume \(volume.record.name)"
    }

    private func look(_ pattern: PathPattern, _ current: Current) throws -> Answer {
        current.bytes.beginTrace()
        let point = FilePoint(
            snapshot: current.row, volume: volume, byteCount: current.row.volumeBytes)
        do {
            let fileSystem = try FileAccess.open(current.bytes, point)
            return .success(try pattern.matches(in: fileSystem, limit: Self.matchesMaximum))
        } catch let problem as Problem where problem.isOfContent || problem.code == .refused {
            return .failure(problem)
        }
    }
}

/// The bytes of one snapshot after the other.
final class StepBytes: VolumeBytes {
    private let session: any VolumeSession
    let byteCount: Int
    var snapshot: SnapshotID

    init(_ session: any VolumeSession, _ snapshot: SnapshotID, byteCount: Int) {
        self.session = session
        self.snapshot = snapshot
        self.byteCount = byteCount
    }

    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(Problem) {
        try SessionBytes(session, snapshot, byteCount: byteCount).read(into: &buffer, at: offset)
    }
}

// Writes valid samples for the targets to start from, made by the engine itself, so that they
// always are of the present format.
import System
import FuzzSupport
import Glibc
import StoreFormat
import SnapshotModel
import VolumeAccess

@main
struct SeedWriter {
    let folder: String

    static func main() throws {
        guard CommandLine.arguments.count == 2 else {
            print("usage: seed-writer FOLDER")
            exit(2)
        }
        try SeedWriter(folder: CommandLine.arguments[1]).write()
    }

    private func write() throws {
        let sample = try SampleStore.make()
        try save(area(of: sample), "area", "engine")
        try save([1, 32, 20] + fullBlock(), "area", "full-block")
        for (index, chunks) in Self.areaChunks.enumerated() {
            try save([4, 4, 40] + entries(in: chunks), "area", "entries-\(index)")
        }
        let journal = sample.folder[SampleStore.journal] ?? []
        try save([0] + journal, "journal", "engine")
        try save([1] + journal, "journal", "sealed")
        let record = journal.dropFirst(MergeJournal.recordBytes)
        try save([2, 1] + record.dropFirst(16).prefix(16), "journal", "one-range")
        try save([2, 2] + [UInt8](repeating: 1, count: 64), "journal", "large-ranges")
        try save([1, 4, 0, 0, 0, 2, 0, 9, 8, 0, 16, 0, 0, 5], "write-back", "two-records")
        let records: [(UInt8, String)] = [
            (0, StoreLayout.volume), (1, StoreLayout.manifest(SnapshotOrdinal(rawValue: 1))),
            (2, StoreLayout.manifest(SnapshotOrdinal(rawValue: 3))),
            (3, StoreLayout.revert(RevertID(rawValue: 1))), (4, StoreLayout.originState),
            (5, StoreLayout.mergeLimits(RevertID(rawValue: 1))),
        ]
        for (selector, name) in records {
            let file = sample.folder[name] ?? []
            try save([selector] + file, "record", "file-\(selector)")
            let content = content(of: file)
            try save([selector | 0x80] + content, "record", "content-\(selector)")
            for (index, variant) in extremes(of: content).enumerated() {
                try save([selector | 0x80] + variant, "record", "extreme-\(selector)-\(index)")
            }
        }
        for (index, request) in requests.enumerated() {
            let line = try ControlWire.encode(request)
            try save([UInt8](line.dropLast()), "control", "request-\(index)")
        }
        for (index, rule) in Self.zoneRules.enumerated() {
            try save(SampleZone.file(rule: rule), "time-zone", "rule-\(index)")
        }
        for (index, calendar) in Self.calendars.enumerated() {
            try save(Array(calendar.utf8), "calendar", "text-\(index)")
        }
        for (index, text) in Self.retention.enumerated() {
            try save(Array(text.utf8), "retention", "text-\(index)")
        }
        for (index, runs) in [[], [(0, 2, 1)], [(0, 2, 1), (2, 1, 3), (7, 1, 1)]].enumerated() {
            try save([1] + indexMap(runs).dropLast(4), "index-map", "runs-\(index)")
        }
        for count in [0, 1, 3] { try save([3] + seal(of: count), "seal", "sums-\(count)") }
        try save([1, 1, 2, 5, 0, 4, 7, 9, 3], "chunk-map", "two-runs")
        try save([1, 1, 1, 0, 0, 0], "chunk-map", "one-run")
    }

    private static let zoneRules = [
        "UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<-03>3<-02>-1:30:15,J60/-2,300/25:30",
        "XXX3EDT4,0/0,J365/23",
    ]

    private static let calendars = [
        "Mon..Fri,Sun 2026-*-1,5/2 09..18:00/15", "*-02~07/1 2:30:0/0.25 Europe/Vienna", "hourly",
        "@1395716396", "Sat *:7", "02,03:30 UTC", "1h30m", "2 weeks",
    ]

    private static let retention = [
        "1x1h(keep=all) | 24x1h | 30x1d", "3x10m(keep=2)", "1y2m3d3h", "9999y", "2w 90min", "15m",
        "2 weeks", "quarter",
    ]

    private var requests: [VolumeRequest] {
        let snapshot = SnapshotRequest(
            id: SnapshotID(rawValue: 4),
            description: SnapshotDescription(name: "a", setVolumes: ["b"], tags: ["c"]))
        let revert = RevertRequest(
            id: RevertID(rawValue: 2), target: SnapshotID(rawValue: 1), safety: snapshot)
        return [
            .status, .snapshot(snapshot), .prepareRevert(revert), .holdIO(milliseconds: 50),
            .throttleMerge(bytesPerSecond: 1 << 20), .cancelMerge(RevertID(rawValue: 3)),
            .delete([SnapshotID(rawValue: 1)]), .export(SnapshotID(rawValue: 1), path: "/a"),
            .resize(bytes: 512),
        ]
    }

    /// A seal of so many exceptions.
    private func seal(of count: Int) -> [UInt8] {
        func snapshot(_ number: Int) -> IndexFollower {
            IndexFollower(
                ordinal: SnapshotOrdinal(rawValue: number), id: SnapshotID(rawValue: Int64(number)),
                takenAt: Timestamp(stored: Int64(number)))
        }
        let header = SealHeader(
            chunkBytes: 4096, uuid: "00000000-0000-4000-8000-000000000001", owner: snapshot(1),
            follower: snapshot(2), digest: AreaDigest(exceptionCount: count, checksum: 7),
            listsChecksum: 8, sealedAt: Timestamp(stored: 9), isLate: false, isGrowing: count == 3,
            root: [UInt8](repeating: 5, count: 32))
        return SealFormat.encode(header) + [UInt8](repeating: 6, count: 8 * count + 4)
    }

    /// A map of the index, of the areas 1 and 3, with these runs: first chunk, length, ordinal.
    private func indexMap(_ runs: [(Int, Int, Int)]) -> [UInt8] {
        let volume = VolumeRecord(
            name: "fuzz", uuid: "00000000-0000-4000-8000-000000000001", driver: "image",
            originPath: "/origin", geometry: Geometry(volumeBytes: 1 << 20, chunkBytes: 4096),
            storeFullPolicy: .breakWrites, createdAt: Timestamp(stored: 0))
        let codec = IndexMapCodec(volume, shape: .standard)
        guard let block = codec.shape.block(level: 1, number: 0) else { return [] }
        var chunks = SourceMap()
        for (index, run) in runs.enumerated() {
            chunks.append(
                SourceRun(
                    origin: ChunkIndex(run.0), count: run.1,
                    ordinal: SnapshotOrdinal(rawValue: run.2), area: ChunkIndex(2 + 5 * index)))
        }
        let members = [1, 3].map { ordinal in
            IndexMember(
                ordinal: SnapshotOrdinal(rawValue: ordinal), id: SnapshotID(rawValue: 9),
                takenAt: Timestamp(stored: 1),
                digest: AreaDigest(exceptionCount: 3, checksum: 7))
        }
        let follower = IndexFollower(
            ordinal: block.end, id: SnapshotID(rawValue: 10), takenAt: Timestamp(stored: 2))
        return codec.encode(
            IndexMap(block: block, members: members, follower: follower, chunks: chunks)) ?? []
    }

    /// The engine's own area, up to the end of its first metadata block.
    private func area(of sample: SampleStore) -> [UInt8] {
        let file = sample.folder[SampleStore.area] ?? []
        return [0, 4, 40] + file.prefix(2 * SampleStore.chunkBytes)
    }

    /// Where the entries of a sample point, in the area: one after the other, into a metadata
    /// block, twice to the same, to the header, and beyond the file. Chunk 34 is metadata block 1.
    private static let areaChunks: [[Int]] = [
        Array(2..<12), [2, 34, 3], [35, 33], [2, 2], [1, 2], [3, 1 << 40], [.max],
    ]

    /// A header, and an entry for each of these chunks of the area.
    private func entries(in chunks: [Int]) -> [UInt8] {
        let format = AreaFormat(chunkBytes: SampleStore.chunkBytes)
        var buffer = AlignedBuffer(count: (1 + chunks.count) * AreaFormat.entryBytes)
        var bytes = buffer.mutableBytes
        format.encodeHeader(isValid: true, into: &bytes)
        for (slot, chunk) in chunks.enumerated() {
            let entry = AreaEntry(origin: ChunkIndex(slot), area: ChunkIndex(chunk))
            format.encodeEntry(entry, slot: 1 + slot, into: &bytes)
        }
        return buffer.bytes.array
    }

    /// An area whose first metadata block is full, so that a reader goes on to the second.
    private func fullBlock() -> [UInt8] {
        let format = AreaFormat(chunkBytes: 2 * SampleStore.chunkBytes)
        var buffer = AlignedBuffer(count: 2 * format.chunkBytes)
        var header = buffer.mutableBytes(in: 0..<format.chunkBytes)
        format.encodeHeader(isValid: true, into: &header)
        var block = buffer.mutableBytes(in: format.chunkBytes..<2 * format.chunkBytes)
        for slot in 0..<format.entriesPerBlock {
            let entry = AreaEntry(origin: ChunkIndex(slot), area: ChunkIndex(2 + slot))
            format.encodeEntry(entry, slot: slot, into: &block)
        }
        return buffer.bytes.array
    }

    /// The text with each of its numbers in turn as large, as small, or as wrong as can be: what
    /// mutations of single bytes hardly reach.
    private func extremes(of text: [UInt8]) -> [[UInt8]] {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        var variants: [[UInt8]] = []
        var start = text.startIndex
        while let first = text[start...].firstIndex(where: digits.contains) {
            let end = text[first...].firstIndex { !digits.contains($0) } ?? text.endIndex
            for number in [Int.max, Int.max - 511, Int.min, 1 << 60, -1, 0, 1] {
                variants.append(text[..<first] + Array("\(number)".utf8) + text[end...])
            }
            start = end
        }
        return variants
    }

    /// The `content` of a record's file.
    private func content(of file: [UInt8]) -> [UInt8] {
        guard let start = file.firstRange(of: Array("\"content\":".utf8)),
            let end = file.firstRange(of: Array(",\"format\":".utf8))
        else { return [] }
        return Array(file[start.upperBound..<end.lowerBound])
    }

    private func save(_ bytes: [UInt8], _ target: String, _ name: String) throws {
        let path = "\(folder)/\(target)"
        mkdir(path, 0o755)
        let device = try FileDevice(path: "\(path)/\(name)", access: .create)
        try device.write(bytes.span.bytes, at: 0)
    }
}

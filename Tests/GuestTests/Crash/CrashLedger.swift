import System
import SnapshotModel
import TestKit

/// The record of a volume that is crashed again and again, on a disk of its own: what was
/// acknowledged, and what was being done. It has two places, which are written in turn, so that a
/// crash leaves the one or the other.
struct CrashLedger {
    private let disk: DirectDevice
    private var sequence: Int64 = 0

    private static let slotBytes = 512 << 10
    private static let magic: Int64 = 0x534e_4150_4c45_4447

    init(path: String) throws { disk = try DirectDevice(path: path) }

    /// What was written last; nil on an empty disk.
    mutating func read() throws -> ExpectedVolume? {
        var newest: WordReader?
        for slot in 0..<2 {
            var buffer = AlignedBuffer(count: Self.slotBytes)
            var bytes = buffer.mutableBytes
            try disk.read(into: &bytes, at: slot * Self.slotBytes)
            guard let words = Self.verified(buffer.bytes.array), words[1] > sequence else {
                continue
            }
            sequence = words[1]
            newest = WordReader(words: words[2...])
        }
        return newest.map { reader in
            var reader = reader
            return ExpectedVolume(&reader)
        }
    }

    mutating func write(_ volume: ExpectedVolume) throws {
        sequence += 1
        let words = [Self.magic, sequence] + volume.words
        var bytes = Self.bytes([Int64(words.count)] + words)
        bytes += Self.bytes([Int64(CRC32C.checksum(bytes))])
        precondition(bytes.count <= Self.slotBytes, "the ledger is full")
        bytes += [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
        try disk.write(bytes.span.bytes, at: Int(sequence % 2) * Self.slotBytes)
        try disk.sync()
    }

    private static func bytes(_ words: [Int64]) -> [UInt8] {
        words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
    }

    private static func words(_ bytes: ArraySlice<UInt8>) -> [Int64] {
        stride(from: bytes.startIndex, to: bytes.endIndex - 7, by: 8).map { start in
            (0..<8).reduce(0) { $0 | Int64(bytes[start + $1]) << ($1 * 8) }
        }
    }

    /// The words of a place; nil when it is empty or torn.
    private static func verified(_ bytes: [UInt8]) -> [Int64]? {
        let count = words(bytes[..<8])[0]
        guard (2...Int64(slotBytes / 8 - 2)).contains(count) else { return nil }
        let end = 8 + Int(count) * 8
        let found = words(bytes[8..<end])
        guard found[0] == magic,
            words(bytes[end..<end + 8])[0] == Int64(CRC32C.checksum(Array(bytes[..<end])))
        else { return nil }
        return found
    }
}

/// Numbers, one after the other.
struct WordReader {
    private var words: ArraySlice<Int64>

    init(words: ArraySlice<Int64>) { self.words = words }

    mutating func next() -> Int64 { words.popFirst() ?? 0 }

    mutating func content() -> DiskContent {
        var content = DiskContent(
            seed: UInt64(bitPattern: next()), byteCount: Int(next()),
            blockBytes: ExpectedVolume.blockBytes)
        for block in 0..<content.blockCount {
            content.set(ChunkPattern.Version(next()), blocks: block..<block + 1)
        }
        return content
    }
}

extension DiskContent {
    var words: [Int64] {
        [Int64(bitPattern: seed), Int64(byteCount)] + versions.map(Int64.init)
    }
}

extension ExpectedVolume {
    var words: [Int64] {
        var words = [Int64(version), nextSnapshot, nextRevert, target?.rawValue ?? 0]
        words += Self.words(pending)
        words += live.words
        words.append(Int64(snapshots.count))
        for (id, content) in snapshots.sorted(by: { $0.key < $1.key }) {
            words.append(id.rawValue)
            words += content.words
        }
        return words + clones.words
    }

    init(_ reader: inout WordReader) {
        let version = ChunkPattern.Version(reader.next())
        let (nextSnapshot, nextRevert) = (reader.next(), reader.next())
        let target = Self.id(reader.next())
        let pending = Self.change(&reader)
        let live = reader.content()
        var snapshots: [SnapshotID: DiskContent] = [:]
        for _ in 0..<reader.next() {
            let id = SnapshotID(rawValue: reader.next())
            snapshots[id] = reader.content()
        }
        let clones = ExpectedClones(&reader)
        self.init(
            live: live, snapshots: snapshots, clones: clones, pending: pending, target: target,
            version: version,
            nextSnapshot: nextSnapshot, nextRevert: nextRevert)
    }

    /// 0 stands for no snapshot.
    fileprivate static func id(_ word: Int64) -> SnapshotID? {
        word == 0 ? nil : SnapshotID(rawValue: word)
    }

    private static func words(_ change: Change?) -> [Int64] {
        switch change {
        case nil: [0]
        case .write(let blocks, let version):
            [1, Int64(blocks.lowerBound), Int64(blocks.upperBound), Int64(version)]
        case .snapshot(let id): [2, id.rawValue]
        case .revert(let target, let safety): [3, target.rawValue, safety?.rawValue ?? 0]
        case .delete(let ids): [4, Int64(ids.count)] + ids.map(\.rawValue)
        case .resize(let bytes): [5, Int64(bytes)]
        case .clone(let change): [6] + change.words
        }
    }

    private static func change(_ reader: inout WordReader) -> Change? {
        switch reader.next() {
        case 1:
            let (first, end) = (Int(reader.next()), Int(reader.next()))
            return .write(first..<end, version: ChunkPattern.Version(reader.next()))
        case 2: return .snapshot(SnapshotID(rawValue: reader.next()))
        case 3: return .revert(SnapshotID(rawValue: reader.next()), safety: id(reader.next()))
        case 4:
            let count = reader.next()
            return .delete((0..<count).map { _ in SnapshotID(rawValue: reader.next()) })
        case 5: return .resize(bytes: Int(reader.next()))
        case 6: return CloneChange(&reader).map { .clone($0) }
        default: return nil
        }
    }
}

extension ExpectedClones {
    var words: [Int64] {
        var words = [Int64(next), Int64(ending ?? 0), Int64(all.count)]
        for (number, clone) in all.sorted(by: { $0.key < $1.key }) {
            words += [Int64(number), clone.base.rawValue] + clone.content.words
        }
        return words
    }

    init(_ reader: inout WordReader) {
        next = Int(reader.next())
        let number = Int(reader.next())
        ending = number == 0 ? nil : number
        for _ in 0..<reader.next() {
            let number = Int(reader.next())
            let base = SnapshotID(rawValue: reader.next())
            all[number] = Clone(base: base, content: reader.content())
        }
    }
}

extension CloneChange {
    var words: [Int64] {
        switch self {
        case .make(let number, let id): [1, Int64(number), id.rawValue]
        case .makeOfClone(let number, let parent): [2, Int64(number), Int64(parent)]
        case .write(let number, let blocks, let version):
            [
                3, Int64(number), Int64(blocks.lowerBound), Int64(blocks.upperBound),
                Int64(version),
            ]
        case .delete(let number): [4, Int64(number)]
        case .revert(let number, let safety, let ends):
            [5, Int64(number), safety?.rawValue ?? 0, ends ? 1 : 0]
        }
    }

    init?(_ reader: inout WordReader) {
        let kind = reader.next()
        let number = Int(reader.next())
        switch kind {
        case 1: self = .make(number, of: SnapshotID(rawValue: reader.next()))
        case 2: self = .makeOfClone(number, of: Int(reader.next()))
        case 3:
            let (first, end) = (Int(reader.next()), Int(reader.next()))
            self = .write(number, first..<end, version: ChunkPattern.Version(reader.next()))
        case 4: self = .delete(number)
        case 5:
            let safety = ExpectedVolume.id(reader.next())
            self = .revert(number, safety: safety, ends: reader.next() == 1)
        default: return nil
        }
    }
}

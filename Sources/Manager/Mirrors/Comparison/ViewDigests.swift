internal import SnapshotModel
internal import Stream
internal import System
internal import VolumeAccess

/// Content that is compared.
protocol ComparedContent {
    /// Some stretches from the range's beginning on, one at least.
    func extents(in range: Range<Int>) throws -> [Extent]
    func read(at offset: Int, count: Int) throws -> [UInt8]
}

/// That of a snapshot.
struct SnapshotContent: ComparedContent {
    private let session: any VolumeSession
    private let id: SnapshotID

    init(_ session: any VolumeSession, _ id: SnapshotID) {
        self.session = session
        self.id = id
    }

    func extents(in range: Range<Int>) throws -> [Extent] {
        try session.extents(id, in: range)
    }

    func read(at offset: Int, count: Int) throws -> [UInt8] {
        try session.read(id, at: offset, count: count).bytes
    }
}

/// The digests of a snapshot's content, in units of a size: the leaves of a hash tree, and, asked for smaller units, what is
/// below them. What is a hole is not read.
final class ViewDigests {
    private let content: any ComparedContent
    private var zeroes: [Int: String] = [:]

    /// The units in which two sites compare first, and those of what differs, in bytes.
    static let unitBytes = 1 << 20
    static let smallUnitBytes = 4096
    /// So many bytes are asked for at once.
    static let segmentBytes = 64 << 20
    private static let unitMaximum = 4096

    init(_ content: any ComparedContent) { self.content = content }

    /// What somebody asks about, as a range.
    ///
    /// - Throws: `corrupt` when no snapmgr asks so, `refused` of what lies behind the snapshot's end.
    static func range(
        _ offset: Int?, _ length: Int?, unit: Int?, in volumeBytes: Int
    ) throws -> (bytes: Range<Int>, unit: Int) {
        guard let offset, let length, let unit, offset >= 0, (1...segmentBytes).contains(length),
            (smallUnitBytes...unitBytes).contains(unit), unit.nonzeroBitCount == 1,
            offset.isMultiple(of: unit), length / unit <= unitMaximum
        else { throw Problem(.corrupt, "what is to be compared is no part of a volume") }
        guard offset <= volumeBytes, length <= volumeBytes - offset else {
            throw Problem(
                .refused,
                "the volume has \(volumeBytes) bytes, and less than what is to be compared")
        }
        return (offset..<offset + length, unit)
    }

    /// The digests of a range, one for each unit; the last one may be shorter.
    func digests(of range: Range<Int>, unit: Int) throws -> [String] {
        var holes = try holes(in: range)[...]
        var result: [String] = []
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.unitBytes) {
            let piece = start..<min(range.upperBound, start + Self.unitBytes)
            while let hole = holes.first, hole.upperBound <= piece.lowerBound {
                holes.removeFirst()
            }
            if let hole = holes.first, hole.lowerBound <= piece.lowerBound,
                hole.upperBound >= piece.upperBound
            {
                result += try units(piece, unit).map { try zeroDigest($0.count) }
            } else {
                result += try read(piece, unit)
            }
        }
        return result
    }

    private func holes(in range: Range<Int>) throws -> [Range<Int>] {
        var (position, holes) = (range.lowerBound, [Range<Int>]())
        while position < range.upperBound {
            for extent in try content.extents(in: position..<range.upperBound) {
                position = extent.range.upperBound
                guard extent.isHole else { continue }
                if let last = holes.last, last.upperBound == extent.range.lowerBound {
                    holes[holes.count - 1] = last.lowerBound..<position
                } else {
                    holes.append(extent.range)
                }
            }
        }
        return holes
    }

    private func units(_ piece: Range<Int>, _ unit: Int) -> [Range<Int>] {
        stride(from: piece.lowerBound, to: piece.upperBound, by: unit).map {
            $0..<min(piece.upperBound, $0 + unit)
        }
    }

    private func read(_ piece: Range<Int>, _ unit: Int) throws -> [String] {
        let bytes = try content.read(at: piece.lowerBound, count: piece.count)
        var result: [String] = []
        for start in stride(from: 0, to: piece.count, by: unit) {
            let part = start..<min(piece.count, start + unit)
            result.append(try digest(bytes.span.bytes.extracting(part)))
        }
        return result
    }

    private func digest(_ bytes: RawSpan) throws -> String {
        bytes.isZero
            ? try zeroDigest(bytes.byteCount) : Self.text(try ContentDigest.of(bytes))
    }

    private func zeroDigest(_ count: Int) throws -> String {
        if let known = zeroes[count] { return known }
        let bytes = [UInt8](repeating: 0, count: count)
        let digest = Self.text(try ContentDigest.of(bytes.span.bytes))
        zeroes[count] = digest
        return digest
    }

    private static func text(_ digest: [UInt8]) -> String {
        digest.map { $0.padded(to: 2, radix: 16) }.joined()
    }
}

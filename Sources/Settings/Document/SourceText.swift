import SnapshotModel

/// A settings file's content, known to be text, and how to tell lines and columns in it.
struct SourceText {
    let file: String
    let bytes: [UInt8]
    /// The offsets at which lines begin, ascending; the first is 0.
    private let lineStarts: [Int]
    /// The number of scalars before each block of bytes, so that a column in a file of one long
    /// line costs no more than in others.
    private let scalarsBeforeBlock: [Int]
    private static let blockBytes = 256

    /// Refuses what is not UTF-8, and NUL characters, at which C's strings end.
    init(file: String, bytes: [UInt8]) throws(SettingsFailure) {
        self.file = file
        // A byte order mark is neither content nor a column.
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        self.bytes = bytes
        lineStarts = [0] + bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }.map { $0 + 1 }
        var (scalars, counts) = (0, [Int]())
        for (offset, byte) in bytes.enumerated() {
            if offset % Self.blockBytes == 0 { counts.append(scalars) }
            if Self.beginsScalar(byte) { scalars += 1 }
        }
        scalarsBeforeBlock = counts
        if let offset = Self.firstInvalid(bytes) {
            throw SettingsFailure(
                "not UTF-8: byte \(Self.hex(bytes[offset]))", at: position(of: offset),
                hint: "save the file as UTF-8")
        }
        if let offset = bytes.firstIndex(of: 0) {
            throw SettingsFailure("a NUL character in a text file", at: position(of: offset))
        }
    }

    /// The line and column of a byte.
    func position(of offset: Int) -> SourcePosition {
        // The first line starts at 0.
        let line = lineStarts.lowestIndex { $0 > offset }
        let column = scalars(before: offset) - scalars(before: lineStarts[line - 1]) + 1
        return SourcePosition(file: file, line: line, column: column)
    }

    private func scalars(before offset: Int) -> Int {
        let end = min(offset, bytes.count)
        guard let whole = scalarsBeforeBlock.indices.last.map({ min($0, end / Self.blockBytes) })
        else { return 0 }
        return scalarsBeforeBlock[whole]
            + bytes[whole * Self.blockBytes..<end].count(where: Self.beginsScalar)
    }

    private static func beginsScalar(_ byte: UInt8) -> Bool { byte & 0xC0 != 0x80 }

    private static func firstInvalid(_ bytes: [UInt8]) -> Int? {
        guard (try? UTF8Span(validating: bytes.span)) == nil else { return nil }
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            offset += UTF8.width(scalar)
        }
        return min(offset, bytes.count - 1)
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = String(byte, radix: 16, uppercase: true)
        return "0x" + (digits.count == 1 ? "0" : "") + digits
    }
}

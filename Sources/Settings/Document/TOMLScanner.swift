internal import SnapshotModel

/// Walks over the tokens of a TOML document: blanks, comments, line ends and keys here, scalar
/// values in extensions. It is given UTF-8 that was checked, and goes forward only.
///
/// Source: TOML 1.0.0, https://toml.io/en/v1.0.0
struct TOMLScanner {
    let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { offset >= bytes.count }

    /// The next byte; nil at the end.
    var next: UInt8? { byte(after: 0) }

    /// A byte further on; nil beyond the end.
    func byte(after count: Int) -> UInt8? {
        offset + count < bytes.count ? bytes[offset + count] : nil
    }

    mutating func advance(_ count: Int = 1) { offset = min(offset + count, bytes.count) }

    func isNext(_ character: Unicode.Scalar) -> Bool { next == UInt8(ascii: character) }

    /// Goes beyond this character if it is the next one.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard isNext(character) else { return false }
        offset += 1
        return true
    }

    /// The next character, for messages.
    var nextDescription: String {
        guard let next else { return "the end of the file" }
        if next == UInt8(ascii: "\n") || next == UInt8(ascii: "\r") { return "the end of the line" }
        let character = String(decoding: bytes[offset...].prefix(4), as: UTF8.self)
        return Quote.text(character.unicodeScalars.first.map { String($0) } ?? "")
    }

    /// The error that something else was expected here.
    func unexpected(_ expected: String, hint: Advice? = nil) -> TOMLSyntaxError {
        TOMLSyntaxError("expected \(expected), found \(nextDescription)", at: offset, hint: hint)
    }

    // MARK: Blanks

    mutating func skipBlanks() {
        while isNext(" ") || isNext("\t") { offset += 1 }
    }

    /// Goes beyond a line end, if one is next.
    mutating func skipLineEnd() -> Bool {
        if skip("\n") { return true }
        guard isNext("\r"), byte(after: 1) == UInt8(ascii: "\n") else { return false }
        offset += 2
        return true
    }

    /// Goes beyond a comment, up to its line end, if one is next.
    mutating func skipComment() throws(TOMLSyntaxError) {
        guard skip("#") else { return }
        while !isAtEnd, !isLineEnd {
            try refuseControlCharacter(in: "a comment")
            offset += 1
        }
    }

    private var isLineEnd: Bool {
        isNext("\n") || (isNext("\r") && byte(after: 1) == UInt8(ascii: "\n"))
    }

    /// Goes beyond blanks, comments and line ends.
    mutating func skipBlankLines() throws(TOMLSyntaxError) {
        repeat {
            skipBlanks()
            try skipComment()
        } while skipLineEnd()
    }

    /// After a value or header nothing but a comment may follow in the line.
    mutating func endLine() throws(TOMLSyntaxError) {
        skipBlanks()
        try skipComment()
        guard isAtEnd || skipLineEnd() else { throw unexpected("the end of the line") }
    }

    /// Goes to the beginning of the next line, whatever this one holds.
    mutating func skipLine() {
        while let byte = next {
            offset += 1
            if byte == UInt8(ascii: "\n") { return }
        }
    }

    func refuseControlCharacter(in place: String) throws(TOMLSyntaxError) {
        guard let byte = next, byte < 0x20 || byte == 0x7F, byte != UInt8(ascii: "\t") else {
            return
        }
        throw TOMLSyntaxError("a control character (\(byte)) in \(place)", at: offset)
    }

    // MARK: Keys

    /// A key's part, and the byte where it begins.
    struct KeyPart {
        var name: String
        var offset: Int
    }

    /// A key of one part or, with points, several.
    mutating func keyPath() throws(TOMLSyntaxError) -> [KeyPart] {
        var path: [KeyPart] = []
        repeat {
            skipBlanks()
            let start = offset
            path.append(KeyPart(name: try key(), offset: start))
            guard path.count <= TOMLParser.depthLimit else { throw TOMLParser.tooDeep(at: start) }
            skipBlanks()
        } while skip(".")
        return path
    }

    private mutating func key() throws(TOMLSyntaxError) -> String {
        if isNext("\"") || isNext("'") {
            guard !startsLongString else { throw unexpected("a key on one line") }
            return try string()
        }
        let start = offset
        while let byte = next, Self.isBareKey(byte) { offset += 1 }
        guard offset > start else {
            let isLetter = (next ?? 0) >= 0x80
            throw unexpected("a key", hint: isLetter ? "a key like this needs quotes" : nil)
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

/// Walks over the tokens of a TOML document: blanks, comments, keys and scalar values. It does not
/// judge scalars, which the library has done or does; it must only know where they end. On text
/// that is no TOML it stops with an error, or goes on to somewhere, but always forward.
struct TOMLScanner {
    let bytes: [UInt8]
    private(set) var offset = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        // A byte order mark.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    var isAtEnd: Bool { offset >= bytes.count }

    /// The next byte; nil at the end.
    var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func byte(after count: Int) -> UInt8? {
        offset + count < bytes.count ? bytes[offset + count] : nil
    }

    mutating func advance() { offset = min(offset + 1, bytes.count) }

    /// Goes beyond this character if it is the next one.
    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        offset += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(LocatorError) {
        guard skip(character) else { throw LocatorError(message: "no '\(character)'", offset: offset) }
    }

    mutating func skipBlanks() {
        while next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { offset += 1 }
    }

    /// Goes beyond blanks, line ends and comments.
    mutating func skipBlankLines() {
        while let byte = next {
            switch byte {
            case UInt8(ascii: "#"): while let byte = next, byte != UInt8(ascii: "\n") { offset += 1 }
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"):
                offset += 1
            default: return
            }
        }
    }

    // MARK: Keys

    /// A key of one or, with points, several parts, each with the offset where it begins.
    mutating func keyPath() throws(LocatorError) -> [(key: String, offset: Int)] {
        var path: [(key: String, offset: Int)] = []
        repeat {
            skipBlanks()
            let start = offset
            path.append((try key(), start))
            skipBlanks()
        } while skip(".")
        return path
    }

    private mutating func key() throws(LocatorError) -> String {
        let start = offset
        if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
            try skipString()
            guard let key = Self.text(of: bytes[start..<offset]) else {
                throw LocatorError(message: "no valid key", offset: start)
            }
            return key
        }
        while let byte = next, Self.isBareKey(byte) { offset += 1 }
        guard offset > start else { throw LocatorError(message: "no key", offset: start) }
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

    // MARK: Values

    /// Goes beyond a scalar: a string, or whatever else ends at a comma, bracket, line end or
    /// comment.
    mutating func scalar() throws(LocatorError) -> Range<Int> {
        let start = offset
        if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") {
            try skipString()
            return start..<offset
        }
        while let byte = next, !",]}#\r\n".utf8.contains(byte) { offset += 1 }
        // A date and a time may have a blank between them, and one may follow the value.
        while offset > start, [UInt8(ascii: " "), UInt8(ascii: "\t")].contains(bytes[offset - 1]) {
            offset -= 1
        }
        guard offset > start else { throw LocatorError(message: "no value", offset: start) }
        return start..<offset
    }

    private mutating func skipString() throws(LocatorError) {
        let start = offset
        let quote = bytes[start]
        let isBasic = quote == UInt8(ascii: "\"")
        let isLong = byte(after: 1) == quote && byte(after: 2) == quote
        offset += isLong ? 3 : 1
        while let byte = next {
            if isBasic, byte == UInt8(ascii: "\\") {
                try refuseNUL()
                offset = min(offset + 2, bytes.count)
                continue
            }
            if byte == quote {
                guard isLong else {
                    offset += 1
                    return
                }
                if self.byte(after: 1) == quote, self.byte(after: 2) == quote {
                    offset += 3
                    // One or two quotes right before the closing ones belong to the text.
                    for _ in 0..<2 where next == quote { offset += 1 }
                    return
                }
            } else if !isLong, byte == UInt8(ascii: "\n") {
                break
            }
            offset += 1
        }
        throw LocatorError(message: "a text without an end", offset: start)
    }

    /// The library's texts end at a NUL, so a text with one would silently be cut.
    private func refuseNUL() throws(LocatorError) {
        let digits: Int
        switch byte(after: 1) {
        case UInt8(ascii: "u"): digits = 4
        case UInt8(ascii: "U"): digits = 8
        default: return
        }
        let escape = bytes[min(offset + 2, bytes.count)..<min(offset + 2 + digits, bytes.count)]
        guard escape.count == digits, escape.allSatisfy({ $0 == UInt8(ascii: "0") }) else { return }
        throw LocatorError(message: "a NUL character in a text", offset: offset)
    }

    /// What a string of one line, with its quotes, says; nil when it is invalid.
    static func text(of string: ArraySlice<UInt8>) -> String? {
        guard string.count >= 2, let quote = string.first, string.last == quote else { return nil }
        var rest = string.dropFirst().dropLast()
        guard quote == UInt8(ascii: "\""), rest.contains(UInt8(ascii: "\\")) else {
            return String(validating: rest, as: UTF8.self)
        }
        var plain: [UInt8] = []
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                plain.append(byte)
                continue
            }
            guard let scalar = escaped(&rest) else { return nil }
            plain += Array(String(Character(scalar)).utf8)
        }
        return String(validating: plain, as: UTF8.self)
    }

    /// The scalar that an escape stands for, taken from after its backslash.
    private static func escaped(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
        guard let letter = rest.popFirst() else { return nil }
        switch letter {
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let count = letter == UInt8(ascii: "u") ? 4 : 8
            let digits = rest.prefix(count)
            guard digits.count == count, digits.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            rest = rest.dropFirst(count)
            return Unicode.Scalar(value)
        default: return nil
        }
    }
}

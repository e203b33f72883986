internal import SnapshotModel

extension TOMLScanner {
    /// Whether three quotes are next.
    var startsLongString: Bool {
        guard let quote = next, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            return false
        }
        return byte(after: 1) == quote && byte(after: 2) == quote
    }

    /// A string of any of the four kinds, without its quotes and with its escapes replaced; a quote
    /// is next.
    mutating func string() throws(TOMLSyntaxError) -> String {
        let start = offset
        let quote: Unicode.Scalar = isNext("'") ? "'" : "\""
        let isLong = startsLongString
        advance(isLong ? 3 : 1)
        // A line end right after the opening quotes is not part of the text.
        if isLong { _ = skipLineEnd() }
        var text: [UInt8] = []
        while !isAtEnd {
            if isNext(quote) {
                guard isLong else {
                    advance()
                    return String(decoding: text, as: UTF8.self)
                }
                if endLongString(quote, &text) { return String(decoding: text, as: UTF8.self) }
            } else if quote == "\"", isNext("\\") {
                try appendEscape(to: &text, isLong: isLong)
            } else if isLong, skipLineEnd() {
                // On every system the same text.
                text.append(UInt8(ascii: "\n"))
            } else {
                if isNext("\n") || isNext("\r") { break }
                try refuseControlCharacter(in: "a text")
                if let byte = next { text.append(byte) }
                advance()
            }
        }
        throw TOMLSyntaxError("a text without its closing quote", at: start)
    }

    /// At a quote within a long string: ends it if there are three, with up to two more before them
    /// that belong to the text; else takes the quote as text.
    private mutating func endLongString(_ quote: Unicode.Scalar, _ text: inout [UInt8]) -> Bool {
        var count = 0
        while count < 5, byte(after: count) == UInt8(ascii: quote) { count += 1 }
        advance(count)
        text += [UInt8](repeating: UInt8(ascii: quote), count: count < 3 ? count : count - 3)
        return count >= 3
    }

    private mutating func appendEscape(
        to text: inout [UInt8], isLong: Bool
    ) throws(TOMLSyntaxError) {
        let start = offset
        advance()
        if isLong, skipEscapedLineEnd() { return }
        guard let letter = next else { return }
        advance()
        let plain: UInt8
        switch letter {
        case UInt8(ascii: "b"): plain = 0x08
        case UInt8(ascii: "t"): plain = UInt8(ascii: "\t")
        case UInt8(ascii: "n"): plain = UInt8(ascii: "\n")
        case UInt8(ascii: "f"): plain = 0x0C
        case UInt8(ascii: "r"): plain = UInt8(ascii: "\r")
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): plain = letter
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let scalar = try escapedScalar(digits: letter == UInt8(ascii: "u") ? 4 : 8, at: start)
            text += Array(String(Character(scalar)).utf8)
            return
        default:
            throw TOMLSyntaxError(
                "an unknown escape in a text", at: start,
                hint: "a backslash is written \\\\, or the text in 'single quotes'")
        }
        text.append(plain)
    }

    /// After a backslash at the end of a line: goes beyond the line end and all blanks after it.
    private mutating func skipEscapedLineEnd() -> Bool {
        var ahead = self
        ahead.skipBlanks()
        guard ahead.skipLineEnd() else { return false }
        repeat { ahead.skipBlanks() } while ahead.skipLineEnd()
        self = ahead
        return true
    }

    private mutating func escapedScalar(
        digits: Int, at start: Int
    ) throws(TOMLSyntaxError) -> Unicode.Scalar {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard let byte = next, let digit = Self.digit(byte, radix: 16) else {
                throw TOMLSyntaxError(
                    "an escape of \(digits) hexadecimal digits has fewer", at: start)
            }
            value = value << 4 | UInt32(digit)
            advance()
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw TOMLSyntaxError("an escape that names no character", at: start)
        }
        return scalar
    }

    /// A digit's value; nil when it is none in this radix, which is at most 16.
    static func digit(_ byte: UInt8, radix: Int) -> Int? {
        let value: Int
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = Int(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = Int(byte - UInt8(ascii: "a")) + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = Int(byte - UInt8(ascii: "A")) + 10
        default: return nil
        }
        return value < radix ? value : nil
    }
}

internal import SnapshotModel

extension TOMLScanner {
    /// A scalar that is not a string: a boolean, a number, a date or a time.
    mutating func bareScalar() throws(TOMLSyntaxError) -> TOMLNode.Content {
        let start = offset
        while let byte = next, Self.isBareScalar(byte) { advance() }
        // Between a date and its time may stand one blank.
        if offset - start == 10, isNext(" "), let digit = byte(after: 1),
            Self.digit(digit, radix: 10) != nil, bytes[start + 4] == UInt8(ascii: "-")
        {
            advance()
            while let byte = next, Self.isBareScalar(byte) { advance() }
        }
        guard offset > start else { throw unexpected("a value") }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        switch text {
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        default: break
        }
        guard
            text.utf8.contains(where: { Self.digit($0, radix: 10) != nil })
                || text.hasSuffix("inf") || text.hasSuffix("nan")
        else { throw Self.unquoted(text, at: start) }
        if let integer = try Self.integer(text, at: start) { return .integer(integer) }
        if let float = Self.float(text) { return .float(float) }
        if Self.isMoment(text) { return .moment }
        throw Self.unquoted(text, at: start)
    }

    private static func unquoted(_ text: String, at offset: Int) -> TOMLSyntaxError {
        TOMLSyntaxError(
            "\(Quote.text(text)) is not a value", at: offset, hint: "a text needs quotes")
    }

    private static func isBareScalar(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "+-_.:%/*".utf8.contains(byte)
        }
    }

    // MARK: Numbers

    /// An integer of 64 bits; nil when the text is something else than an integer.
    private static func integer(_ text: String, at offset: Int) throws(TOMLSyntaxError) -> Int? {
        let radices = ["0x": 16, "0o": 8, "0b": 2]
        let radix = radices[String(text.prefix(2))]
        let hasSign = text.hasPrefix("-") || text.hasPrefix("+")
        let digits = text.dropFirst(radix != nil ? 2 : hasSign ? 1 : 0)
        guard let plain = withoutUnderscores(digits, radix: radix ?? 10) else { return nil }
        if radix == nil, plain.utf8.count > 1, plain.hasPrefix("0") {
            throw TOMLSyntaxError("a number that begins with 0", at: offset)
        }
        guard let value = Int((text.hasPrefix("-") ? "-" : "") + plain, radix: radix ?? 10) else {
            throw TOMLSyntaxError("a number beyond 64 bits", at: offset)
        }
        return value
    }

    /// The digits without the underscores between them; nil when it is anything else.
    private static func withoutUnderscores(_ text: Substring, radix: Int) -> String? {
        let groups = text.utf8.split(
            separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
        let isValid = groups.allSatisfy { group in
            !group.isEmpty && group.allSatisfy { digit($0, radix: radix) != nil }
        }
        return isValid ? groups.map { String(Substring($0)) }.joined() : nil
    }

    private static func float(_ text: String) -> Double? {
        let hasSign = text.hasPrefix("-") || text.hasPrefix("+")
        let sign = text.hasPrefix("-") ? "-" : ""
        let magnitude = text.dropFirst(hasSign ? 1 : 0)
        if magnitude == "inf" || magnitude == "nan" { return Double(sign + magnitude) }
        let parts = magnitude.split(
            maxSplits: 1, omittingEmptySubsequences: false, whereSeparator: { "eE".contains($0) })
        let decimals = parts[0].split(
            separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard decimals.count + parts.count > 2,
            let whole = withoutUnderscores(decimals[0], radix: 10),
            whole.utf8.count == 1 || !whole.hasPrefix("0")
        else { return nil }
        var plain = sign + whole
        if decimals.count == 2 {
            guard let fraction = withoutUnderscores(decimals[1], radix: 10) else { return nil }
            plain += "." + fraction
        }
        if parts.count == 2 {
            let exponent = parts[1]
            let hasSign = exponent.hasPrefix("-") || exponent.hasPrefix("+")
            guard let digits = withoutUnderscores(exponent.dropFirst(hasSign ? 1 : 0), radix: 10)
            else { return nil }
            plain += "e" + (exponent.hasPrefix("-") ? "-" : "") + digits
        }
        return Double(plain)
    }

    // MARK: Dates and times

    /// Whether the text is a date, a time, or both, with or without an offset (RFC 3339).
    private static func isMoment(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        if bytes.count >= 3, bytes[2] == UInt8(ascii: ":") { return isTime(bytes[...]) }
        guard bytes.count >= 10, isDate(bytes[..<10]) else { return false }
        guard bytes.count > 10 else { return true }
        guard "Tt ".utf8.contains(bytes[10]) else { return false }
        let rest = bytes[11...]
        if let last = rest.last, "Zz".utf8.contains(last) { return isTime(rest.dropLast()) }
        if rest.count > 6, let sign = rest.dropLast(5).last, "+-".utf8.contains(sign) {
            return isTime(rest.dropLast(6)) && isTime(rest.suffix(5) + Array(":00".utf8))
        }
        return isTime(rest)
    }

    private static func isDate(_ bytes: ArraySlice<UInt8>) -> Bool {
        let parts = bytes.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.map(\.count) == [4, 2, 2] else { return false }
        let numbers = parts.compactMap(number)
        guard numbers.count == 3 else { return false }
        return CivilDate(year: numbers[0], month: numbers[1], day: numbers[2]) != nil
    }

    private static func isTime(_ bytes: ArraySlice<UInt8>) -> Bool {
        let halves = bytes.split(
            separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        let parts = halves[0].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.map(\.count) == [2, 2, 2] else { return false }
        let numbers = parts.compactMap(number)
        guard numbers.count == 3, numbers[0] < 24, numbers[1] < 60, numbers[2] <= 60 else {
            return false
        }
        return halves.count == 1
            || (!halves[1].isEmpty && number(halves[1].prefix(9)) != nil)
                && halves[1].allSatisfy { digit($0, radix: 10) != nil }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        var value = 0
        for byte in bytes {
            guard let digit = digit(byte, radix: 10) else { return nil }
            value = value * 10 + digit
        }
        return value
    }
}

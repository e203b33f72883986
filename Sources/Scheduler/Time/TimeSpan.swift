/// A length of time that does not depend on a calendar, in whole seconds: a day is always 24 hours.
package struct TimeSpan: Hashable, Comparable, Sendable {
    package let seconds: Int64

    package init(seconds: Int64) { self.seconds = seconds }

    package static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.seconds < right.seconds
    }

    package static let minute = TimeSpan(seconds: 60)
    package static let hour = TimeSpan(seconds: 3600)
    package static let day = TimeSpan(seconds: 86_400)
    package static let week = TimeSpan(seconds: 7 * 86_400)

    /// No span is longer than this, some 292 years, so that its nanoseconds can be counted.
    package static let longest = TimeSpan(seconds: Int64.max / 1_000_000_000)

    /// Reads `15m`, `1h30m`, `2 weeks`, `90s`: whole numbers, each with its unit, added up. `m` is
    /// minutes; months and years are not units, for they have no fixed length.
    package init(parsing text: String) throws(SyntaxError) {
        var reader = TextReader(text)
        var total: Int64 = 0
        reader.skipSpaces()
        guard !reader.isAtEnd else {
            throw SyntaxError("a time span is missing, such as 15m or 1h30m", offset: 0)
        }
        while !reader.isAtEnd {
            total = try Self.sum(total, reader.readQuantity(), before: reader)
            reader.skipSpaces()
        }
        self.init(seconds: total)
    }

    private static func sum(
        _ total: Int64, _ quantity: (count: Int64, unit: Int64), before reader: TextReader
    ) throws(SyntaxError) -> Int64 {
        let (product, overflow) = quantity.count.multipliedReportingOverflow(by: quantity.unit)
        let (sum, carried) = total.addingReportingOverflow(product)
        guard !overflow, !carried, sum <= longest.seconds else {
            throw SyntaxError("the time span is too long", offset: reader.offset)
        }
        return sum
    }
}

extension TimeSpan: CustomStringConvertible {
    /// The shortest form that reads back as the same: `90m` becomes `1h30m`, `14d` becomes `2w`.
    package var description: String {
        if seconds > 0, seconds % Self.week.seconds == 0 {
            return "\(seconds / Self.week.seconds)w"
        }
        var text = ""
        var rest = seconds
        for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")] as [(Int64, String)] {
            if rest / unit > 0 { text += "\(rest / unit)\(name)" }
            rest %= unit
        }
        return text.isEmpty ? "0s" : text
    }
}

extension TextReader {
    /// A number and its unit, in seconds.
    fileprivate mutating func readQuantity() throws(SyntaxError) -> (count: Int64, unit: Int64) {
        let start = offset
        guard let count = readNumber() else {
            let isNumber = peek.map(Self.isDigit) ?? false
            throw SyntaxError(
                isNumber
                    ? "the time span is too long"
                    : "a number is expected here, as in 15m or 1h30m", offset: start)
        }
        skipSpaces()
        let place = offset
        let name = readWord()
        guard let unit = Self.secondsOfUnit(name) else {
            throw SyntaxError(
                name.isEmpty
                    ? "a unit is missing after \(count): s, m, h, d or w"
                    : "\(name) is not a unit of time; the units are s, m, h, d and w",
                offset: place)
        }
        return (Int64(count), unit)
    }

    private static func secondsOfUnit(_ name: String) -> Int64? {
        switch name {
        case "s", "sec", "second", "seconds": 1
        case "m", "min", "minute", "minutes": 60
        case "h", "hr", "hour", "hours": 3600
        case "d", "day", "days": 86_400
        case "w", "week", "weeks": 7 * 86_400
        default: nil
        }
    }
}

/// A moment in UTC, from 1677 to 2538: to the nanosecond until the end of 2261, to the microsecond
/// after that.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// The moment as a number, as catalogs have it. It is the nanoseconds since
    /// 1970-01-01T00:00:00Z up to ``seam`` and goes on in microseconds there, so that a greater one
    /// is later; nothing else may be reckoned with it.
    package let stored: Int64

    package init(stored: Int64) { self.stored = stored }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.stored < right.stored
    }

    /// What ``stored`` is of 2262-01-01T00:00:00Z: nanoseconds alone would end in that year's April.
    private static let seam: Int64 = seamSeconds * 1_000_000_000
    private static let seamSeconds: Int64 = 9_214_646_400

    package static let first = Timestamp(stored: .min)
    package static let last = Timestamp(stored: .max)

    /// The moments at which something may be done and recorded: the years 1900 to 2500. A clock
    /// beyond is told and nothing is changed by it.
    package static let recordable: ClosedRange<Timestamp> =
        Timestamp(
            clampingSeconds: -2_208_988_800)...Timestamp(
            clampingSeconds: 16_756_761_599, nanoseconds: 999_999_999)
}

// MARK: - What it counts

extension Timestamp {
    /// Rounded down.
    package var secondsSinceEpoch: Int64 {
        stored < Self.seam
            ? stored.floorDivided(by: 1_000_000_000)
            : Self.seamSeconds + (stored - Self.seam) / 1_000_000
    }

    /// The nanoseconds since the last whole second.
    package var fraction: Int64 {
        stored < Self.seam
            ? stored.floorRemainder(by: 1_000_000_000) : (stored - Self.seam) % 1_000_000 * 1000
    }

    package var nanosecondsSinceEpoch: Int128 {
        guard stored >= Self.seam else { return Int128(stored) }
        return Int128(Self.seam) + Int128(stored - Self.seam) * 1000
    }

    /// What ``stored`` is of a moment, were it wide enough; rounded down.
    private static func stored(nanosecondsSinceEpoch count: Int128) -> Int128 {
        count < seam ? count : Int128(seam) + (count - Int128(seam)) / 1000
    }

    // A moment that cannot be represented becomes the first or last one: clocks, records and people
    // may say anything, and nothing that is reckoned with them may trap.

    /// The nearest moment that is not after so many nanoseconds since 1970.
    package init(clampingNanoseconds count: Int128) {
        self.init(stored: Int64(clamping: Self.stored(nanosecondsSinceEpoch: count)))
    }

    /// The same of a count of seconds and nanoseconds.
    package init(clampingSeconds seconds: Int64, nanoseconds: Int64 = 0) {
        self.init(clampingNanoseconds: Int128(seconds) * 1_000_000_000 + Int128(nanoseconds))
    }

    /// Nil when it cannot be represented.
    package init?(seconds: Int64, nanoseconds: Int64 = 0) {
        let count = Int128(seconds) * 1_000_000_000 + Int128(nanoseconds)
        guard let stored = Int64(exactly: Self.stored(nanosecondsSinceEpoch: count)) else {
            return nil
        }
        self.init(stored: stored)
    }

    package func advanced(bySeconds seconds: Int64) -> Timestamp {
        Timestamp(
            clampingNanoseconds: nanosecondsSinceEpoch + Int128(seconds) * 1_000_000_000)
    }

    package func advanced(byNanoseconds distance: Int64) -> Timestamp {
        Timestamp(clampingNanoseconds: nanosecondsSinceEpoch + Int128(distance))
    }

    /// How long after another moment it is; negative before it. At most 292 years, what the type
    /// holds.
    package func nanoseconds(since other: Timestamp) -> Int64 {
        Int64(clamping: nanosecondsSinceEpoch - other.nanosecondsSinceEpoch)
    }
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with nine decimals: `2026-11-22T12:45:00.000000000Z`.
    package var description: String {
        let seconds = secondsSinceEpoch
        let day = seconds.floorDivided(by: 86_400)
        let second = seconds.floorRemainder(by: 86_400)
        let date = CivilDate(daysSinceEpoch: Int(day))
        return "\(date)T\((second / 3600).padded(to: 2)):\((second / 60 % 60).padded(to: 2))"
            + ":\((second % 60).padded(to: 2)).\(fraction.padded(to: 9))Z"
    }

    /// Reads RFC 3339 in UTC (`Z` or no zone), with or without time and decimals, of which those that
    /// it cannot hold are left out; nil when it is not a valid moment.
    package init?(_ text: some StringProtocol) {
        var scanner = DigitScanner(text)
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2),
            scanner.skip("-"), let day = scanner.number(2),
            let date = CivilDate(year: year, month: month, day: day)
        else { return nil }
        var (hour, minute, second, fraction) = (0, 0, 0, 0)
        if scanner.skip("T") || scanner.skip(" ") {
            guard let hours = scanner.number(2), scanner.skip(":"),
                let minutes = scanner.number(2), hours < 24, minutes < 60
            else { return nil }
            (hour, minute) = (hours, minutes)
            if scanner.skip(":") {
                guard let seconds = scanner.number(2), seconds < 60 else { return nil }
                second = seconds
                if scanner.skip(".") {
                    guard let decimals = scanner.decimals(9) else { return nil }
                    fraction = decimals
                }
            }
        }
        _ = scanner.skip("Z")
        guard scanner.isAtEnd else { return nil }
        let seconds = date.daysSinceEpoch * 86_400 + hour * 3600 + minute * 60 + second
        self.init(seconds: Int64(seconds), nanoseconds: Int64(fraction))
    }
}

extension Timestamp: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an RFC 3339 time: \(text)")
        }
        self = value
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// A date of the proleptic Gregorian calendar.
///
/// Source of the arithmetic: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
package struct CivilDate: Hashable, Comparable, Sendable {
    package let year: Int
    package let month: Int
    package let day: Int

    package init?(year: Int, month: Int, day: Int) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...12).contains(month), day >= 1, day <= lengths[month - 1] else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    package init(daysSinceEpoch days: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    package var daysSinceEpoch: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    package static func < (left: CivilDate, right: CivilDate) -> Bool {
        (left.year, left.month, left.day) < (right.year, right.month, right.day)
    }
}

extension CivilDate: CustomStringConvertible {
    /// `2026-11-22`.
    package var description: String {
        "\(year.padded(to: 4))-\(month.padded(to: 2))-\(day.padded(to: 2))"
    }
}

/// Reads digits and separators from the front of a text.
private struct DigitScanner {
    private var rest: Substring

    init(_ text: some StringProtocol) { rest = Substring(text) }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func skip(_ character: Character) -> Bool {
        guard rest.first == character else { return false }
        rest.removeFirst()
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        let digits = rest.prefix(width)
        guard digits.count == width, digits.allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        rest.removeFirst(width)
        return Int(digits)
    }

    /// Up to `width` decimals, as a number of that many digits.
    mutating func decimals(_ width: Int) -> Int? {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard (1...width).contains(digits.count), let value = Int(digits) else { return nil }
        rest.removeFirst(digits.count)
        return (digits.count..<width).reduce(value) { result, _ in result * 10 }
    }
}

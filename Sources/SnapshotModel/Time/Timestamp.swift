/// A moment in UTC, in nanoseconds since 1970-01-01T00:00:00Z.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    package var secondsSinceEpoch: Int64 {
        nanoseconds / 1_000_000_000 - (nanoseconds % 1_000_000_000 < 0 ? 1 : 0)
    }

    // A moment that cannot be represented becomes the first or last one: clocks, records and people
    // may say anything, and nothing that is reckoned with them may trap.

    package func advanced(bySeconds seconds: Int64) -> Timestamp {
        advanced(byNanoseconds: seconds.multipliedClamped(by: Self.nanosecondsPerSecond))
    }

    package func advanced(byNanoseconds distance: Int64) -> Timestamp {
        Timestamp(nanoseconds: nanoseconds.addingClamped(distance))
    }

    /// How long after another moment it is; negative before it.
    package func nanoseconds(since other: Timestamp) -> Int64 {
        nanoseconds.subtractingClamped(other.nanoseconds)
    }

    /// The moment that is nearest to a count of seconds and nanoseconds.
    package init(clampingSeconds seconds: Int64, nanoseconds: Int64 = 0) {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: Self.nanosecondsPerSecond)
        let (sum, carried) = product.addingReportingOverflow(nanoseconds)
        guard !overflow, !carried else {
            self.init(nanoseconds: seconds < 0 ? .min : .max)
            return
        }
        self.init(nanoseconds: sum)
    }

    private static let nanosecondsPerSecond: Int64 = 1_000_000_000

    /// The moments at which something may be done and recorded: the years 1900 to 2261. Nanoseconds
    /// in 64 bits end in April 2262; a clock beyond is told and nothing is changed by it.
    package static let recordable: ClosedRange<Timestamp> =
        Timestamp(
            clampingSeconds: -2_208_988_800)...Timestamp(
            clampingSeconds: 9_214_646_399, nanoseconds: 999_999_999)
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC with nine decimals: `2026-11-22T12:45:00.000000000Z`.
    package var description: String {
        let seconds = secondsSinceEpoch
        let remainder = nanoseconds % 1_000_000_000
        let fraction = remainder < 0 ? remainder + 1_000_000_000 : remainder
        let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let second = seconds - day * 86_400
        let date = CivilDate(daysSinceEpoch: Int(day))
        return "\(padded(date.year, 4))-\(padded(date.month, 2))-\(padded(date.day, 2))"
            + "T\(padded(Int(second / 3600), 2)):\(padded(Int(second / 60 % 60), 2))"
            + ":\(padded(Int(second % 60), 2)).\(padded(Int(fraction), 9))Z"
    }

    /// Reads RFC 3339 in UTC (`Z` or no zone), with or without time and decimals; nil when it is
    /// not a valid moment.
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
        // Towards zero first, so that a moment just above the lowest one does not overflow.
        let isNegative = seconds < 0
        let (total, overflow) = (isNegative ? seconds + 1 : seconds)
            .multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return nil }
        let (sum, carried) = total.addingReportingOverflow(
            isNegative ? fraction - 1_000_000_000 : fraction)
        guard !carried else { return nil }
        self.init(nanoseconds: Int64(sum))
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

private func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
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

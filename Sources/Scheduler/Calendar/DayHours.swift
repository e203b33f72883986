internal import SnapshotModel

/// A part of the day as the clocks of a zone show it, written `08:00-18:00`. One that ends before it begins goes on over
/// midnight.
package struct DayHours: Hashable, Sendable {
    /// In minutes of the day: the first one, and the one behind the last.
    package let start: Int
    package let end: Int

    private static let dayMinutes = 1440

    /// - Throws: `SyntaxError` of a text that is no part of a day.
    package init(parsing text: String) throws(SyntaxError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let start = Self.minute(parts[0]), let end = Self.minute(parts[1]),
            start < Self.dayMinutes, end > 0, start != end
        else { throw SyntaxError("expected hours as 08:00-18:00", offset: 0) }
        self.start = start
        self.end = end
    }

    /// Nil of anything but two digits, a colon and two digits, up to 24:00.
    private static func minute(_ text: Substring) -> Int? {
        let digits = text.utf8.map { $0 }
        guard digits.count == 5, digits[2] == UInt8(ascii: ":") else { return nil }
        let numbers = [0, 1, 3, 4].map { Int(digits[$0]) - Int(UInt8(ascii: "0")) }
        guard numbers.allSatisfy({ (0...9).contains($0) }) else { return nil }
        let (hour, minute) = (numbers[0] * 10 + numbers[1], numbers[2] * 10 + numbers[3])
        guard minute < 60, hour < 24 || hour == 24 && minute == 0 else { return nil }
        return hour * 60 + minute
    }

    /// Whether a clock shows a time of this part.
    package func contains(_ clock: WallClock) -> Bool {
        let minute = clock.secondOfDay / 60
        return start < end
            ? (start..<end).contains(minute) : minute >= start || minute < end
    }
}

extension DayHours: CustomStringConvertible {
    package var description: String { Self.text(start) + "-" + Self.text(end) }

    private static func text(_ minute: Int) -> String {
        (minute / 60).padded(to: 2) + ":" + (minute % 60).padded(to: 2)
    }
}

extension DayHours: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        try self.init(parsing: text)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

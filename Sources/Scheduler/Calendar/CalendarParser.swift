import SnapshotModel

/// Reads what systemd's `calendar_spec_from_string` reads, and nothing else, but says what is
/// wrong and where.
struct CalendarParser {
    private var reader: TextReader
    private var expression = CalendarExpression()

    /// No expression that makes sense is near this long, in bytes.
    private static let longestText = 4096
    /// As systemd limits a field's list.
    private static let longestChain = 240

    init(_ text: String) throws(SyntaxError) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.longestText else {
            throw SyntaxError("the calendar is too long", offset: Self.longestText)
        }
        let split = Self.splitZone(bytes)
        expression.zoneName = split.zone
        reader = TextReader(split.rest)
        guard !reader.isAtEnd else {
            throw SyntaxError("a calendar is missing, such as daily or *-*-* 09:00", offset: 0)
        }
    }

    mutating func parse() throws(SyntaxError) -> CalendarExpression {
        if !readShorthand() {
            try readWeekdays()
            if try !readSecondsSinceEpoch() {
                try readDate()
                try readTime()
            }
        }
        expression.pattern = CalendarPattern(expression)
        return expression
    }

    /// What was read, where the reader stands: for messages.
    private func unexpected(_ expected: String) -> SyntaxError {
        var rest = reader
        let found = rest.read { $0 != UInt8(ascii: " ") }
        return SyntaxError(
            found.isEmpty ? "\(expected) is missing" : "\(expected) is expected, not \(found)",
            offset: reader.offset)
    }
}

// MARK: - Words

extension CalendarParser {
    /// The last word is a zone if it is spelled like one and something comes before it.
    private static func splitZone(_ bytes: [UInt8]) -> (rest: ArraySlice<UInt8>, zone: String?) {
        guard let space = bytes.lastIndex(of: UInt8(ascii: " ")), space > 0 else {
            return (bytes[...], nil)
        }
        let word = bytes[(space + 1)...]
        let name = String(decoding: word, as: UTF8.self)
        if name.lowercased() == "utc" { return (bytes[..<space], "UTC") }
        guard isZoneName(word), weekdayNumber(name) == nil else { return (bytes[...], nil) }
        return (bytes[..<space], name)
    }

    /// Safe as the end of a path, as no part of it is `.` or `..` or empty.
    private static func isZoneName(_ word: ArraySlice<UInt8>) -> Bool {
        guard let first = word.first, TextReader.isLetter(first) else { return false }
        let parts = word.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return parts.allSatisfy { part in
            !part.isEmpty
                && part.allSatisfy { byte in
                    TextReader.isLetter(byte) || TextReader.isDigit(byte)
                        || "+-_".utf8.contains(byte)
                }
        }
    }

    private static func weekdayNumber(_ name: String) -> Int? {
        switch name.lowercased() {
        case "mon", "monday": 0
        case "tue", "tuesday": 1
        case "wed", "wednesday": 2
        case "thu", "thursday": 3
        case "fri", "friday": 4
        case "sat", "saturday": 5
        case "sun", "sunday": 6
        default: nil
        }
    }

    private mutating func readShorthand() -> Bool {
        var rest = reader
        let word = rest.read { TextReader.isLetter($0) || $0 == UInt8(ascii: "-") }
        guard rest.isAtEnd else { return false }
        expression.hours = [CalendarComponent(start: 0)]
        expression.minutes = [CalendarComponent(start: 0)]
        expression.seconds = [CalendarComponent(start: 0)]
        let first = [CalendarComponent(start: 1)]
        switch word.lowercased() {
        case "minutely": (expression.hours, expression.minutes) = ([], [])
        case "hourly": expression.hours = []
        case "daily": break
        case "weekly": expression.weekdays = 1
        case "monthly": expression.days = first
        case "quarterly": (expression.months, expression.days) = (Self.months(every: 3), first)
        case "semiannually", "semi-annually", "biannually", "bi-annually":
            (expression.months, expression.days) = (Self.months(every: 6), first)
        case "yearly", "annually", "anually": (expression.months, expression.days) = (first, first)
        default: return false
        }
        return true
    }

    private static func months(every count: Int) -> CalendarChain {
        stride(from: 1, through: 12, by: count).map { CalendarComponent(start: $0) }
    }
}

// MARK: - Weekdays

extension CalendarParser {
    /// `Mon`, `Mon..Fri,Sun`, or nothing; a comma at the end is allowed.
    private mutating func readWeekdays() throws(SyntaxError) {
        guard reader.peek.map(TextReader.isLetter) ?? false else { return }
        expression.weekdays = 0
        repeat {
            let first = try readWeekday()
            // A hyphen is the older form.
            let isRange = reader.skip("..") || reader.skip("-")
            let place = reader.offset
            let last = isRange ? try readWeekday() : first
            guard first <= last else {
                throw SyntaxError("a range of weekdays ends before it begins", offset: place)
            }
            for day in first...last { expression.weekdays |= 1 << UInt8(day) }
        } while reader.skip(",") && !reader.isAtEnd && !reader.isNext(" ")
        guard reader.isAtEnd || reader.isNext(" ") else {
            throw unexpected("a comma or a space")
        }
        reader.skipSpaces()
    }

    private mutating func readWeekday() throws(SyntaxError) -> Int {
        let place = reader.offset
        let name = reader.readWord()
        if let number = Self.weekdayNumber(name) { return number }
        throw SyntaxError(
            name.isEmpty
                ? "a weekday is missing, such as Mon"
                : "\(name) is neither a weekday nor a shorthand such as daily", offset: place)
    }
}

// MARK: - Date

extension CalendarParser {
    /// `@SECONDS`: a moment of UTC, in seconds since 1970.
    private mutating func readSecondsSinceEpoch() throws(SyntaxError) -> Bool {
        let place = reader.offset
        guard reader.skip("@") else { return false }
        let digits = reader.read(while: TextReader.isDigit)
        guard reader.isAtEnd, let seconds = Int64(digits),
            seconds <= TimeZoneRules.reach.upperBound
        else { throw SyntaxError("@ is followed by seconds since 1970", offset: place) }
        guard [nil, "UTC"].contains(expression.zoneName) else {
            throw SyntaxError("seconds since 1970 have no time zone", offset: place)
        }
        let clock = WallClock(secondsSinceEpoch: seconds)
        expression.zoneName = "UTC"
        expression.years = [CalendarComponent(start: clock.date.year)]
        expression.months = [CalendarComponent(start: clock.date.month)]
        expression.days = [CalendarComponent(start: clock.date.day)]
        expression.hours = [CalendarComponent(start: clock.hour)]
        expression.minutes = [CalendarComponent(start: clock.minute)]
        expression.seconds = [
            CalendarComponent(start: clock.second * CalendarField.perSecond)
        ]
        try check(expression.years, .year, at: place)
        return true
    }

    /// `2026-11-22`, `11-22`, `*-02~01`, or nothing.
    private mutating func readDate() throws(SyntaxError) {
        guard !reader.isAtEnd else { return }
        let beginning = reader
        let first = try readChain()
        guard !reader.isAtEnd, !reader.isNext(":") else {
            // It was a time.
            reader = beginning
            return
        }
        try readDateSeparator()
        let second = try readChain()
        if reader.isAtEnd || reader.isNext(" ") {
            try set(month: first, day: second)
        } else {
            guard !expression.countsDaysFromEnd else { throw unexpected("a space or the end") }
            try readDateSeparator()
            let third = try readChain()
            guard reader.isAtEnd || reader.isNext(" ") else {
                throw unexpected("a space or the end")
            }
            try set(month: second, day: third)
            let years = first.chain.map(Self.withFullYears).normalized
            try check(years, .year, at: first.offset)
            expression.years = years
        }
        reader.skipSpaces()
    }

    private mutating func readDateSeparator() throws(SyntaxError) {
        if reader.skip("~") {
            expression.countsDaysFromEnd = true
        } else if !reader.skip("-") {
            throw unexpected("- or :")
        }
    }

    private mutating func set(month: ReadChain, day: ReadChain) throws(SyntaxError) {
        expression.months = month.chain.normalized
        expression.days = day.chain.normalized
        // Without a number, there is nothing to count.
        expression.countsDaysFromEnd = expression.countsDaysFromEnd && !day.chain.isEmpty
        try check(expression.months, .month, at: month.offset)
        try check(
            expression.days, expression.countsDaysFromEnd ? .dayFromEnd : .day, at: day.offset)
    }

    /// 12 is 2012, 89 is 1989.
    private static func withFullYears(_ component: CalendarComponent) -> CalendarComponent {
        func full(_ year: Int) -> Int { year < 70 ? year + 2000 : year < 100 ? year + 1900 : year }
        var component = component
        component.start = full(component.start)
        component.stop = component.stop.map(full)
        return component
    }
}

// MARK: - Time

extension CalendarParser {
    /// `09:00`, `*:0/15`, `12:30:00.5`; midnight when there is nothing.
    private mutating func readTime() throws(SyntaxError) {
        let zero = [CalendarComponent(start: 0)]
        guard !reader.isAtEnd else {
            (expression.hours, expression.minutes, expression.seconds) = (zero, zero, zero)
            return
        }
        let hours = try readChain()
        guard reader.skip(":") else { throw unexpected("a colon, as in 09:00,") }
        let minutes = try readChain()
        var seconds = ReadChain(chain: zero, offset: reader.offset)
        if reader.skip(":") { seconds = try readChain(ofSeconds: true) }
        guard reader.isAtEnd else { throw unexpected("the end, or a time zone,") }
        expression.hours = hours.chain.normalized
        expression.minutes = minutes.chain.normalized
        expression.seconds = seconds.chain.normalized
        try check(expression.hours, .hour, at: hours.offset)
        try check(expression.minutes, .minute, at: minutes.offset)
        try check(expression.seconds, .second, at: seconds.offset)
    }
}

// MARK: - Lists of values

extension CalendarParser {
    private struct ReadChain {
        var chain: CalendarChain
        var offset: Int
    }

    private func check(
        _ chain: CalendarChain, _ field: CalendarField, at offset: Int
    ) throws(SyntaxError) {
        guard !chain.allSatisfy(field.allows) else { return }
        throw SyntaxError(
            "the \(field.rawValue) is \(field.rangeText), a range ascends, and a repetition fits"
                + " into it", offset: offset)
    }

    /// `*`, or values with commas in between.
    private mutating func readChain(
        ofSeconds areSeconds: Bool = false
    ) throws(SyntaxError) -> ReadChain {
        let start = reader.offset
        if reader.skip("*") {
            guard !reader.isNext("/") else {
                throw SyntaxError("write 0/15 for every 15th value, not */15", offset: start)
            }
            let everySecond = CalendarComponent(start: 0, step: CalendarField.perSecond)
            return ReadChain(chain: areSeconds ? [everySecond] : [], offset: start)
        }
        var chain: CalendarChain = []
        repeat {
            guard chain.count < Self.longestChain else {
                throw SyntaxError(
                    "a list has more than \(Self.longestChain) values", offset: start)
            }
            chain.append(try readComponent(ofSeconds: areSeconds))
        } while reader.skip(",")
        return ReadChain(chain: chain, offset: start)
    }

    private mutating func readComponent(
        ofSeconds areSeconds: Bool
    ) throws(SyntaxError) -> CalendarComponent {
        let place = reader.offset
        let unit = areSeconds ? CalendarField.perSecond : 1
        var component = CalendarComponent(start: try readValue(unit: unit))
        if reader.skip("..") {
            component.stop = try readValue(unit: unit)
            component.step = unit
        }
        if reader.skip("/") {
            component.step = try readValue(unit: unit)
            guard component.step > 0 else {
                throw SyntaxError("a repetition of 0 never comes", offset: place)
            }
        } else if areSeconds, let stop = component.stop, component.start + unit > stop {
            throw SyntaxError(
                "a range ends before its second value comes", offset: place)
        }
        guard reader.peek.map(" ,-~:".utf8.contains) ?? true else {
            throw unexpected("a comma, a separator or the end")
        }
        return component
    }

    /// A whole number, and for seconds its fraction, in millionths.
    private mutating func readValue(unit: Int) throws(SyntaxError) -> Int {
        guard let value = reader.readNumber() else {
            let isNumber = reader.peek.map(TextReader.isDigit) ?? false
            throw isNumber
                ? SyntaxError("the number is too large", offset: reader.offset)
                : unexpected("a number or *")
        }
        // One point is decimal, two are a range.
        guard unit > 1, reader.isNext("."), reader.peekSecond != UInt8(ascii: ".") else {
            return value * unit
        }
        _ = reader.skip(".")
        let digits = reader.read(while: TextReader.isDigit).utf8.map { Int($0) - 48 }
        guard !digits.isEmpty else { throw unexpected("a fraction of a second") }
        let fraction = (0..<6).reduce(0) { $0 * 10 + ($1 < digits.count ? digits[$1] : 0) }
        return value * unit + fraction + (digits.count > 6 && digits[6] >= 5 ? 1 : 0)
    }
}

/// One value, range or repetition in a field of a calendar: `3`, `1..5`, `0/15`, `9..17/2`.
///
/// Seconds are counted in millionths, so that they may have fractions.
struct CalendarComponent: Hashable, Sendable {
    var start: Int
    /// The last value of a range.
    var stop: Int?
    /// 0 without a repetition.
    var step = 0

    /// The first value at or after `value`, none above `limit`.
    func first(atOrAfter value: Int, limit: Int) -> Int? {
        let last = min(stop ?? limit, limit)
        guard value > start else { return start <= last ? start : nil }
        guard step > 0 else { return nil }
        let steps = (value - start + step - 1) / step
        let found = start + steps * step
        return found <= last ? found : nil
    }
}

extension CalendarComponent: Comparable {
    static func < (left: CalendarComponent, right: CalendarComponent) -> Bool {
        (left.start, left.stop ?? -1, left.step) < (right.start, right.stop ?? -1, right.step)
    }
}

/// The fields of a calendar, with what systemd takes for their values.
enum CalendarField: String {
    case year
    case month
    case day
    /// Counted from the end of the month; only as far as the shortest month goes.
    case dayFromEnd = "last day"
    case hour
    case minute
    case second

    /// systemd ends in 2199.
    static let years = 1970...2500
    /// How many of the units in which seconds are counted.
    static let perSecond = 1_000_000

    /// In the field's own unit.
    var range: ClosedRange<Int> {
        switch self {
        case .year: Self.years
        case .month: 1...12
        case .day: 1...31
        case .dayFromEnd: 1...28
        case .hour: 0...23
        case .minute: 0...59
        case .second: 0...60 * Self.perSecond - 1
        }
    }

    /// As messages name it.
    var rangeText: String {
        self == .second
            ? "0 to 59" : "\(range.lowerBound) to \(range.upperBound)"
    }

    /// Whether all that the component names can occur, and its repetition at least once.
    func allows(_ component: CalendarComponent) -> Bool {
        guard range.contains(component.start),
            component.step <= range.upperBound - range.lowerBound
        else { return false }
        if let stop = component.stop {
            return range.contains(stop) && component.start + component.step <= stop
        }
        // From the end of the month, a repetition runs towards the end.
        return self == .dayFromEnd
            ? component.start - component.step >= range.lowerBound
            : component.start + component.step <= range.upperBound
    }
}

/// The values of a field, in the order in which they are printed; an empty chain is `*`.
typealias CalendarChain = [CalendarComponent]

extension CalendarChain {
    /// Sorted, without duplicates, and each range ending with the last value that it names, or
    /// written as a single value if it names but one.
    var normalized: CalendarChain {
        var chain = map { component in
            var component = component
            if let stop = component.stop, stop > component.start, component.step > 0 {
                component.stop = stop - (stop - component.start) % component.step
            }
            if component.stop == component.start { (component.stop, component.step) = (nil, 0) }
            return component
        }
        chain.sort()
        return chain.reduce(into: []) { unique, component in
            if unique.last != component { unique.append(component) }
        }
    }

    /// The values below 64 as the bits of a number.
    func mask(upTo limit: Int) -> UInt64 {
        guard !isEmpty else { return BitSearch.mask(0...limit) }
        var mask: UInt64 = 0
        for component in self {
            var value = component.first(atOrAfter: 0, limit: limit)
            while let found = value {
                mask |= 1 << UInt64(found)
                value = component.first(atOrAfter: found + 1, limit: limit)
            }
        }
        return mask
    }

    /// The smallest value at or after `value`.
    func first(atOrAfter value: Int, limit: Int) -> Int? {
        guard !isEmpty else { return value <= limit ? value : nil }
        return reduce(nil) { smallest, component in
            guard let found = component.first(atOrAfter: value, limit: limit) else {
                return smallest
            }
            return Swift.min(found, smallest ?? found)
        }
    }
}

/// Small sets of small numbers, as the bits of a number.
enum BitSearch {
    static func mask(_ range: ClosedRange<Int>) -> UInt64 {
        (range.upperBound >= 63 ? .max : (1 << UInt64(range.upperBound + 1)) - 1)
            & ~((1 << UInt64(range.lowerBound)) - 1)
    }

    /// The smallest member at or above `value`, which is not negative.
    static func first(in mask: UInt64, atOrAfter value: Int) -> Int? {
        guard value < 64 else { return nil }
        let rest = mask >> UInt64(value)
        return rest == 0 ? nil : value + rest.trailingZeroBitCount
    }
}

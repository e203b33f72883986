/// The changes of the clock that a TZif file lists.
struct TimeZoneData {
    /// In seconds since 1970, ascending.
    var transitions: [Int64]
    /// Seconds east of UTC; one more than `transitions`: `offsets[n]` holds before transition `n`.
    var offsets: [Int32]

    /// These changes, and after the last of them those of the rule, as far as a `Timestamp` goes.
    func rules(name: String, footer: PosixTimeZone?) -> TimeZoneRules {
        var list = TransitionList(first: offsets[0])
        for (transition, offset) in zip(transitions, offsets.dropFirst()) {
            list.add(transition, offset)
        }
        if let footer { add(footer, to: &list) }
        return TimeZoneRules(name: name, transitions: list.transitions, offsets: list.offsets)
    }

    private func add(_ footer: PosixTimeZone, to list: inout TransitionList) {
        let reach = TimeZoneRules.reach
        let last = transitions.last ?? reach.lowerBound
        guard last < reach.upperBound else { return }
        let start = max(last, reach.lowerBound)
        if transitions.isEmpty {
            // Section 3.3: without changes, the rule holds for all time.
            list = TransitionList(first: Int32(footer.standardOffset))
        }
        for interval in footer.summerTime(from: start, to: reach.upperBound) {
            if interval.start > start || transitions.isEmpty {
                list.add(interval.start, Int32(interval.offset))
            }
            if interval.end > start { list.add(interval.end, Int32(footer.standardOffset)) }
        }
    }
}

/// Collects changes of the clock in order; what changes nothing, or lies out of reach, is left out.
private struct TransitionList {
    private(set) var transitions: [Int64] = []
    private(set) var offsets: [Int32]

    init(first: Int32) { offsets = [first] }

    mutating func add(_ transition: Int64, _ offset: Int32) {
        let reach = TimeZoneRules.reach
        guard transition <= reach.upperBound, offset != offsets[offsets.count - 1] else { return }
        if transition <= reach.lowerBound {
            offsets = [offset]
        } else {
            transitions.append(transition)
            offsets.append(offset)
        }
    }
}

package import SnapshotModel

/// The offsets of a time zone, by moment: read from its TZif file (RFC 9636), which the caller
/// brings, so that neither a library nor the machine's settings have a say.
///
/// All changes of the clock that a `Timestamp` can reach are laid out when the rules are made,
/// also those after the last one in the file, so that a look-up is a binary search.
package struct TimeZoneRules: Sendable {
    /// As its user named it: "Europe/Vienna".
    package let name: String

    /// When the clock changes, in seconds since 1970, ascending.
    let transitions: [Int64]
    /// Seconds east of UTC; one more than `transitions`: `offsets[n]` holds before transition `n`.
    let offsets: [Int32]

    package static let utc = TimeZoneRules(name: "UTC", transitions: [], offsets: [0])

    init(name: String, transitions: [Int64], offsets: [Int32]) {
        self.name = name
        self.transitions = transitions
        self.offsets = offsets
    }

    /// Reads the bytes of a TZif file, version 1 to 4.
    package init(name: String, contents: [UInt8]) throws(TimeZoneFileError) {
        let file = try TimeZoneFile(name: name, contents: contents)
        self = file.rules
    }

    /// Seconds east of UTC that the zone's clocks are ahead.
    package func offsetSeconds(at moment: Timestamp) -> Int {
        Int(offsets[periodIndex(at: moment.secondsSinceEpoch)])
    }

    /// What the zone's clocks show, without the fraction of the second.
    package func wallClock(at moment: Timestamp) -> WallClock {
        let seconds = moment.secondsSinceEpoch
        return WallClock(
            secondsSinceEpoch: seconds + Int64(offsets[periodIndex(at: seconds)]))
    }

    /// How many changes of the clock lie at or before that second.
    func periodIndex(at seconds: Int64) -> Int {
        transitions.lowestIndex { $0 > seconds }
    }
}

extension TimeZoneRules: Hashable {
    /// The name tells zones apart well enough.
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

// MARK: - From the clock to the moment

extension TimeZoneRules {
    /// The moments at which the zone's clocks show something.
    package enum Moments: Hashable, Sendable {
        case once(Timestamp)
        /// Never: the clocks jump over it at `transition`.
        case skipped(transition: Timestamp)
        /// Twice: the clocks are set back to or before it in between.
        case twice(first: Timestamp, second: Timestamp)
    }

    /// When the clocks show that; what a `Timestamp` cannot reach becomes its lowest or highest.
    package func moments(of wallClock: WallClock) -> Moments {
        let local = wallClock.secondsSinceEpoch
        var period = periodIndex(at: local - Self.largestOffset)
        var found: [Int64] = []
        var jump: Int64?
        while true {
            let seconds = local - Int64(offsets[period])
            let start = period > 0 ? transitions[period - 1] : .min
            let end = period < transitions.count ? transitions[period] : .max
            if start <= seconds, seconds < end { found.append(seconds) }
            // The last change before which the clocks had not yet come so far.
            if seconds >= end { jump = end }
            guard end <= local + Self.largestOffset else { break }
            period += 1
        }
        guard let first = found.first, let last = found.last else {
            return .skipped(transition: Self.timestamp(jump ?? local))
        }
        guard found.count > 1 else { return .once(Self.timestamp(first)) }
        return .twice(first: Self.timestamp(first), second: Self.timestamp(last))
    }

    /// No clock is further from UTC than this, in seconds: RFC 9636, section 3.2, has
    /// -89,999 to 93,599.
    static let largestOffset: Int64 = 93_599

    /// The first and last whole seconds that a `Timestamp` reaches.
    static let reach = Timestamp.first.secondsSinceEpoch + 1...Timestamp.last.secondsSinceEpoch

    static func timestamp(_ seconds: Int64) -> Timestamp {
        let reached = min(max(seconds, reach.lowerBound), reach.upperBound)
        return Timestamp(clampingSeconds: reached)
    }
}

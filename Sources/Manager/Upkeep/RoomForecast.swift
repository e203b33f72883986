internal import SnapshotModel
internal import VolumeAccess

/// Judges the room of a volume's growing areas, from one look to the next: what must be done, and when
/// to look again. Pure; times are those of the clock that never steps back.
struct RoomForecast {
    private var previous: (used: [SnapshotOrdinal: Int], nanoseconds: Int64)?
    /// How fast each area grows, in bytes per second. After a burst it falls by half with each look.
    private(set) var rates: [SnapshotOrdinal: Int] = [:]

    struct Judgement: Hashable {
        /// Space that was reserved ahead is used up.
        var needsRefill = false
        /// At this rate the kernel finds no room before a later look can help.
        var isCritical = false
        /// When to look again, in milliseconds.
        var pauseMilliseconds = RoomForecast.longestPauseMilliseconds
    }

    static let longestPauseMilliseconds = 10_000
    static let shortestPauseMilliseconds = 100
    /// What a snapshot needs at least to go on for a moment, in bytes: some chunks of the largest size.
    private static let leastRoomBytes = 2 << 20
    /// How fast, in bytes per second, what nobody has written to for a while is taken to be written to
    /// at any moment: the less room there is, the sooner is the next look.
    private static let suddenRate = 32 << 20
    /// Room for this long must be left: a few of the shortest pauses, and the time to give up.
    private static let leastRoomMilliseconds = 400

    mutating func judge(_ look: RoomReading, at nanoseconds: Int64) -> Judgement {
        note(look, at: nanoseconds)
        var judgement = Judgement()
        for area in look.areas {
            let (room, rate) = (look.room(of: area), rates[area.ordinal] ?? 0)
            if look.isShort(area) { judgement.needsRefill = true }
            guard room < area.leftBytes else { continue }
            // Before half of the reserve is gone, and a quarter of all the room there is.
            if rate > 0 { judgement.pause(untilUsed: area.reservedBytes / 2, rate) }
            judgement.pause(untilUsed: room / 4, max(rate, Self.suddenRate))
        }
        judgement.isCritical = isCritical(look)
        return judgement
    }

    /// Whether the kernel would find no room soon, at the rates that are known. Never while it merges:
    /// what a merge needs was reserved before it began, and comes to its end as the merge does.
    func isCritical(_ look: RoomReading) -> Bool {
        !look.isMerging
            && look.areas.contains { area in
                let (room, rate) = (look.room(of: area), rates[area.ordinal] ?? 0)
                let least = max(Self.leastRoomBytes, rate / 1000 * Self.leastRoomMilliseconds)
                return rate > 0 && room < area.leftBytes && room < least
            }
    }

    private mutating func note(_ look: RoomReading, at nanoseconds: Int64) {
        let used = Dictionary(
            look.areas.map { ($0.ordinal, $0.usedBytes) }, uniquingKeysWith: max)
        defer { previous = (used, nanoseconds) }
        guard let previous, nanoseconds > previous.nanoseconds else { return }
        let seconds = Double(nanoseconds - previous.nanoseconds) / 1e9
        let known = rates
        rates = used.reduce(into: [:]) { rates, area in
            let grown = max(0, area.value - (previous.used[area.key] ?? 0))
            rates[area.key] = max(Int(Double(grown) / seconds), (known[area.key] ?? 0) / 2)
        }
    }
}

extension RoomForecast.Judgement {
    /// Looks again before so many bytes are used at this rate, within the bounds.
    fileprivate mutating func pause(untilUsed bytes: Int, _ rate: Int) {
        let milliseconds = Int(Double(bytes) / Double(rate) * 1000)
        pauseMilliseconds = max(
            RoomForecast.shortestPauseMilliseconds, min(pauseMilliseconds, milliseconds))
    }
}

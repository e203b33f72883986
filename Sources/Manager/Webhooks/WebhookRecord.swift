package import SnapshotModel

/// How far a webhook is, as it lies in the state folder.
struct WebhookRecord: Hashable, Sendable, Codable {
    /// Of the file's format.
    var version = newestVersion
    /// The last event of the log that was delivered, was not wanted or was given up.
    var lastEvent: Int64
    var lastDeliveredAt: Timestamp?
    /// Failures since the last delivery.
    var failureCount = 0
    var failingSince: Timestamp?
    var lastError: String?
    /// What was given up, oldest first.
    var dead: [DeadLetter] = []
    /// How many were dropped, since there were too many.
    var droppedCount = 0
    /// What was given up and is to be sent again, by the events' numbers.
    var again: [Int64] = []

    static let newestVersion = 1
    /// So many are kept that were given up.
    static let deadMaximum = 1_000

    init(lastEvent: Int64) { self.lastEvent = lastEvent }

    // MARK: what becomes of an event

    mutating func deliver(_ event: Int64, isAgain: Bool, at now: Timestamp) {
        pass(event, isAgain: isAgain)
        lastDeliveredAt = now
        (failureCount, failingSince, lastError) = (0, nil, nil)
    }

    mutating func fail(_ error: String, at now: Timestamp) {
        failureCount = failureCount.addingClamped(1)
        failingSince = failingSince ?? now
        lastError = Self.bounded(error)
    }

    mutating func giveUp(_ event: Int64, _ error: String, isAgain: Bool, at now: Timestamp) {
        pass(event, isAgain: isAgain)
        // Noted again, when the first time was on disk although it was told to have failed.
        dead.removeAll { $0.event == event }
        dead.append(DeadLetter(event: event, givenUpAt: now, error: Self.bounded(error)))
        let excess = max(0, dead.count - Self.deadMaximum)
        dead.removeFirst(excess)
        droppedCount = droppedCount.addingClamped(excess)
        // What waits behind it is as old, and need not wait as long as if the receiver had never been tried.
        failureCount = min(failureCount, WebhookPolicy.failuresToGiveUp)
    }

    /// A thousand of them, escaped, must be far from what a file may hold.
    private static func bounded(_ error: String) -> String { String(error.prefix(errorLength)) }
    private static let errorLength = 300

    /// It has had its turn.
    mutating func pass(_ event: Int64, isAgain: Bool) {
        if isAgain {
            again.removeAll { $0 == event }
        } else {
            lastEvent = max(lastEvent, event)
        }
    }

    /// Has what was given up sent again.
    ///
    /// - Parameter events: these alone; nil for all.
    /// - Returns: their numbers.
    mutating func retry(_ events: Set<Int64>?) -> [Int64] {
        let chosen = dead.map(\.event).filter { events?.contains($0) ?? true }
        dead.removeAll { chosen.contains($0.event) }
        again += chosen.filter { !again.contains($0) }
        return chosen
    }
}

/// An event that a receiver did not take.
package struct DeadLetter: Hashable, Sendable, Codable {
    package var event: Int64
    package var givenUpAt: Timestamp
    package var error: String
}

extension DeadLetter: JSONConvertible {
    package var json: JSONValue {
        [
            "event_id": JSONValue(event), "given_up_at": JSONValue(givenUpAt),
            "error": JSONValue(error),
        ]
    }
}

/// When a failed event is tried again, and when no more: pure.
enum WebhookPolicy {
    private static let firstMilliseconds = 1_000
    private static let longestMilliseconds = 600_000
    /// Whatever its age, an event is not given up before so many failures in a row.
    static let failuresToGiveUp = 5

    /// How long to wait after so many failures in a row: each time twice as long, up to ten minutes, and less by a share
    /// that chance has, so that many senders do not come at once.
    ///
    /// - Parameters:
    ///   - fraction: of chance, from 0 to 1.
    ///   - retrySeconds: what the receiver asked for, which is kept to up to the longest wait.
    static func delayMilliseconds(
        failures: Int, fraction: Double, retrySeconds: Int? = nil
    ) -> Int {
        let doublings = min(max(failures, 1) - 1, 20)
        let full = min(firstMilliseconds << doublings, longestMilliseconds)
        let half = full / 2
        let drawn = half + Int(Double(half) * min(max(fraction, 0), 1))
        let asked = (retrySeconds ?? 0).multipliedClamped(by: 1_000)
        return max(drawn, min(asked, longestMilliseconds))
    }

    /// - Parameter loggedAt: a moment that lies ahead is now.
    static func isGivenUp(
        loggedAt: Timestamp, now: Timestamp, failures: Int, giveUpSeconds: Int64
    ) -> Bool {
        failures >= failuresToGiveUp && now >= loggedAt.advanced(bySeconds: giveUpSeconds)
    }
}

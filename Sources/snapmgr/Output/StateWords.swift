import SnapshotModel

/// How the words stand out that say how something is.
enum StateWords {
    private static let bad: Set<String> = [
        "broken", "missing", "failed", "failing", "lost", "orphaned", "full",
    ]
    private static let passing: Set<String> = [
        "merging", "deleting", "paused", "inactive", "waiting", "queued",
    ]

    @Sendable static func emphasis(_ state: String) -> Terminal.Emphasis? {
        let word = String(state.prefix { $0.isLetter })
        return bad.contains(word) ? .bad : passing.contains(word) ? .passing : nil
    }

    /// Of bytes that are free.
    @Sendable static func roomEmphasis(_ free: String) -> Terminal.Emphasis? {
        free == "0" || free == "0 B" ? .bad : nil
    }

    // MARK: time to come

    /// So soon that something has to be done, in days.
    static let soonDays = 7.0

    /// How long a store lasts: `31 h`, `12 d`, `5 mo`, `8 y`.
    ///
    /// - Parameter days: nil when there is no pace.
    static func fullIn(days: Double?) -> String {
        guard let days, days.isFinite else { return "-" }
        // Beyond it the pace of a week says nothing.
        guard days < 36_500 else { return "-" }
        let hours = Int((max(0, days) * 24).rounded())
        switch days {
        case ..<2: return "\(hours) h"
        case ..<60: return "\(Int(days.rounded())) d"
        case ..<730: return "\(Int((days / 30.44).rounded())) mo"
        default: return "\(Int((days / 365.25).rounded())) y"
        }
    }

    @Sendable static func fullEmphasis(_ text: String) -> Terminal.Emphasis? {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let count = Double(parts[0]) else { return nil }
        return parts[1] == "h" || (parts[1] == "d" && count < soonDays) ? .bad : nil
    }
}

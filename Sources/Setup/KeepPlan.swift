/// How many snapshots are to be kept, by a word.
package enum KeepPlan: String, CaseIterable, Hashable, Sendable {
    case standard
    case light
    case forever

    /// What is kept, for people.
    package var summary: String {
        switch self {
        case .standard:
            "all of a day, then one an hour for 48 hours, a day for 30 days, a week for 12 weeks, a "
                + "month for 12 months, a year for 3 years"
        case .light:
            "the last 4, then one an hour for 24 hours, a day for 7 days, a week for 4 weeks"
        case .forever: "all"
        }
    }

    /// The rules of the policy, as they stand in a file.
    var rules: [String] {
        switch self {
        case .standard:
            [
                "within = \"1d\"", "hourly = 48", "daily = 30", "weekly = 12", "monthly = 12",
                "yearly = 3",
            ]
        case .light: ["last = 4", "hourly = 24", "daily = 7", "weekly = 4"]
        case .forever: ["last = \"unlimited\""]
        }
    }
}

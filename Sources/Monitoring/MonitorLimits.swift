/// From when on monitoring warns; the manual has the same figures.
package enum MonitorLimits {
    /// A slot may be served this late, in seconds, or a quarter of the schedule's period late when
    /// that is longer.
    static let lateSeconds: Int64 = 5 * 60

    static let daysToFullWarning = 7.0
    static let daysToFullCritical = 2.0

    /// A merge that has not moved for the last seconds may have only just begun.
    static let mergeStandstillSeconds: Int64 = 5 * 60

    /// A hold without an end is stale when it is older, in seconds.
    static let holdSeconds: Int64 = 30 * 86_400

    /// A mirror that failed so often since its last success.
    static let mirrorFailures = 3

    /// The oldest snapshot that a mirror's target lacks is older, in seconds.
    static let mirrorLagSeconds: Int64 = 2 * 86_400

    /// What the policies let go is to be gone after this time, in seconds.
    package static let pruneSeconds: Int64 = 2 * 86_400
}

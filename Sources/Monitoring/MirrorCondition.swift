/// How a mirror is doing.
package enum MirrorCondition: String, Hashable, Sendable, CaseIterable {
    /// The target has all.
    case current
    /// It lacks some, which the next run sends.
    case behind
    /// The last run failed.
    case failing
    /// A revert of the source waits for a word on it.
    case waiting
    /// The target was promoted, and nothing is sent to it.
    case promoted
    /// The same, and the volume here is a target: what is taken there is sent here by a mirror there.
    case reversed
    /// Both are written to.
    case split
    /// Its volume is not there, or is another one.
    case orphaned
}

/// Which snapshots to keep: all that any rule keeps. A snapshot goes only when every rule lets it
/// go and nothing else needs it (see `Protection`).
///
/// A policy looks only at the snapshots that it applies to; the others neither count nor stand for
/// a bucket. Manual snapshots are among them only if it says so: who takes a snapshot by hand has a
/// reason for this one, and expects it to stay until it is deleted by hand, as with snapper (no
/// cleanup algorithm unless asked for), sanoid (only what it took itself) and zrepl (only names
/// with its prefix).
package struct RetentionPolicy: Hashable, Sendable {
    package var rules: [KeepRule]
    package var prefer: Preference
    /// Whose calendar the buckets follow.
    package var zone: TimeZoneRules
    package var appliesToManual: Bool

    /// Which snapshot stands for its bucket.
    package enum Preference: String, Hashable, Sendable, CaseIterable {
        /// The one whose deletion would make the next ones copy more, and the one that is certain
        /// to be there whenever one prunes.
        case oldest
        /// restic's choice, with the whole of restic's rule.
        case newest
    }

    package init(
        rules: [KeepRule], prefer: Preference = .oldest, zone: TimeZoneRules = .utc,
        appliesToManual: Bool = false
    ) {
        self.rules = rules
        self.prefer = prefer
        self.zone = zone
        self.appliesToManual = appliesToManual
    }

    /// Whether it has no rule that could keep anything; such a policy keeps everything.
    package var isEmpty: Bool { !rules.contains(where: \.isEffective) }

    /// Whether pruning often, seldom or once leaves the same snapshots. zrepl's grid moves with
    /// every snapshot; and restic keeps the oldest snapshot of all within a span, which is another
    /// one when older ones are gone already.
    package var isPathIndependent: Bool {
        rules.filter(\.isEffective).allSatisfy {
            switch $0 {
            case .grid: false
            case .withinBuckets: prefer == .oldest
            // restic's months run over their ends: a later moment may give an earlier cut-off.
            case .within(let rule): prefer == .oldest || rule.span.months == 0
            case .last, .buckets, .names, .tags, .notMirrored: true
            }
        }
    }
}

package import SnapshotModel

/// Why something keeps a snapshot, and until when.
package struct KeepReason: Hashable, Sendable {
    /// The rule as the configuration has it, such as `daily(30)`, or what else keeps it: `newest`,
    /// `hold`, `manual`.
    package var source: String
    /// What the rule sees in this snapshot: `2026-11-22 (#3 of 30)`; may be empty.
    package var detail: String
    package var expiry: Expiry
    /// What would end it; nil where it ends by itself, or that is told elsewhere.
    package var hint: Advice?
}

extension KeepReason: CustomStringConvertible {
    package var description: String { detail.isEmpty ? source : "\(source): \(detail)" }
}

/// What becomes of one snapshot, and why.
package struct PruneDecision: Hashable, Sendable {
    package var subject: RetentionSubject
    /// The policy that it falls under; nil without one.
    package var policy: String?
    /// Everything that keeps it; empty when it goes.
    package var reasons: [KeepReason]
    /// What each rule says when it goes; empty when it is kept.
    package var refusals: [String]

    package var isKept: Bool { !reasons.isEmpty }

    /// When the last of the reasons ends.
    package var expiry: Expiry {
        reasons.dropFirst().reduce(reasons.first?.expiry ?? .event) { $0.combined(with: $1.expiry) }
    }
}

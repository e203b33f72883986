/// One rule of a policy. What each keeps is told in the file of its own type.
package enum KeepRule: Hashable, Sendable {
    case last(LastRule)
    case within(WithinRule)
    case buckets(BucketRule)
    case withinBuckets(WithinBucketRule)
    case grid(GridRule)
    case names(NameRule)
    case tags(TagRule)
    case notMirrored(NotMirroredRule)

    var rule: any Rule {
        switch self {
        case .last(let rule): rule
        case .within(let rule): rule
        case .buckets(let rule): rule
        case .withinBuckets(let rule): rule
        case .grid(let rule): rule
        case .names(let rule): rule
        case .tags(let rule): rule
        case .notMirrored(let rule): rule
        }
    }

    /// Whether it could keep anything at all: a count of 0, an empty span and an empty list of tags
    /// cannot.
    package var isEffective: Bool { rule.isEffective }

    package static func last(_ count: KeepCount) -> KeepRule { .last(LastRule(count)) }
    package static func within(_ span: CalendarSpan) -> KeepRule { .within(WithinRule(span)) }
    package static func buckets(_ span: BucketSpan, _ count: KeepCount) -> KeepRule {
        .buckets(BucketRule(span, count))
    }
}

extension KeepRule: CustomStringConvertible {
    /// As it is named in a configuration, with its value: `daily(30)`.
    package var description: String { rule.description }
}

package import SnapshotModel

/// Until when something keeps a snapshot, if snapshots go on as scheduled.
package enum Expiry: Hashable, Sendable {
    /// From this moment on it keeps it no more.
    case at(Timestamp)
    /// A moment that cannot be told in advance, such as when a bucket slides past.
    case unforeseeable
    /// Until something happens that no clock decides: a merge ends, a mirror catches up.
    case event
    /// For good, as long as nobody changes the policy, the snapshot or the hold.
    case never

    /// When the last of several lets go.
    func combined(with other: Expiry) -> Expiry {
        switch (self, other) {
        case (.at(let left), .at(let right)): .at(max(left, right))
        default: strength >= other.strength ? self : other
        }
    }

    private var strength: Int {
        switch self {
        case .at: 0
        case .unforeseeable: 1
        case .event: 2
        case .never: 3
        }
    }

    /// Nil when it is not known.
    package var moment: Timestamp? {
        if case .at(let moment) = self { moment } else { nil }
    }
}

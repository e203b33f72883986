/// What somebody may do: each role may do all that those before it may.
package enum WebRole: Int, CaseIterable, Comparable, Sendable {
    /// Look at everything that is not a secret, files in snapshots included.
    case read
    /// Take snapshots, and hold them.
    case snapshot
    /// Delete, prune, steer merges, end jobs.
    case operate
    /// Make a volume read as a snapshot.
    case revert

    package static func < (left: WebRole, right: WebRole) -> Bool {
        left.rawValue < right.rawValue
    }

    /// As options and documents have it.
    package var word: String { "\(self)" }

    package init?(word: String) {
        guard let role = Self.allCases.first(where: { $0.word == word }) else { return nil }
        self = role
    }
}

/// How often a volume's snapshots are read as a whole, and compared with what was sealed.
package enum ScrubInterval: String, Hashable, Sendable, CaseIterable {
    case off
    case weekly
    case monthly

    /// From the end of one to the beginning of the next; nil for none.
    package var seconds: Int64? {
        switch self {
        case .off: nil
        case .weekly: 7 * 86_400
        case .monthly: 30 * 86_400
        }
    }
}

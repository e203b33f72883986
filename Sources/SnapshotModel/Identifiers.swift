/// A snapshot's identity: unique over all volumes of one catalog and never reused.
package struct SnapshotID: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = IdentityBounds.readable
}

/// The identity of a set of snapshots that were taken of several volumes at one instant.
package struct SetID: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = IdentityBounds.readable
}

/// The identity of one revert; never reused.
package struct RevertID: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = IdentityBounds.readable
}

/// A snapshot's position in its volume's chain: 1 is the oldest ever taken. It names the
/// snapshot's folder in the store, and orders the areas.
package struct SnapshotOrdinal: BoundedNumber, Hashable, Comparable, Sendable, Codable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }
    package init(from decoder: any Decoder) throws { self = try Self.checked(decoder) }

    package static let bounds = 0...(1 << 53)

    /// The ordinal of the snapshot that would be taken after this one.
    package var next: SnapshotOrdinal { SnapshotOrdinal(rawValue: rawValue + 1) }
}

extension RawRepresentable where Self: Comparable, RawValue: Comparable {
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension SnapshotID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

extension SetID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

extension RevertID: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

extension SnapshotOrdinal: CustomStringConvertible {
    package var description: String { String(rawValue) }
}

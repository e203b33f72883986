/// A number that is read from records, sockets and the catalog, and with which one reckons on: what
/// lies outside its bounds is refused where it is read.
package protocol BoundedNumber: RawRepresentable where RawValue: FixedWidthInteger & Decodable {
    /// What may be read. It ends far below where one more would overflow.
    static var bounds: ClosedRange<RawValue> { get }

    init(rawValue: RawValue)
}

extension BoundedNumber {
    /// The number, if it is within bounds.
    package init?(checking rawValue: RawValue) {
        guard Self.bounds.contains(rawValue) else { return nil }
        self.init(rawValue: rawValue)
    }

    /// Reads a number; for the initializers of `Decodable`.
    static func checked(_ decoder: any Decoder) throws -> Self {
        let container = try decoder.singleValueContainer()
        let number = try container.decode(RawValue.self)
        guard let value = Self(checking: number) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "the number \(number) is out of bounds")
        }
        return value
    }
}

/// The bounds of identities.
package enum IdentityBounds {
    /// What is read: all numbers that any JSON reader knows exactly.
    package static let readable: ClosedRange<Int64> = 0...(1 << 53)
    /// What is taken over from a store that others may have written. So many more can be given out
    /// after it that no store can end a catalog's identities.
    package static let adoptable: ClosedRange<Int64> = 0...(1 << 48)
}

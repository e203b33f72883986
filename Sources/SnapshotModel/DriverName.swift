/// Which driver a volume has, by the name that stands in its record: a few lower-case letters, digits
/// and `-`. A store may name one that this program does not know.
package struct DriverName: RawRepresentable, Hashable, Comparable, Sendable, Codable {
    package let rawValue: String

    private static let lengthMaximum = 32

    /// Nil when it can be no driver's name.
    package init?(rawValue: String) {
        let isAllowed = rawValue.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "-")
        }
        guard (1...Self.lengthMaximum).contains(rawValue.utf8.count), isAllowed else { return nil }
        self.rawValue = rawValue
    }

    package static func < (left: DriverName, right: DriverName) -> Bool {
        left.rawValue < right.rawValue
    }
}

extension DriverName: ExpressibleByStringLiteral, CustomStringConvertible {
    /// A name that this program's own text gives.
    package init(stringLiteral name: StaticString) { rawValue = "\(name)" }

    package var description: String { rawValue }
}

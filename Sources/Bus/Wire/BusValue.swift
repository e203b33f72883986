/// A value in a message of D-Bus.
indirect enum BusValue: Hashable, Sendable {
    case string(String)
    case path(String)
    case bool(Bool)
    case byte(UInt8)
    case int32(Int32)
    case uint32(UInt32)
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
    /// A descriptor, which the message gets one of its own of.
    case descriptor(Int32)
    /// With the signature of its elements, which an empty one does not tell.
    case array(of: String, [BusValue])
    case structure([BusValue])
    case entry(BusValue, BusValue)
    case variant(BusValue)

    /// `as`
    static func strings(_ values: [String]) -> BusValue {
        .array(of: "s", values.map { .string($0) })
    }

    /// `at`
    static func numbers(_ values: [Int64]) -> BusValue {
        .array(of: "t", values.map { .uint64(UInt64(clamping: $0)) })
    }

    /// `a{sv}`
    static func dictionary(_ fields: [(String, BusValue)]) -> BusValue {
        .array(of: "{sv}", fields.map { .entry(.string($0.0), .variant($0.1)) })
    }

    /// As D-Bus writes the type.
    var signature: String {
        switch self {
        case .string: "s"
        case .path: "o"
        case .bool: "b"
        case .byte: "y"
        case .int32: "i"
        case .uint32: "u"
        case .int64: "x"
        case .uint64: "t"
        case .double: "d"
        case .descriptor: "h"
        case .array(let element, _): "a" + element
        case .structure(let values): "(" + values.map(\.signature).joined() + ")"
        case .entry(let key, let value): "{" + key.signature + value.signature + "}"
        case .variant: "v"
        }
    }
}

// MARK: - What is in it

extension BusValue {
    /// Of a text or a path.
    var text: String? {
        switch self {
        case .string(let text), .path(let text): text
        case .variant(let value): value.text
        default: nil
        }
    }

    var flag: Bool? {
        switch self {
        case .bool(let value): value
        case .variant(let value): value.flag
        default: nil
        }
    }

    /// Of any whole number that fits.
    var number: Int64? {
        switch self {
        case .byte(let value): Int64(value)
        case .int32(let value): Int64(value)
        case .uint32(let value): Int64(value)
        case .int64(let value): value
        case .uint64(let value): Int64(exactly: value)
        case .variant(let value): value.number
        default: nil
        }
    }

    /// The elements of an array or a structure.
    var elements: [BusValue]? {
        switch self {
        case .array(_, let values), .structure(let values): values
        case .variant(let value): value.elements
        default: nil
        }
    }

    /// Of an array of texts; nil when it has anything else.
    var texts: [String]? {
        guard let elements else { return nil }
        let texts = elements.compactMap(\.text)
        return texts.count == elements.count ? texts : nil
    }

    /// Of `a{sv}`; of keys that are given twice, the last.
    var fields: [String: BusValue]? {
        guard case .array(_, let values) = self else { return nil }
        var fields: [String: BusValue] = [:]
        for value in values {
            guard case .entry(let key, let content) = value, let name = key.text else { return nil }
            fields[name] = content
        }
        return fields
    }
}

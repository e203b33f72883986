package import SnapshotModel

/// A JSON document whose objects keep the order of their fields, as the manual lists them.
package indirect enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([Field])

    package struct Field: Hashable, Sendable {
        package var name: String
        package var value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }
}

/// What can be shown to scripts.
package protocol JSONConvertible {
    var json: JSONValue { get }
}

// MARK: - Making

extension JSONValue {
    package init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
    package init(_ value: Int64?) { self = value.map { .integer($0) } ?? .null }
    package init(_ value: String?) { self = value.map { .string($0) } ?? .null }
    package init(_ value: Bool) { self = .bool(value) }
    package init(_ value: Double?) { self = value.map { .number($0) } ?? .null }
    package init(_ value: Timestamp?) { self = value.map { .string($0.description) } ?? .null }
    package init(_ value: SnapshotID?) { self.init(value?.rawValue) }
    package init(_ value: SetID?) { self.init(value?.rawValue) }
    package init(_ value: RevertID?) { self.init(value?.rawValue) }
    package init(_ value: some RawRepresentable<String>) { self = .string(value.rawValue) }
    package init(_ values: [String]) { self = .array(values.map { .string($0) }) }
    package init(_ values: [some JSONConvertible]) { self = .array(values.map(\.json)) }
}

extension JSONValue: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Field(name: $0.0, value: $0.1) })
    }
}

// MARK: - Writing

extension JSONValue: CustomStringConvertible {
    /// The document on one line.
    package var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    package func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        // JSON has no infinities.
        case .number(let value): text += value.isFinite ? value.description : "null"
        case .string(let value): Self.write(value, to: &text)
        case .array(let values): Self.write(values, to: &text, in: ("[", "]")) { $0.write(to: &$1) }
        case .object(let fields):
            Self.write(fields, to: &text, in: ("{", "}")) { field, text in
                Self.write(field.name, to: &text)
                text += ":"
                field.value.write(to: &text)
            }
        }
    }

    private static func write<Element>(
        _ elements: [Element], to text: inout String, in brackets: (String, String),
        each: (Element, inout String) -> Void
    ) {
        text += brackets.0
        for (index, element) in elements.enumerated() {
            if index > 0 { text += "," }
            each(element, &text)
        }
        text += brackets.1
    }

    /// RFC 8259, section 7: quotes, backslashes and control characters are escaped.
    private static func write(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\r": text += "\\r"
            case _ where scalar.value < 0x20:
                text += "\\u" + scalar.value.padded(to: 4, radix: 16)
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

import Foundation

/// Any JSON, as it is checked.
indirect enum JSONDocument: Decodable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONDocument])
    case object([String: JSONDocument])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONDocument].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONDocument].self))
        }
    }

    init(_ text: String) throws {
        self = try JSONDecoder().decode(JSONDocument.self, from: Data(text.utf8))
    }

    subscript(key: String) -> JSONDocument? {
        guard case .object(let fields) = self else { return nil }
        return fields[key]
    }

    fileprivate var words: [String] {
        switch self {
        case .string(let word): [word]
        case .array(let values): values.flatMap(\.words)
        default: []
        }
    }

    /// What `type` may call it.
    fileprivate var types: [String] {
        switch self {
        case .null: ["null"]
        case .bool: ["boolean"]
        case .integer: ["integer", "number"]
        case .number: ["number"]
        case .string: ["string"]
        case .array: ["array"]
        case .object: ["object"]
        }
    }
}

/// A document of docs/schemas, and what of draft 2020-12 it uses.
struct JSONSchema {
    private let schema: JSONDocument

    static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/schemas").path

    init(named name: String) throws {
        let text = try String(contentsOfFile: "\(Self.folder)/\(name).json", encoding: .utf8)
        self.init(try JSONDocument(text))
    }

    init(_ schema: JSONDocument) { self.schema = schema }

    /// What is wrong with a document, each with its place. A field that the schema does not have is wrong,
    /// too: whoever adds one has to tell of it.
    func flaws(of document: JSONDocument) -> [String] { Self.flaws(document, schema, "$") }

    private static let known: Set<String> = [
        "$schema", "title", "description", "type", "enum", "minimum", "format", "required",
        "properties", "items", "anyOf",
    ]

    private static func flaws(
        _ value: JSONDocument, _ schema: JSONDocument, _ place: String
    ) -> [String] {
        guard case .object(let rules) = schema else { return ["\(place): no schema"] }
        if let unknown = rules.keys.first(where: { !known.contains($0) }) {
            return ["\(place): the schema has `\(unknown)`, which is not checked"]
        }
        if case .array(let choices) = rules["anyOf"] {
            let found = choices.map { flaws(value, $0, place) }
            return found.contains { $0.isEmpty } ? [] : found.first ?? []
        }
        return plainFlaws(value, rules, place) + innerFlaws(value, rules, place)
    }

    private static func plainFlaws(
        _ value: JSONDocument, _ rules: [String: JSONDocument], _ place: String
    ) -> [String] {
        var flaws: [String] = []
        let types = rules["type"]?.words ?? []
        if !types.isEmpty, Set(types).isDisjoint(with: value.types) {
            flaws.append("\(place): \(value) is not \(types.joined(separator: " or "))")
        }
        if case .array(let values) = rules["enum"], !values.contains(value) {
            flaws.append("\(place): \(value) is none of the words")
        }
        if case .integer(let least) = rules["minimum"], case .integer(let number) = value,
            number < least
        {
            flaws.append("\(place): \(number) is less than \(least)")
        }
        if case .string("date-time") = rules["format"], case .string(let text) = value,
            text.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/) == nil
        {
            flaws.append("\(place): \(text) is no time in UTC")
        }
        return flaws
    }

    private static func innerFlaws(
        _ value: JSONDocument, _ rules: [String: JSONDocument], _ place: String
    ) -> [String] {
        switch value {
        case .array(let items):
            guard let schema = rules["items"] else { return [] }
            return items.enumerated().flatMap {
                flaws($0.element, schema, "\(place)[\($0.offset)]")
            }
        case .object(let fields):
            let missing = (rules["required"]?.words ?? []).filter { fields[$0] == nil }
            return missing.map { "\(place) has no `\($0)`" }
                + fields.sorted { $0.key < $1.key }.flatMap { key, value in
                    guard let schema = rules["properties"]?[key] else {
                        return ["\(place) has `\(key)`, of which the schema says nothing"]
                    }
                    return flaws(value, schema, "\(place).\(key)")
                }
        default: return []
        }
    }
}

/// JSON without a schema, so that keys that nobody expects are seen.
enum JSONValue: Decodable, Hashable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        // Most values are texts; each wrong guess costs an error.
        if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else if let value = try? container.decode([String: JSONValue].self) {
            self = .object(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else {
            guard container.decodeNil() else { throw CaseError("not JSON") }
            self = .null
        }
    }

    func object(_ place: String) throws -> [String: JSONValue] {
        guard case .object(let value) = self else { throw CaseError("\(place): not an object") }
        return value
    }

    func array(_ place: String) throws -> [JSONValue] {
        guard case .array(let value) = self else { throw CaseError("\(place): not an array") }
        return value
    }

    func string(_ place: String) throws -> String {
        guard case .string(let value) = self else { throw CaseError("\(place): not a text") }
        return value
    }

    /// A flag, also as a word.
    func bool(_ place: String) throws -> Bool {
        switch self {
        case .bool(let value): return value
        case .string("true"), .string("yes"): return true
        case .string("false"), .string("no"): return false
        default: throw CaseError("\(place): not a flag")
        }
    }

    /// A whole number, also as a text; -1 for `unlimited` and `all`.
    func count(_ place: String) throws -> Int {
        switch self {
        case .number(let value) where value == value.rounded(): return Int(value)
        case .string("unlimited"), .string("all"): return -1
        case .string(let text):
            guard let value = Int(text) else { throw CaseError("\(place): not a number: \(text)") }
            return value
        default: throw CaseError("\(place): not a number")
        }
    }
}

/// A case that the adapter does not understand.
struct CaseError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// The fields of an object, of which each must be taken: whatever is left over is an error.
struct CaseFields {
    private var rest: [String: JSONValue]
    let place: String

    init(_ value: JSONValue, _ place: String) throws {
        rest = [:]
        self.place = place
        for (key, value) in try value.object(place) {
            let name = key.lowercased().split(separator: "-").joined(separator: "_")
            guard rest.updateValue(value, forKey: name) == nil else {
                throw CaseError("\(place): \(name) stands there twice")
            }
        }
    }

    /// The field that has one of these names; null counts as absent.
    mutating func take(_ names: String...) -> JSONValue? {
        for name in names {
            if let value = rest.removeValue(forKey: name), value != .null { return value }
        }
        return nil
    }

    mutating func takeString(_ names: String...) throws -> String? {
        for name in names {
            if let value = take(name) { return try value.string("\(place).\(name)") }
        }
        return nil
    }

    func finish() throws {
        guard rest.isEmpty else {
            throw CaseError("\(place): unknown: \(rest.keys.sorted().joined(separator: ", "))")
        }
    }
}

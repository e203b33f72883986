/// A value of a table that stands in no file: what a client sends in its place.
package indirect enum SettingsValue: Hashable, Sendable {
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case text(String)
    case list([SettingsValue])
    case table([String: SettingsValue])
}

extension SettingsValue: Decodable {
    package init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .none
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let flag = try? value.decode(Bool.self) {
            self = .boolean(flag)
        } else if let number = try? value.decode(Int.self) {
            self = .integer(number)
        } else if let number = try? value.decode(Double.self) {
            self = .float(number)
        } else if let list = try? value.decode([SettingsValue].self) {
            self = .list(list)
        } else {
            self = .table(try value.decode([String: SettingsValue].self))
        }
    }
}

extension SettingsValue {
    /// As a value of a file, all of it at one place; nil for none.
    func node(at position: SourcePosition) -> TOMLNode? {
        let content: TOMLNode.Content
        switch self {
        case .none: return nil
        case .boolean(let value): content = .boolean(value)
        case .integer(let value): content = .integer(value)
        case .float(let value): content = .float(value)
        case .text(let value): content = .text(value)
        case .list(let values): content = .array(values.compactMap { $0.node(at: position) })
        case .table(let values): content = .table(Self.tree(values, at: position))
        }
        return TOMLNode(content: content, position: position)
    }

    /// In the order of the keys.
    static func tree(_ values: [String: SettingsValue], at position: SourcePosition) -> TOMLTree {
        TOMLTree(
            entries: values.sorted { $0.key < $1.key }.compactMap { key, value in
                value.node(at: position).map {
                    TOMLTree.Entry(key: key, keyPosition: position, value: $0)
                }
            })
    }
}

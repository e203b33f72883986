internal import Scheduler
internal import SnapshotModel

/// Takes typed values out of a table. Whatever is wrong with one is told to the collector, and the
/// value is then nil, as if it were not there.
struct TableReader<Key: SettingsKey> {
    let path: [String]
    /// Of the table's header.
    let position: SourcePosition
    private let nodes: [Key: TOMLNode]
    let diagnostics: DiagnosticCollector

    /// Refuses every key that is not of this kind of table. `others` are names that may stand
    /// there, too, for suggestions.
    init(
        _ table: NamedTable, others: [String] = [], diagnostics: DiagnosticCollector
    ) {
        path = table.path
        position = table.position
        self.diagnostics = diagnostics
        var nodes: [Key: TOMLNode] = [:]
        let known = Key.allCases.map(\.rawValue) + others
        for entry in table.tree.entries {
            if let key = Key(rawValue: entry.key) {
                nodes[key] = entry.value
            } else {
                let place = path.isEmpty ? "" : " in \(Quote.path(path))"
                diagnostics.error(
                    "unknown key \(Quote.text(entry.key))\(place)", at: entry.keyPosition,
                    hint: Suggestion.hint(for: entry.key, among: known))
            }
        }
        self.nodes = nodes
    }

    func node(_ key: Key) -> TOMLNode? { nodes[key] }

    /// A key with its table: `volumes.data.policy`.
    func name(_ key: Key) -> String { Quote.path(path + [key.rawValue]) }

    func refuse(_ node: TOMLNode, _ message: String, hint: Advice? = nil) {
        diagnostics.error(message, at: node.position, hint: hint)
    }

    func wrongType(_ key: Key, _ node: TOMLNode, expected: String, hint: Advice? = nil) {
        refuse(node, "\(name(key)) must be \(expected), not \(node.kind)", hint: hint)
    }

    // MARK: Single values

    func text(_ key: Key, expected: String = "a text") -> SettingsText? {
        guard let node = nodes[key] else { return nil }
        return text(node, of: key, expected: expected)
    }

    func text(_ node: TOMLNode, of key: Key, expected: String) -> SettingsText? {
        guard case .text(let text) = node.content else {
            wrongType(key, node, expected: expected)
            return nil
        }
        guard !text.utf8.contains(0) else {
            refuse(node, "\(name(key)) has a NUL character")
            return nil
        }
        return SettingsText(text: text, node: node)
    }

    func boolean(_ key: Key) -> Bool? {
        guard let node = nodes[key] else { return nil }
        guard case .boolean(let value) = node.content else {
            wrongType(key, node, expected: "true or false", hint: "without quotes")
            return nil
        }
        return value
    }

    /// One of a few words.
    func choice<Value: RawRepresentable<String> & CaseIterable>(
        _ key: Key, _ type: Value.Type
    ) -> Value? {
        guard let text = text(key) else { return nil }
        if let value = Value(rawValue: text.text) { return value }
        let words = Value.allCases.map(\.rawValue)
        let list = words.map { "\"\($0)\"" }.joined(separator: " or ")
        refuse(
            text.node, "\(name(key)) is \(list), not \(Quote.text(text.text))",
            hint: Suggestion.hint(for: text.text, among: words))
        return nil
    }

    /// A text with a syntax of its own.
    func parsed<Value>(
        _ key: Key, expected: String, _ parse: (String) throws(SyntaxError) -> Value
    ) -> Value? {
        guard let text = text(key, expected: expected) else { return nil }
        return parsed(text, of: key, parse)
    }

    func parsed<Value>(
        _ text: SettingsText, of key: Key, _ parse: (String) throws(SyntaxError) -> Value
    ) -> Value? {
        do {
            return try parse(text.text)
        } catch {
            diagnostics.error(
                "\(name(key)): \(error.message)",
                at: text.node.position(ofOffset: error.offset))
            return nil
        }
    }

    // MARK: Lists

    /// Texts, each at most once.
    func texts(_ key: Key) -> [SettingsText]? {
        guard let node = nodes[key] else { return nil }
        return texts(node, of: key, expected: "an array of texts")
    }

    func texts(_ node: TOMLNode, of key: Key, expected: String) -> [SettingsText]? {
        guard case .array(let nodes) = node.content else {
            wrongType(key, node, expected: expected)
            return nil
        }
        var seen: [String: SourcePosition] = [:]
        var result: [SettingsText] = []
        for node in nodes {
            guard let text = text(node, of: key, expected: expected) else { continue }
            if let first = seen[text.text] {
                refuse(
                    node, "\(name(key)) has \(Quote.text(text.text)) twice",
                    hint: "it is in line \(first.line) already")
            } else {
                seen[text.text] = node.position
                result.append(text)
            }
        }
        return result
    }
}

/// A text and where it stands.
struct SettingsText {
    var text: String
    var node: TOMLNode
}

extension Suggestion {
    /// A hint with the nearest candidate.
    static func hint(for text: String, among candidates: some Sequence<String>) -> Advice? {
        nearest(to: text, among: candidates).map { "did you mean \"\($0)\"?" }
    }
}

/// A value without its place, as the library gives it; tables are asked key by key.
enum TOMLScalar {
    case text(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case moment
    case array([TOMLScalar])
    case table((String) -> TOMLScalar?)
}

/// Joins places and values.
struct TOMLTreeBuilder {
    let text: SourceText

    func tree(
        _ table: LocatedTable, values: (String) -> TOMLScalar?
    ) throws(SettingsFailure) -> TOMLTree {
        var tree = TOMLTree()
        tree.entries.reserveCapacity(table.entries.count)
        for entry in table.entries {
            tree.entries.append(
                TOMLTree.Entry(
                    key: entry.key, keyPosition: text.position(of: entry.keyOffset),
                    value: try node(entry.value, value: values(entry.key))))
        }
        return tree
    }

    private func node(
        _ located: LocatedValue, value: TOMLScalar?
    ) throws(SettingsFailure) -> TOMLNode {
        let position = text.position(of: located.offset)
        var textPosition: SourcePosition?
        let content: TOMLNode.Content
        switch (located, value) {
        case (.scalar(let range), .text(let string)?):
            content = .text(string)
            if text.bytes[range].dropFirst().dropLast().elementsEqual(string.utf8) {
                textPosition = text.position(of: range.lowerBound + 1)
            }
        case (.scalar, .integer(let integer)?): content = .integer(integer)
        case (.scalar, .float(let float)?): content = .float(float)
        case (.scalar, .boolean(let boolean)?): content = .boolean(boolean)
        case (.scalar, .moment?): content = .moment
        case (.array(_, let parts), .array(let values)?) where parts.count == values.count:
            content = .array(try nodes(parts, values))
        case (.tables(let tables), .array(let values)?) where tables.tables.count == values.count:
            content = .array(try nodes(tables.tables.map(LocatedValue.table), values))
        case (.table(let table), .table(let values)?):
            content = .table(try tree(table, values: values))
        default:
            // Never for what the library took as TOML: the tests compare the two on random
            // documents.
            throw SettingsFailure("this value cannot be read", at: position)
        }
        return TOMLNode(content: content, position: position, textPosition: textPosition)
    }

    private func nodes(
        _ parts: [LocatedValue], _ values: [TOMLScalar]
    ) throws(SettingsFailure) -> [TOMLNode] {
        var nodes: [TOMLNode] = []
        nodes.reserveCapacity(parts.count)
        for (part, value) in zip(parts, values) { nodes.append(try node(part, value: value)) }
        return nodes
    }
}

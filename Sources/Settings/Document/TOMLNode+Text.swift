import SnapshotModel

extension TOMLNode {
    /// The value as it would stand in a file, on one line.
    var text: String {
        switch content {
        case .text(let text): TOMLText.quoted(text)
        case .integer(let number): String(number)
        case .float(let number): TOMLText.number(number)
        case .boolean(let value): String(value)
        // No setting is one.
        case .moment: ""
        case .array(let nodes): "[\(nodes.map(\.text).joined(separator: ", "))]"
        case .table(let tree):
            tree.entries.isEmpty
                ? "{}"
                : "{ "
                    + tree.entries.map { "\(TOMLText.key($0.key)) = \($0.value.text)" }
                    .joined(separator: ", ") + " }"
        }
    }
}

/// Writes what ``TOMLParser`` reads.
enum TOMLText {
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\u{00}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                result += "\\u" + scalar.value.padded(to: 4, radix: 16)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    static func key(_ key: String) -> String {
        Quote.isBareKey(key) ? key : quoted(key)
    }

    static func number(_ number: Double) -> String {
        if number.isNaN { return "nan" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        return "\(number)"
    }
}

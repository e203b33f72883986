/// How names and texts from a file stand in messages.
enum Quote {
    private static let longest = 80

    /// In quotes, on one line, and cut where nobody would read on.
    static func text(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars.prefix(longest) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate:
                result += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + (text.unicodeScalars.count > longest ? "...\"" : "\"")
    }

    /// A key with the tables it is in: `volumes.data.policy`; parts that need quotes have them.
    static func path(_ path: [String]) -> String {
        path.map { isBareKey($0) && $0.utf8.count <= longest ? $0 : text($0) }
            .joined(separator: ".")
    }

    /// Whether a key may stand in a file without quotes.
    static func isBareKey(_ key: String) -> Bool {
        !key.isEmpty
            && key.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || "0123456789-_".unicodeScalars.contains($0))
            }
    }
}

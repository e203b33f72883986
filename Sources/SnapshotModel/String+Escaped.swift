extension String {
    /// The text as people may see it: in one line, and without anything that a terminal or a log
    /// obeys. Control characters, separators of lines and marks that turn the direction of writing
    /// are shown as in Swift's literals: `\n`, `\u{1B}`.
    package var escapedForPeople: String { escaped { $0.isObeyed } }

    /// The same for a text of several lines: its line feeds stay.
    package var escapedLinesForPeople: String { escaped { $0 != "\n" && $0.isObeyed } }

    private func escaped(_ isEscaped: (Unicode.Scalar) -> Bool) -> String {
        guard unicodeScalars.contains(where: isEscaped) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            if isEscaped(scalar) {
                text += scalar.escape
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// Whether terminals do something at it instead of showing it.
    fileprivate var isObeyed: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        case .format: properties.isBidiControl
        default: false
        }
    }

    fileprivate var escape: String {
        switch self {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: "\\u{\(String(value, radix: 16, uppercase: true))}"
        }
    }
}

/// A setting as it applies, and where it comes from: a line of `config show`.
package struct EffectiveValue: Hashable, Sendable {
    package enum Source: Hashable, Sendable {
        case file(SourcePosition)
        /// Something of the machine: `$TZ`, `/etc/localtime`.
        case system(String)
        /// Built in.
        case standard
    }

    /// The table's name, such as `volumes.data`; empty outside of any table.
    package var table: String
    package var key: String
    /// As it would stand in a file; nil when nothing is set and `note` tells what that means.
    package var value: String?
    package var source: Source
    /// What a missing value means, or which other key it is taken from.
    package var note: String?

    package init(
        table: String, key: String, value: String?, source: Source, note: String? = nil
    ) {
        self.table = table
        self.key = key
        self.value = value
        self.source = source
        self.note = note
    }
}

extension EffectiveValue.Source: CustomStringConvertible {
    /// `/etc/snapmgr/snapmgr.toml:3`, `$TZ`, `default`.
    package var description: String {
        switch self {
        case .file(let position): "\(position.file):\(position.line)"
        case .system(let name): name
        case .standard: "default"
        }
    }
}

extension EffectiveValue: Encodable {
    private enum CodingKeys: String, CodingKey {
        case table, key, value, source, file, line, note
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(table, forKey: .table)
        try container.encode(key, forKey: .key)
        try container.encode(value, forKey: .value)
        try container.encode(source.description, forKey: .source)
        if case .file(let position) = source {
            try container.encode(position.file, forKey: .file)
            try container.encode(position.line, forKey: .line)
        }
        try container.encode(note, forKey: .note)
    }
}

extension [EffectiveValue] {
    /// A settings file that says the same, with the origin of each value as a comment.
    package var document: String {
        var text = ""
        var table = ""
        for value in self {
            if value.table != table {
                table = value.table
                text += "\n[\(table)]\n"
            }
            // A table without keys is a line of its own.
            guard !value.key.isEmpty else { continue }
            let origin = [value.source.description, value.note].compactMap { $0 }
                .joined(separator: "; ")
            if let shown = value.value {
                text += "\(value.key) = \(shown)  # \(origin)\n"
            } else {
                text += "# \(value.key) is not set: \(value.note ?? origin)\n"
            }
        }
        return text
    }
}

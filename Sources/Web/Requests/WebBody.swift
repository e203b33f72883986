internal import FoundationEssentials
internal import Settings
internal import SnapshotModel

/// A field of a request's body, and what it may be.
struct WebField: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case text, texts, flag
        /// A table of the settings.
        case table
    }

    var name: String
    var kind: Kind
    var about: String
    var isRequired = false

    static func text(_ name: String, _ about: String, isRequired: Bool = false) -> WebField {
        WebField(name: name, kind: .text, about: about, isRequired: isRequired)
    }

    static func texts(_ name: String, _ about: String, isRequired: Bool = false) -> WebField {
        WebField(name: name, kind: .texts, about: about, isRequired: isRequired)
    }

    static func flag(_ name: String, _ about: String) -> WebField {
        WebField(name: name, kind: .flag, about: about)
    }

    static func table(_ name: String, _ about: String) -> WebField {
        WebField(name: name, kind: .table, about: about)
    }
}

/// The fields of a body, checked against those that a route takes.
struct WebBody: Hashable, Sendable {
    private let values: [String: SettingsValue]

    /// So many texts a field has at most.
    private static let textsMaximum = 1_000

    /// - Parameter bytes: a JSON object; nothing at all is one without fields.
    /// - Throws: a failure for what no field is, or is not like one.
    init(_ bytes: [UInt8], _ fields: [WebField]) throws(WebFailure) {
        guard !bytes.isEmpty || fields.contains(where: \.isRequired) else {
            values = [:]
            return
        }
        let body = try? JSONDecoder().decode([String: SettingsValue].self, from: Data(bytes))
        guard let values = body else { throw .badRequest("the body is no JSON object") }
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            try Self.check(name, value, fields)
        }
        for field in fields where field.isRequired {
            guard let value = values[field.name], value != .none else {
                throw .badRequest("the field \(field.name) is missing")
            }
        }
        self.values = values
    }

    private static func check(
        _ name: String, _ value: SettingsValue, _ fields: [WebField]
    ) throws(WebFailure) {
        guard let field = fields.first(where: { $0.name == name }) else {
            throw .badRequest("there is no field \(name.prefix(64))")
        }
        switch (field.kind, value) {
        case (_, .none), (.flag, .boolean), (.table, .table): return
        case (.text, .text(let text)): try requireNoZero(text, name)
        case (.texts, .list(let values)):
            guard values.count <= textsMaximum else {
                throw .badRequest("\(name) has \(textsMaximum) texts at most")
            }
            for value in values {
                guard case .text(let text) = value else {
                    throw .badRequest("\(name) is a list of texts")
                }
                try requireNoZero(text, name)
            }
        case (.flag, _): throw .badRequest("\(name) is true or false")
        case (.text, _): throw .badRequest("\(name) is a text")
        case (.texts, _): throw .badRequest("\(name) is a list of texts")
        case (.table, _): throw .badRequest("\(name) is an object")
        }
    }

    private static func requireNoZero(_ text: String, _ name: String) throws(WebFailure) {
        guard text.utf8.allSatisfy({ $0 != 0 }) else {
            throw .badRequest("\(name) has a zero byte")
        }
    }

    func text(_ name: String) -> String? {
        if case .text(let text) = values[name] { text } else { nil }
    }

    func texts(_ name: String) -> [String] {
        guard case .list(let values) = values[name] else { return [] }
        return values.compactMap { if case .text(let text) = $0 { text } else { nil } }
    }

    func flag(_ name: String) -> Bool { values[name] == .boolean(true) }

    /// Nil when it was not sent.
    func table(_ name: String) -> [String: SettingsValue]? {
        if case .table(let values) = values[name] { values } else { nil }
    }
}

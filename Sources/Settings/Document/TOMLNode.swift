/// A value of a TOML document, and where it stands.
struct TOMLNode: Hashable, Sendable {
    indirect enum Content: Hashable, Sendable {
        case text(String)
        case integer(Int)
        case float(Double)
        case boolean(Bool)
        /// A date, a time or both, which no setting is.
        case moment
        case array([TOMLNode])
        case table(TOMLTree)
    }

    var content: Content
    /// Where the value begins; for a table with a header, the header.
    var position: SourcePosition
    /// Where a text's characters begin when they stand in the file as they are: on one line,
    /// without escapes. Then a place in the text is a place in the file.
    var textPosition: SourcePosition?

    /// The value's kind, as messages name it.
    var kind: String {
        switch content {
        case .text: "a text"
        case .integer: "an integer"
        case .float: "a number with a point"
        case .boolean: "true or false"
        case .moment: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }

    /// The place of the scalar at an offset, in UTF-8, into this text; else the value's.
    func position(ofOffset offset: Int) -> SourcePosition {
        guard case .text(let text) = content, var place = textPosition else { return position }
        place.column += text.utf8.prefix(offset).count { $0 & 0xC0 != 0x80 }
        return place
    }
}

/// The keys of a table, in the order of the file.
struct TOMLTree: Hashable, Sendable {
    struct Entry: Hashable, Sendable {
        var key: String
        var keyPosition: SourcePosition
        var value: TOMLNode
    }

    var entries: [Entry] = []

    subscript(key: String) -> Entry? { entries.first { $0.key == key } }
}

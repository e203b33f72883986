/// The tags of a document, one after the other: no more of XML than the files need that libvirt itself
/// has written.
struct XMLElements: Sequence, IteratorProtocol {
    struct Element: Hashable {
        /// With a slash before it for an end.
        var name: String
        var attributes: [String: String]
        /// What follows up to the next tag.
        var text: String
    }

    private var rest: Substring

    init(_ text: String) { rest = text[...] }

    mutating func next() -> Element? {
        while let start = rest.firstIndex(of: "<") {
            rest = rest[start...].dropFirst()
            if rest.hasPrefix("!--") {
                guard let end = rest.firstRange(of: "-->") else { return nil }
                rest = rest[end.upperBound...]
                continue
            }
            guard let end = tagEnd else { return nil }
            let tag = rest[..<end]
            rest = rest[end...].dropFirst()
            let text = rest.prefix { $0 != "<" }
            return Element(
                name: String(tag.prefix { !$0.isWhitespace && ($0 != "/" || tag.first == "/") }),
                attributes: Self.attributes(tag), text: Self.unescaped(text))
        }
        return nil
    }

    /// The bracket that ends the tag, and is not within a value.
    private var tagEnd: Substring.Index? {
        var quote: Character?
        return rest.indices.first { index in
            let character = rest[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else {
                return character == ">"
            }
            return false
        }
    }

    private static func attributes(_ tag: Substring) -> [String: String] {
        var (values, rest) = ([String: String](), tag)
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].split(whereSeparator: \.isWhitespace).last ?? ""
            let value = rest[equals...].dropFirst()
            guard let quote = value.first, quote == "'" || quote == "\"" else { break }
            let body = value.dropFirst()
            let text = body.prefix { $0 != quote }
            values[String(name)] = unescaped(text)
            rest = body[text.endIndex...].dropFirst()
        }
        return values
    }

    private static func unescaped(_ text: Substring) -> String {
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
            .reduce(String(text)) { $0.replacing($1.0, with: $1.1) }
    }
}

/// A regular expression that is looked for in snapshots' names; a snapshot without a name has an
/// empty one.
///
/// These are Swift's expressions, by Unicode scalars, which read what zrepl's (Go's RE2) patterns
/// are made of in practice: literals, classes, groups, anchors, repetition. They need no
/// Foundation, work in a static binary, and take half a microsecond per name; POSIX's know neither
/// `\d` nor `(?:...)` nor `(?i)`.
package struct NamePattern: Hashable, Sendable {
    package let text: String

    /// Throws at the pattern's first byte when it is not a regular expression: the parser's errors
    /// carry no offset.
    package init(_ text: String) throws(SyntaxError) {
        self.text = text
        do {
            _ = try Regex(text)
        } catch {
            throw SyntaxError("not a regular expression: \(error)", offset: 0)
        }
    }

    /// A predicate for many names: the pattern is compiled once, and names that repeat cost
    /// nothing.
    func matcher() -> (String?) -> Bool {
        if text.isEmpty { return { _ in true } }
        // A text that compiled once compiles again.
        guard let regex = try? Regex(text).matchingSemantics(.unicodeScalar) else {
            return { _ in false }
        }
        var previous: (name: String, matches: Bool)?
        return { name in
            let name = name ?? ""
            if let previous, previous.name == name { return previous.matches }
            let matches = name.firstMatch(of: regex) != nil
            previous = (name, matches)
            return matches
        }
    }

    func matches(_ name: String?) -> Bool { matcher()(name) }
}

extension NamePattern: CustomStringConvertible {
    package var description: String { text }
}

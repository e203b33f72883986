internal import TOMLKit

/// Reads a TOML document: syntax and values by TOMLKit, places by ``TOMLLocator``.
///
/// TOMLKit (0.6.0, over toml++ 3.4) is asked for known keys only, and never for a value's type or
/// for its keys: with a NUL in a key its iterator traps, and its type query looks into a null
/// pointer.
enum TOMLDocument {
    /// The document's tree; every error in it that can be told, with its place.
    static func read(_ text: SourceText) throws(SettingsFailure) -> TOMLTree {
        let library = try parse(text)
        let root: LocatedTable
        do {
            root = try TOMLLocator.locate(text.bytes).root
        } catch {
            throw SettingsFailure(error.message, at: text.position(of: error.offset))
        }
        return try TOMLTreeBuilder(text: text).tree(root) { library[$0].map(TOMLScalar.init) }
    }

    private static func parse(_ text: SourceText) throws(SettingsFailure) -> TOMLTable {
        do {
            return try TOMLTable(string: String(decoding: text.bytes, as: UTF8.self))
        } catch let error as TOMLParseError {
            throw failure(error, in: text)
        } catch {
            throw SettingsFailure("\(text.file) cannot be read as TOML: \(error)")
        }
    }

    private static func failure(_ error: TOMLParseError, in text: SourceText) -> SettingsFailure {
        // The library tells only the first of the keys that are given twice, and not where the
        // first one stands.
        if let located = try? TOMLLocator.locate(text.bytes), !located.duplicates.isEmpty {
            return SettingsFailure(sorted: located.duplicates.map { diagnostic($0, in: text) })
        }
        let place = error.source.begin
        let prefix = "Error while parsing "
        let message = error.description
        return SettingsFailure(
            "no valid TOML: "
                + (message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message),
            at: SourcePosition(file: text.file, line: place.line, column: place.column))
    }

    private static func diagnostic(_ key: DuplicateKey, in text: SourceText) -> Diagnostic {
        let first = text.position(of: key.firstOffset)
        return Diagnostic(
            .error, at: text.position(of: key.secondOffset),
            "\(Quote.path(key.path)) is given twice",
            hint: "it stands in line \(first.line) already")
    }
}

extension TOMLScalar {
    /// The library's value, if it is of one of the kinds that settings have.
    init(_ value: any TOMLValueConvertible) {
        if let text = value.string {
            self = .text(text)
        } else if let integer = value.int {
            self = .integer(integer)
        } else if let boolean = value.bool {
            self = .boolean(boolean)
        } else if let float = value.double {
            self = .float(float)
        } else if let array = value.array {
            self = .array((0..<array.count).map { TOMLScalar(array[$0]) })
        } else if let table = value.table {
            self = .table { table[$0].map(TOMLScalar.init) }
        } else {
            self = .moment
        }
    }
}

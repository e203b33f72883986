internal import SnapshotModel

/// Reads a TOML document into a tree that knows where everything stands.
///
/// After an error it goes on at the next line that looks like a header or a key, so that one
/// reading tells them all.
///
/// Source: TOML 1.0.0, https://toml.io/en/v1.0.0. Why not by TOMLKit: docs/libraries.md.
struct TOMLParser {
    /// How deep tables and arrays may nest: beyond anything that settings do, and short of what
    /// recursion can take.
    static let depthLimit = 64

    private let text: SourceText
    private var scanner: TOMLScanner
    private let root = TOMLTable(.header, at: 0)
    /// The table that keys go to, and its name.
    private var current: TOMLTable
    private var currentPath: [String] = []
    private var errors: [TOMLSyntaxError] = []

    /// The document's tree; every error in it, in the order of the file.
    static func parse(_ text: SourceText) throws(SettingsFailure) -> TOMLTree {
        var parser = TOMLParser(text)
        parser.parse()
        guard parser.errors.isEmpty else {
            let collector = DiagnosticCollector()
            for error in parser.errors {
                let place = text.position(of: error.offset)
                collector.error(error.message, at: place, hint: error.hint)
            }
            throw SettingsFailure(sorted: collector.sorted)
        }
        return parser.root.tree(in: text)
    }

    private init(_ text: SourceText) {
        self.text = text
        scanner = TOMLScanner(text.bytes)
        current = root
    }

    private mutating func parse() {
        while true {
            do {
                try scanner.skipBlankLines()
                if scanner.isAtEnd { return }
                if scanner.isNext("[") {
                    try header()
                } else {
                    try pair(in: current, path: currentPath, depth: 0)
                }
                try scanner.endLine()
            } catch {
                errors.append(error)
                recover()
            }
        }
    }

    /// Goes to the next line that looks like a header or a key. What lies between may be the rest
    /// of a value that was not understood, and would only bring more errors.
    private mutating func recover() {
        repeat {
            scanner.skipLine()
            var ahead = scanner
            ahead.skipBlanks()
            if ahead.skip("[") {
                _ = ahead.skip("[")
                if (try? ahead.keyPath()) != nil, ahead.isNext("]") { return }
            } else if (try? ahead.keyPath()) != nil, ahead.isNext("=") {
                return
            }
        } while !scanner.isAtEnd
    }

    // MARK: Headers

    private mutating func header() throws(TOMLSyntaxError) {
        let start = scanner.offset
        scanner.advance()
        let isList = scanner.skip("[")
        let path = try scanner.keyPath()
        guard scanner.skip("]"), !isList || scanner.skip("]") else {
            throw scanner.unexpected(isList ? "']]'" : "']'")
        }
        guard let name = path.last else { return }
        currentPath = path.map(\.name)
        // Where the keys go that follow a header with an error.
        current = TOMLTable(.header, at: start)
        let parent = try headerParent(path.dropLast())
        switch (parent[name.name]?.value, isList) {
        case (nil, false): parent.append(name, .table(current))
        case (nil, true): parent.append(name, .tables(TOMLTableList(first: current)))
        case (.tables(let list)?, true): list.append(current)
        case (.table(let table)?, false) where table.origin == .path:
            table.origin = .header
            current = table
        case (.some, _): throw duplicate(currentPath, of: name, in: parent)
        }
    }

    /// The table that a header's table is in.
    private func headerParent(
        _ path: ArraySlice<TOMLScanner.KeyPart>
    ) throws(TOMLSyntaxError) -> TOMLTable {
        var table = root
        for (index, key) in path.enumerated() {
            switch table[key.name]?.value {
            case nil:
                let new = TOMLTable(.path, at: key.offset)
                table.append(key, .table(new))
                table = new
            case .table(let existing)? where existing.origin != .inline: table = existing
            case .tables(let list)?: table = list.last
            case .some: throw duplicate(path.prefix(index + 1).map(\.name), of: key, in: table)
            }
        }
        return table
    }

    // MARK: Keys and values

    private mutating func pair(
        in table: TOMLTable, path: [String], depth: Int
    ) throws(TOMLSyntaxError) {
        let keys = try scanner.keyPath()
        guard let last = keys.last else { return }
        guard scanner.skip("=") else {
            throw scanner.unexpected("'=' after the key \(Quote.path(keys.map(\.name)))")
        }
        scanner.skipBlanks()
        let names = path + keys.map(\.name)
        let value = try value(path: names, depth: depth + keys.count)
        // Only now: an error in the value stands before one in what the key means.
        let parent = try dottedParent(keys.dropLast(), in: table, path: path)
        guard parent[last.name] == nil else { throw duplicate(names, of: last, in: parent) }
        parent.append(last, value)
    }

    /// The table that the last part of a key with points is in.
    private func dottedParent(
        _ keys: ArraySlice<TOMLScanner.KeyPart>, in table: TOMLTable, path: [String]
    ) throws(TOMLSyntaxError) -> TOMLTable {
        var table = table
        for (index, key) in keys.enumerated() {
            switch table[key.name]?.value {
            case nil:
                let new = TOMLTable(.dottedKey, at: key.offset)
                table.append(key, .table(new))
                table = new
            case .table(let existing)?
            where existing.origin == .path || existing.origin == .dottedKey:
                existing.origin = .dottedKey
                table = existing
            case .some:
                throw duplicate(path + keys.prefix(index + 1).map(\.name), of: key, in: table)
            }
        }
        return table
    }

    private mutating func value(
        path: [String], depth: Int
    ) throws(TOMLSyntaxError) -> TOMLTable.Value {
        let start = scanner.offset
        guard depth <= Self.depthLimit else { throw Self.tooDeep(at: start) }
        var node = TOMLNode(content: .moment, position: text.position(of: start))
        if scanner.skip("{") {
            return .table(try inlineTable(at: start, path: path, depth: depth))
        } else if scanner.skip("[") {
            node.content = .array(try array(from: start, path: path, depth: depth))
        } else if scanner.isNext("\"") || scanner.isNext("'") {
            let string = try scanner.string()
            node.content = .text(string)
            if text.bytes[start..<scanner.offset].dropFirst().dropLast().elementsEqual(string.utf8)
            {
                node.textPosition = text.position(of: start + 1)
            }
        } else {
            node.content = try scanner.bareScalar()
        }
        return .node(node)
    }

    private mutating func array(
        from start: Int, path: [String], depth: Int
    ) throws(TOMLSyntaxError) -> [TOMLNode] {
        var nodes: [TOMLNode] = []
        while true {
            try scanner.skipBlankLines()
            if scanner.skip("]") { return nodes }
            switch try value(path: path, depth: depth + 1) {
            case .node(let node): nodes.append(node)
            case .table(let table): nodes.append(table.node(in: text))
            case .tables: break
            }
            try scanner.skipBlankLines()
            if scanner.skip(",") { continue }
            guard scanner.skip("]") else {
                let line = text.position(of: start).line
                throw scanner.unexpected(
                    "',' or ']'", hint: "the array that begins in line \(line) does not end")
            }
            return nodes
        }
    }

    private mutating func inlineTable(
        at start: Int, path: [String], depth: Int
    ) throws(TOMLSyntaxError) -> TOMLTable {
        let table = TOMLTable(.header, at: start)
        scanner.skipBlanks()
        if !scanner.skip("}") {
            repeat {
                try pair(in: table, path: path, depth: depth + 1)
                scanner.skipBlanks()
            } while scanner.skip(",")
            guard scanner.skip("}") else {
                throw scanner.unexpected(
                    "',' or '}'", hint: "a table in braces stands on one line")
            }
        }
        table.origin = .inline
        return table
    }

    // MARK: Errors

    private func duplicate(
        _ path: [String], of key: TOMLScanner.KeyPart, in table: TOMLTable
    ) -> TOMLSyntaxError {
        let first = text.position(of: table[key.name]?.key.offset ?? 0)
        return TOMLSyntaxError(
            "\(Quote.path(path)) is given twice", at: key.offset,
            hint: "it is in line \(first.line) already")
    }

    static func tooDeep(at offset: Int) -> TOMLSyntaxError {
        TOMLSyntaxError("more than \(depthLimit) levels of tables or arrays", at: offset)
    }
}

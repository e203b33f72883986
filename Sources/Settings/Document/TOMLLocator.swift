/// Finds where every key and value of a TOML document stands, which the library knows but does not
/// tell. It follows keys, headers, arrays and inline tables, and leaves the meaning of scalars to
/// the library.
struct TOMLLocator {
    /// Beyond anything that settings nest, and short of what recursion can take.
    static let depthLimit = 64

    private var scanner: TOMLScanner
    private let root = LocatedTable(offset: 0, isDefined: true)
    /// The table that keys go to, and its path.
    private var current: LocatedTable
    private var currentPath: [String] = []
    private var duplicates: [DuplicateKey] = []

    /// Walks over a document. Keys that are given twice are listed, with the first one's value in
    /// the table; anything else that is no TOML ends the walk.
    static func locate(
        _ bytes: [UInt8]
    ) throws(LocatorError) -> (root: LocatedTable, duplicates: [DuplicateKey]) {
        var locator = TOMLLocator(bytes)
        try locator.walk()
        return (locator.root, locator.duplicates)
    }

    private init(_ bytes: [UInt8]) {
        scanner = TOMLScanner(bytes)
        current = root
    }

    private mutating func walk() throws(LocatorError) {
        while true {
            scanner.skipBlankLines()
            guard !scanner.isAtEnd else { return }
            let start = scanner.offset
            if scanner.skip("[") {
                try header(at: start)
            } else {
                try pair(in: current, path: currentPath, depth: 0)
            }
            scanner.skipBlanks()
            guard scanner.isAtEnd || "#\r\n".utf8.contains(scanner.next ?? 0) else {
                throw LocatorError(message: "more after a value or header", offset: scanner.offset)
            }
        }
    }

    // MARK: Headers

    private mutating func header(at start: Int) throws(LocatorError) {
        let isArray = scanner.skip("[")
        let path = try scanner.keyPath()
        try scanner.expect("]")
        if isArray { try scanner.expect("]") }
        guard let last = path.last, path.count <= Self.depthLimit else {
            throw tooDeep(at: start)
        }
        currentPath = path.map(\.key)
        let parent = try table(in: root, path: path.dropLast(), before: [])
        let value = LocatedTable(offset: start, isDefined: true)
        current = value
        switch (parent[last.key]?.value, isArray) {
        case (nil, false):
            parent.append(.init(key: last.key, keyOffset: last.offset, value: .table(value)))
        case (nil, true):
            let tables = LocatedTables(first: value)
            parent.append(.init(key: last.key, keyOffset: last.offset, value: .tables(tables)))
        case (.tables(let tables)?, true):
            tables.append(value)
        case (.table(let existing)?, false) where !existing.isDefined:
            existing.isDefined = true
            current = existing
        case (.some, _):
            addDuplicate(currentPath, in: parent, at: last.offset)
        }
    }

    /// The table at a path, made where it is missing; of an array of tables its newest.
    private mutating func table(
        in table: LocatedTable, path: ArraySlice<(key: String, offset: Int)>, before: [String]
    ) throws(LocatorError) -> LocatedTable {
        var table = table
        var names = before
        for (key, offset) in path {
            names.append(key)
            switch table[key]?.value {
            case nil:
                let new = LocatedTable(offset: offset, isDefined: false)
                table.append(.init(key: key, keyOffset: offset, value: .table(new)))
                table = new
            case .table(let existing)?:
                table = existing
            case .tables(let tables)?:
                table = tables.last
            case .scalar?, .array?:
                addDuplicate(names, in: table, at: offset)
                // What comes next goes nowhere.
                return LocatedTable(offset: offset, isDefined: true)
            }
        }
        return table
    }

    // MARK: Keys and values

    private mutating func pair(
        in table: LocatedTable, path: [String], depth: Int
    ) throws(LocatorError) {
        let keys = try scanner.keyPath()
        guard let last = keys.last, keys.count + depth <= Self.depthLimit else {
            throw tooDeep(at: scanner.offset)
        }
        try scanner.expect("=")
        scanner.skipBlanks()
        let names = path + keys.map(\.key)
        let parent = try self.table(in: table, path: keys.dropLast(), before: path)
        let value = try value(path: names, depth: depth + keys.count)
        if parent[last.key] == nil {
            parent.append(.init(key: last.key, keyOffset: last.offset, value: value))
        } else {
            addDuplicate(names, in: parent, at: last.offset)
        }
    }

    private mutating func value(path: [String], depth: Int) throws(LocatorError) -> LocatedValue {
        let start = scanner.offset
        guard depth <= Self.depthLimit else { throw tooDeep(at: start) }
        if scanner.skip("[") { return try array(at: start, path: path, depth: depth) }
        if scanner.skip("{") { return try inlineTable(at: start, path: path, depth: depth) }
        return .scalar(try scanner.scalar())
    }

    private mutating func array(
        at start: Int, path: [String], depth: Int
    ) throws(LocatorError) -> LocatedValue {
        var values: [LocatedValue] = []
        while true {
            scanner.skipBlankLines()
            if scanner.skip("]") { return .array(start, values) }
            values.append(try value(path: path, depth: depth + 1))
            scanner.skipBlankLines()
            if scanner.skip(",") { continue }
            try scanner.expect("]")
            return .array(start, values)
        }
    }

    private mutating func inlineTable(
        at start: Int, path: [String], depth: Int
    ) throws(LocatorError) -> LocatedValue {
        let table = LocatedTable(offset: start, isDefined: true)
        scanner.skipBlanks()
        if scanner.skip("}") { return .table(table) }
        repeat {
            try pair(in: table, path: path, depth: depth + 1)
            scanner.skipBlanks()
        } while scanner.skip(",")
        try scanner.expect("}")
        return .table(table)
    }

    // MARK: Errors

    private mutating func addDuplicate(_ path: [String], in table: LocatedTable, at offset: Int) {
        guard let key = path.last, let first = table[key]?.keyOffset else { return }
        duplicates.append(
            DuplicateKey(path: path, firstOffset: first, secondOffset: offset))
    }

    private func tooDeep(at offset: Int) -> LocatorError {
        LocatorError(message: "more than \(Self.depthLimit) levels of tables", offset: offset)
    }
}

/// What the locator found of a value: its extent in the file, and its parts.
indirect enum LocatedValue {
    /// From its first byte to the one after its last.
    case scalar(Range<Int>)
    case array(Int, [LocatedValue])
    case table(LocatedTable)
    /// An array of tables, each with a header of its own.
    case tables(LocatedTables)

    var offset: Int {
        switch self {
        case .scalar(let range): range.lowerBound
        case .array(let offset, _): offset
        case .table(let table): table.offset
        case .tables(let tables): tables.offset
        }
    }
}

/// A table that grows while the locator walks over a document. Headers come back to the same table
/// from anywhere in it, hence a class; it does not outlive the walk.
final class LocatedTable {
    struct Entry {
        var key: String
        var keyOffset: Int
        var value: LocatedValue
    }

    let offset: Int
    /// Whether a header or an inline table has defined it, not only the path to another table.
    var isDefined: Bool
    private(set) var entries: [Entry] = []
    private var indices: [String: Int] = [:]

    init(offset: Int, isDefined: Bool) {
        self.offset = offset
        self.isDefined = isDefined
    }

    subscript(key: String) -> Entry? { indices[key].map { entries[$0] } }

    /// Adds a key that the table does not have.
    func append(_ entry: Entry) {
        indices[entry.key] = entries.count
        entries.append(entry)
    }
}

/// The tables with the header `[[NAME]]`, of which there is at least one.
final class LocatedTables {
    let offset: Int
    private(set) var tables: [LocatedTable]
    private(set) var last: LocatedTable

    init(first: LocatedTable) {
        offset = first.offset
        tables = [first]
        last = first
    }

    func append(_ table: LocatedTable) {
        tables.append(table)
        last = table
    }
}

/// A table that grows while a document is read. Headers come back to the same table from anywhere
/// in the document, hence a class; it does not outlive the reading.
final class TOMLTable {
    /// How a table came into being, which decides who may add to it.
    enum Origin {
        /// As the path to another one's header; its own header may come yet.
        case path
        /// By its header.
        case header
        /// As the path of a key with points; it cannot have a header.
        case dottedKey
        /// Between braces; it is complete.
        case inline
    }

    enum Value {
        case node(TOMLNode)
        case table(TOMLTable)
        /// Tables with the header `[[NAME]]`.
        case tables(TOMLTableList)
    }

    struct Entry {
        var key: TOMLScanner.KeyPart
        var value: Value
    }

    let offset: Int
    var origin: Origin
    private(set) var entries: [Entry] = []
    private var indices: [String: Int] = [:]

    init(_ origin: Origin, at offset: Int) {
        self.origin = origin
        self.offset = offset
    }

    subscript(key: String) -> Entry? { indices[key].map { entries[$0] } }

    /// Adds a key that the table does not have.
    func append(_ key: TOMLScanner.KeyPart, _ value: Value) {
        indices[key.name] = entries.count
        entries.append(Entry(key: key, value: value))
    }

    /// The finished table.
    func node(in text: SourceText) -> TOMLNode {
        TOMLNode(content: .table(tree(in: text)), position: text.position(of: offset))
    }

    func tree(in text: SourceText) -> TOMLTree {
        TOMLTree(
            entries: entries.map { entry in
                let value =
                    switch entry.value {
                    case .node(let node): node
                    case .table(let table): table.node(in: text)
                    case .tables(let list): list.node(in: text)
                    }
                return TOMLTree.Entry(
                    key: entry.key.name, keyPosition: text.position(of: entry.key.offset),
                    value: value)
            })
    }
}

/// The tables of one name in double brackets, of which there is at least one.
final class TOMLTableList {
    private var tables: [TOMLTable]
    private(set) var last: TOMLTable

    init(first: TOMLTable) {
        tables = [first]
        last = first
    }

    func append(_ table: TOMLTable) {
        tables.append(table)
        last = table
    }

    func node(in text: SourceText) -> TOMLNode {
        TOMLNode(
            content: .array(tables.map { $0.node(in: text) }),
            position: text.position(of: tables.first?.offset ?? 0))
    }
}

internal import SnapshotModel

/// A table with its full name.
struct NamedTable {
    /// Empty for what stands outside of any table.
    var path: [String]
    var position: SourcePosition
    var tree: TOMLTree
}

/// The tables of all files, joined. A table or key is in one file only.
struct SettingsTables {
    private(set) var top: NamedTable
    private(set) var sections: [SectionKind: [String: NamedTable]] = [:]

    /// The names that stand at the top of a file beside the keys.
    static let sectionNames = SectionKind.allCases.map(\.rawValue)
    private static let mirrors = "mirrors"

    init(_ trees: [(file: String, tree: TOMLTree)], diagnostics: DiagnosticCollector) {
        let start = SourcePosition(file: trees.first?.file ?? "", line: 1, column: 1)
        top = NamedTable(path: [], position: start, tree: TOMLTree())
        var topPositions: [String: SourcePosition] = [:]
        for entry in trees.flatMap(\.tree.entries) {
            if let kind = SectionKind(rawValue: entry.key) {
                add(entry, to: kind, diagnostics: diagnostics)
            } else if entry.key == Self.mirrors {
                diagnostics.error(
                    "mirrors come with a later version of snapmgr", at: entry.keyPosition,
                    hint: "remove \(Self.mirrors)")
            } else if let first = topPositions[entry.key] {
                diagnostics.error(
                    "\(Quote.path([entry.key])) is given twice", at: entry.keyPosition,
                    hint: "it is in \(first.file), line \(first.line) already")
            } else {
                topPositions[entry.key] = entry.keyPosition
                top.tree.entries.append(entry)
            }
        }
    }

    private mutating func add(
        _ entry: TOMLTree.Entry, to kind: SectionKind, diagnostics: DiagnosticCollector
    ) {
        let shape = "[\(kind.rawValue).NAME]"
        guard case .table(let tables) = entry.value.content else {
            diagnostics.error(
                "\(kind.rawValue) must be tables with names, not \(entry.value.kind)",
                at: entry.value.position, hint: "write \(shape)")
            return
        }
        for table in tables.entries {
            let path = [kind.rawValue, table.key]
            guard case .table(let tree) = table.value.content else {
                diagnostics.error(
                    "\(Quote.path(path)) must be a table, not \(table.value.kind)",
                    at: table.value.position, hint: "write \(shape)")
                continue
            }
            guard SettingsName.isValid(table.key) else {
                diagnostics.error(
                    "\(Quote.text(table.key)) is not a name for a \(kind.noun)",
                    at: table.keyPosition, hint: Advice(SettingsName.rule))
                continue
            }
            if let first = sections[kind]?[table.key]?.position {
                diagnostics.error(
                    "\(Quote.path(path)) is given twice", at: table.keyPosition,
                    hint: "it is in \(first.file), line \(first.line) already")
                continue
            }
            sections[kind, default: [:]][table.key] = NamedTable(
                path: path, position: table.value.position, tree: tree)
        }
    }

    /// The names of one kind of table, sorted.
    func names(_ kind: SectionKind) -> [String] { (sections[kind] ?? [:]).keys.sorted() }

    /// The tables of one kind, by name.
    func tables(_ kind: SectionKind) -> [(name: String, table: NamedTable)] {
        (sections[kind] ?? [:]).map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    func contains(_ kind: SectionKind, _ name: String) -> Bool { sections[kind]?[name] != nil }
}

import ArgumentParser
import Manager
import SnapshotModel

struct ListCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "list", "List snapshots.",
        discussion: """
            Columns: \(SnapshotColumn.allCases.map(\.rawValue).joined(separator: ", ")). Sortable: \
            \(ListService.sortColumns.joined(separator: ", ")); a leading '-' reverses the order.
            """,
        examples: [
            "list", "list data -o +note,tags", "list --limit 10", "list vm1", "list vm1 --set",
            "list data --tag keep --name 'before-*' --since 7d",
        ],
        exits: [.done, .failed, .usage, .notFound])

    @Argument(help: "The volumes or sets; all without any.", completion: Candidates.objects)
    var volumes: [String] = []

    @Flag(help: "List the sets instead.")
    var set = false

    @Option(
        name: .customShort("o"),
        help: ArgumentHelp(
            "Show these columns; with a leading '+', these as well.", valueName: "columns"))
    var output: String?

    // A value may begin with a dash here.
    @Option(
        parsing: .unconditional, help: "Order by a column.",
        completion: .list(ListService.sortColumns))
    var sort: String?

    @Option(help: "List so many at most: the newest, or the first of --sort or behind --offset.")
    var limit: Int?

    @Option(help: "Skip so many.")
    var offset: Int?

    @Option(help: "List those with this tag; may be given more than once.")
    var tag: [String] = []

    @Option(
        help: ArgumentHelp("List those whose names fit, as 'before-*'.", valueName: "pattern"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "List one kind.",
            valueName: SnapshotKind.allCases.map(\.rawValue).joined(separator: "|")),
        completion: .list(SnapshotKind.allCases.map(\.rawValue)))
    var kind: String?

    @Option(
        help: ArgumentHelp(
            "List those taken since, as 7d (ago) or 2026-11-22T12:45.", valueName: "time"))
    var since: String?

    @Option(help: ArgumentHelp("List those taken until then.", valueName: "time"))
    var until: String?

    @OptionGroup var display: DisplayOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard limit ?? 0 >= 0, offset ?? 0 >= 0 else {
            throw ValidationError("--limit and --offset cannot be negative")
        }
    }

    func run(_ context: CommandContext) throws {
        var columns = try SnapshotColumn.parse(output)
        let lists = try context.reader().lists
        let request = ListRequest(
            volumes: volumes, sort: sort, limit: limit, offset: offset,
            filter: ListFilter(
                tags: tag, namePattern: name, kind: kind, since: since, until: until),
            tellsRetention: global.json || columns.contains { $0 == .keptBy || $0 == .expiresAt })
        if output == nil, try lists.namesSets(request) { columns.insert(.setID, at: 1) }
        if set { return try showSets(try lists.sets(request), context) }
        if global.json {
            try streamJSON(lists, request)
        } else {
            try streamTable(lists, request, columns, context)
        }
    }

    /// One document, written as it is read.
    private func streamJSON(_ lists: ListService, _ request: ListRequest) throws {
        var prefix = "{\"snapshots\":["
        try lists.forEachPage(request) { page in
            var text = ""
            for snapshot in page {
                text += prefix
                snapshot.json.write(to: &text)
                prefix = ","
            }
            Output.write(text)
        }
        Output.write((prefix == "," ? "" : prefix) + "]}\n")
    }

    private func streamTable(
        _ lists: ListService, _ request: ListRequest, _ columns: [SnapshotColumn],
        _ context: CommandContext
    ) throws {
        var table = Table(columns.map { output == nil ? $0.heading : $0.heading.whole })
        try lists.forEachPage(request) { page in
            let rows = page.map { row in columns.map { $0.cell(row, display) } }
            Output.show(table.lines(rows, on: context.terminal))
        }
    }

    private func showSets(_ sets: [SetSummary], _ context: CommandContext) throws {
        try context.show(["sets": JSONValue(sets)]) {
            var table = Table([
                .init(title: "SET"), .init(title: "NAME"), .init(title: "TAKEN"),
                .init(title: "HELD", alignment: .right), .init(title: "SNAPSHOTS"),
                .init(title: "VOLUMES"),
            ])
            return table.lines(
                sets.map { set in
                    [
                        "set:\(set.id)", set.name ?? "-", display.time(set.createdAt),
                        set.heldNanoseconds.map { "\($0.addingClamped(999_999) / 1_000_000) ms" }
                            ?? "-",
                        set.snapshots.map(\.description).joined(separator: ","),
                        set.volumes.joined(separator: ","),
                    ]
                }, on: context.terminal)
        }
    }
}

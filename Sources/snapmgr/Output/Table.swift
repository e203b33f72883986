import SnapshotModel

/// Rows under headings, for people. On a terminal that is narrower than the table, columns that can be
/// done without go, and long words are cut.
struct Table {
    enum Alignment {
        case left
        case right
    }

    struct Column {
        var title: String
        var alignment = Alignment.left
        /// Of those that go where there is no room, the highest goes first; nil stays.
        var rank: Int?
        /// Whether its cells may be cut where there is no room.
        var isCut = false
        /// How a cell stands out, by what it says.
        var emphasis: (@Sendable (String) -> Terminal.Emphasis?)?

        /// The same, whatever room there is.
        var whole: Column {
            var column = self
            (column.rank, column.isCut) = (nil, false)
            return column
        }
    }

    private let columns: [Column]
    private var widths: [Int]
    /// The places of those that are shown.
    private var shown: [Int]
    /// The widths beyond which cells are cut.
    private var limits: [Int: Int] = [:]
    private var showsHeading = true

    /// No cell is cut to less.
    private static let leastWidth = 8
    private static let gap = 2

    init(_ columns: [Column]) {
        self.columns = columns
        widths = columns.map(\.title.count)
        shown = Array(columns.indices)
    }

    /// Formats rows as lines. Given in several parts, later parts keep the widths of earlier ones,
    /// and widen what does not fit.
    ///
    /// - Parameter terminal: where they are shown; nil has all the room, and no colours.
    mutating func lines(_ rows: [[String]], on terminal: Terminal? = nil) -> String {
        let rows = rows.map { $0.map(\.escapedForPeople) }
        for row in rows {
            for (index, cell) in row.enumerated() {
                widths[index] = min(limits[index] ?? .max, max(widths[index], cell.count))
            }
        }
        var text = ""
        if showsHeading {
            if let limit = terminal?.columnCount { fit(into: limit) }
            let heading = line(columns.map(\.title)) { _, text in text }
            text += (terminal?.bold(heading) ?? heading) + "\n"
            showsHeading = false
        }
        for row in rows {
            text += line(row) { index, cell in
                guard let emphasis = columns[index].emphasis?(row[index]) else { return cell }
                return terminal?.text(cell, emphasis) ?? cell
            }
            text += "\n"
        }
        return text
    }

    private var totalWidth: Int {
        shown.reduce(Self.gap * (shown.count - 1)) { $0 + widths[$1] }
    }

    private mutating func fit(into limit: Int) {
        while totalWidth > limit,
            let last = shown.filter({ columns[$0].rank != nil })
                .max(by: { columns[$0].rank ?? 0 < columns[$1].rank ?? 0 })
        {
            shown.removeAll { $0 == last }
        }
        while totalWidth > limit,
            let widest = shown.filter({ columns[$0].isCut && widths[$0] > Self.leastWidth })
                .max(by: { widths[$0] < widths[$1] })
        {
            widths[widest] = max(Self.leastWidth, widths[widest] - (totalWidth - limit))
            limits[widest] = widths[widest]
        }
    }

    /// - Parameter paint: what becomes of a column's cell, which has its width without that.
    private func line(_ cells: [String], _ paint: (Int, String) -> String) -> String {
        var text = ""
        for index in shown {
            let cell = cut(cells[index], to: limits[index])
            let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
            let isLast = index == shown.last
            switch columns[index].alignment {
            case .right: text += padding + paint(index, cell)
            // Nothing is padded to the end of a line.
            case .left: text += paint(index, cell) + (isLast ? "" : padding)
            }
            if !isLast { text += String(repeating: " ", count: Self.gap) }
        }
        while text.last == " " { text.removeLast() }
        return text
    }

    private func cut(_ cell: String, to limit: Int?) -> String {
        guard let limit, cell.count > limit else { return cell }
        return cell.prefix(max(0, limit - 1)) + "…"
    }
}

/// Names and values, one pair a line.
struct Sheet {
    private var pairs: [(String, String)] = []

    mutating func add(_ name: String, _ value: String?) {
        guard let value, !value.isEmpty else { return }
        pairs.append((name.escapedForPeople, value.escapedForPeople))
    }

    var text: String {
        let width = pairs.map(\.0.count).max() ?? 0
        return pairs.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value + "\n"
        }.joined()
    }
}

import SnapshotModel

/// Rows under headings, for people.
struct Table {
    enum Alignment {
        case left
        case right
    }

    struct Column {
        var title: String
        var alignment = Alignment.left
    }

    private let columns: [Column]
    private var widths: [Int]
    private var showsHeading = true

    init(_ columns: [Column]) {
        self.columns = columns
        widths = columns.map(\.title.count)
    }

    /// Formats rows as lines. Given in several parts, later parts keep the widths of earlier ones,
    /// and widen what does not fit.
    mutating func lines(_ rows: [[String]], heading: (String) -> String = { $0 }) -> String {
        let rows = rows.map { $0.map(\.escapedForPeople) }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
        }
        var text = ""
        if showsHeading {
            text += heading(line(columns.map(\.title))) + "\n"
            showsHeading = false
        }
        for row in rows { text += line(row) + "\n" }
        return text
    }

    private func line(_ cells: [String]) -> String {
        var text = ""
        for (index, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: max(0, widths[index] - cell.count))
            let isLast = index == cells.count - 1
            switch columns[index].alignment {
            case .right: text += padding + cell
            // Nothing is padded to the end of a line.
            case .left: text += isLast ? cell : cell + padding
            }
            if !isLast { text += "  " }
        }
        while text.last == " " { text.removeLast() }
        return text
    }
}

/// Names and values, one pair a line.
struct Sheet {
    private var pairs: [(String, String)] = []

    mutating func add(_ name: String, _ value: String?) {
        if let value, !value.isEmpty { pairs.append((name, value.escapedForPeople)) }
    }

    var text: String {
        let width = pairs.map(\.0.count).max() ?? 0
        return pairs.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value + "\n"
        }.joined()
    }
}

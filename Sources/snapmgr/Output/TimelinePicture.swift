import SnapshotModel

/// Who was at rest when, while snapshots were taken, as a picture in text: a row for each.
struct TimelinePicture {
    private let steps: [MachineStep]
    private let window: ClosedRange<Int64>

    private static let columns = 60
    private static let nameColumns = 24

    /// Nil when nobody came to rest.
    init?(_ steps: [MachineStep]) {
        let spans = steps.filter { $0.who != nil }
        let starts = spans.filter { $0.phase == .freeze }.compactMap(\.beganMicroseconds)
        let ends = spans.filter { $0.phase != .prepare }.map(\.atMicroseconds)
        guard let start = starts.min(), let end = ends.max(), start <= end else { return nil }
        // Programs give themselves their names.
        self.steps = spans.map { span in
            var step = span
            step.who = step.who?.escapedForPeople
            return step
        }
        window = start...end
    }

    /// One line for each, in the order in which they came to rest, under one with the times.
    var text: String {
        let names = steps.sorted { ($0.beganMicroseconds ?? 0) < ($1.beganMicroseconds ?? 0) }
            .compactMap(\.who)
        var seen: Set<String> = []
        let rows = names.filter { seen.insert($0).inserted }
        let width = min(Self.nameColumns, rows.map(\.count).max() ?? 0)
        let heading =
            "from \(Milliseconds(window.lowerBound)) to \(Milliseconds(window.upperBound)): "
            + "/ comes to rest, = at rest, \\ goes on\n"
        return heading + rows.map { line($0, width) }.joined()
    }

    private func line(_ who: String, _ width: Int) -> String {
        let name = String(who.prefix(width))
        return name + String(repeating: " ", count: width - name.count) + "  " + bar(who) + "\n"
    }

    private func bar(_ who: String) -> String {
        let own = steps.filter { $0.who == who }
        var cells = [Character](repeating: ".", count: Self.columns)
        let rest = own.filter { $0.phase == .freeze }.map(\.atMicroseconds).max()
        let thaws = own.filter { $0.phase == .thaw }.compactMap(\.beganMicroseconds)
        if let rest, let end = thaws.max(), rest <= end { fill(&cells, rest, end, "=") }
        for step in own {
            guard let began = step.beganMicroseconds else { continue }
            switch step.phase {
            case .freeze: fill(&cells, began, step.atMicroseconds, "/")
            case .thaw: fill(&cells, began, step.atMicroseconds, "\\")
            case .prepare, nil: break
            }
        }
        return String(cells)
    }

    private func fill(
        _ cells: inout [Character], _ from: Int64, _ to: Int64, _ character: Character
    ) {
        for cell in column(from)...max(column(from), column(to)) { cells[cell] = character }
    }

    private func column(_ moment: Int64) -> Int {
        let length = max(1, window.upperBound.subtractingClamped(window.lowerBound))
        let offset = min(max(moment, window.lowerBound), window.upperBound)
            .subtractingClamped(window.lowerBound)
        let share = Double(offset) / Double(length)
        return min(Self.columns - 1, Int(share * Double(Self.columns)))
    }
}

/// Microseconds, as people read them: `12.345 ms`.
struct Milliseconds: CustomStringConvertible {
    private let microseconds: Int64

    init(_ microseconds: Int64) { self.microseconds = microseconds }

    var description: String {
        "\(microseconds / 1000).\((microseconds % 1000).padded(to: 3)) ms"
    }
}

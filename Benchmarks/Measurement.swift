import System

/// Seconds of several runs of the same thing, told by their median.
struct Measurement {
    private let seconds: [Double]

    /// How often each thing is measured.
    static let runs = 5

    /// Measures `body`, with `prepare` before each run outside the clock.
    init<Prepared>(
        runs: Int = Self.runs, prepare: (Int) throws -> Prepared,
        body: (Prepared) throws -> Void
    ) rethrows {
        var seconds: [Double] = []
        for run in 0..<runs {
            let prepared = try prepare(run)
            let start = SystemClock().monotonicNanoseconds()
            try body(prepared)
            seconds.append(Double(SystemClock().monotonicNanoseconds() - start) / 1e9)
        }
        self.seconds = seconds.sorted()
    }

    init(seconds: [Double]) { self.seconds = seconds.sorted() }

    var median: Double { seconds[seconds.count / 2] }

    /// The spread: slowest over fastest.
    var spread: Double { (seconds.last ?? 0) / max(seconds.first ?? 0, 1e-9) }
}

/// A number with so many decimals.
func decimal(_ value: Double, _ places: Int = 2) -> String {
    let factor = (0..<places).reduce(1.0) { result, _ in result * 10 }
    let scaled = Int((value * factor).rounded())
    guard places > 0 else { return "\(scaled)" }
    let fraction = String(scaled.magnitude % UInt(factor))
    let zeroes = String(repeating: "0", count: places - fraction.count)
    let sign = scaled < 0 ? "-" : ""
    return "\(sign)\(scaled.magnitude / UInt(factor)).\(zeroes)\(fraction)"
}

/// A table in Markdown, as it goes into docs/benchmarks.md.
struct Table {
    private var rows: [[String]]

    init(_ header: String...) { rows = [header, header.map { _ in "---" }] }

    mutating func add(_ cells: String...) { rows.append(cells) }

    func show() { for row in rows { print("| " + row.joined(separator: " | ") + " |") } }
}

internal import SnapshotModel

/// The samples of one metric, as Prometheus reads them.
///
/// Source of the form: Prometheus, "Exposition formats", text format 0.0.4.
struct MetricFamily: Hashable {
    enum Kind: String {
        case gauge
        case counter
    }

    struct Label: Hashable {
        var name: String
        var value: String
    }

    struct Sample: Hashable {
        var labels: [Label]
        var value: Value
    }

    enum Value: Hashable {
        case integer(Int)
        case number(Double)
        /// Seconds since 1970.
        case moment(Timestamp)
    }

    var name: String
    var help: String
    var kind: Kind
    var samples: [Sample]

    /// Nothing for a metric without samples.
    var text: String {
        guard !samples.isEmpty else { return "" }
        return "# HELP \(name) \(Self.escaped(help, quotes: false))\n"
            + "# TYPE \(name) \(kind.rawValue)\n" + samples.map(line).joined()
    }

    private func line(_ sample: Sample) -> String {
        let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }
        let list = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
        return "\(name)\(list) \(sample.value)\n"
    }

    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += #"\\"#
            case "\n": result += #"\n"#
            case "\"" where quotes: result += #"\""#
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension MetricFamily.Value: CustomStringConvertible {
    var description: String {
        switch self {
        case .integer(let value): "\(value)"
        case .number(let value) where value.isNaN: "NaN"
        case .number(let value) where value.isInfinite: value < 0 ? "-Inf" : "+Inf"
        case .number(let value): "\(value)"
        case .moment(let moment): Self.seconds(moment.nanosecondsSinceEpoch)
        }
    }

    /// Exact, and without a fraction where there is none.
    private static func seconds(_ nanoseconds: Int128) -> String {
        let (whole, fraction) = nanoseconds.magnitude
            .quotientAndRemainder(dividingBy: 1_000_000_000)
        let sign = nanoseconds < 0 ? "-" : ""
        guard fraction > 0 else { return "\(sign)\(whole)" }
        var digits = fraction.padded(to: 9)
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(sign)\(whole).\(digits)"
    }
}

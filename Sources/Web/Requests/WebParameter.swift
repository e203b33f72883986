internal import SnapshotModel

/// A parameter of a route's query, and what it may be.
struct WebParameter: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        case text
        case number(ClosedRange<Int>)
    }

    var name: String
    var about: String
    var kind: Kind
    /// Whether it may be given more than once.
    var isRepeated = false
    var isRequired = false

    static func text(
        _ name: String, _ about: String, isRequired: Bool = false
    ) -> WebParameter {
        WebParameter(name: name, about: about, kind: .text, isRequired: isRequired)
    }

    static func texts(_ name: String, _ about: String) -> WebParameter {
        WebParameter(name: name, about: about, kind: .text, isRepeated: true)
    }

    static func number(
        _ name: String, _ range: ClosedRange<Int>, _ about: String
    ) -> WebParameter {
        WebParameter(name: name, about: about, kind: .number(range))
    }
}

/// The values of a query, checked against a route's parameters.
struct WebQuery: Hashable, Sendable {
    private var values: [String: [String]] = [:]
    private var numbers: [String: Int] = [:]

    /// So many values a query has at most.
    private static let countMaximum = 256

    /// - Parameter text: what follows the question mark.
    /// - Throws: a failure for what no parameter is, or is not like one.
    init(_ text: Substring, _ parameters: [WebParameter]) throws(WebFailure) {
        let parts = text.split(separator: "&", maxSplits: Self.countMaximum)
        guard parts.count <= Self.countMaximum else { throw .badRequest("the query is too long") }
        for part in parts {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = PercentCode.decode(pair[0], isQuery: true),
                let value = PercentCode.decode(pair.count > 1 ? pair[1] : "", isQuery: true)
            else { throw .badRequest("the query is not percent-encoded UTF-8") }
            try take(name, value, parameters)
        }
        for parameter in parameters where parameter.isRequired && values[parameter.name] == nil {
            throw .badRequest("the parameter \(parameter.name) is missing")
        }
    }

    private mutating func take(
        _ name: String, _ value: String, _ parameters: [WebParameter]
    ) throws(WebFailure) {
        guard let parameter = parameters.first(where: { $0.name == name }) else {
            throw .badRequest("there is no parameter \(name.prefix(64))")
        }
        guard values[name] == nil || parameter.isRepeated else {
            throw .badRequest("the parameter \(name) may be given once")
        }
        if case .number(let range) = parameter.kind {
            guard let number = Int(value), range.contains(number) else {
                throw .badRequest(
                    "\(name) is a number from \(range.lowerBound) to \(range.upperBound)")
            }
            numbers[name] = number
        }
        values[name, default: []].append(value)
    }

    func text(_ name: String) -> String? { values[name]?.first }
    func texts(_ name: String) -> [String] { values[name] ?? [] }
    func number(_ name: String) -> Int? { numbers[name] }
}

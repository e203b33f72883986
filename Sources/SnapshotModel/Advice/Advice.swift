/// What is told to a person: words, and among them remedies, for which a face has the words.
///
/// It is written as a literal: `"run \(.check()), then try again"`.
package struct Advice: Hashable, Sendable {
    package enum Part: Hashable, Sendable, Codable {
        case words(String)
        case remedy(Remedy)
    }

    /// Never two with words side by side, and none without words, so that what reads the same is equal.
    package private(set) var parts: [Part] = []

    package init(_ words: String) { append(words) }

    init(_ parts: [Part]) {
        for part in parts { append(part) }
    }

    /// What it names that can be done, in this order.
    package var remedies: [Remedy] {
        parts.compactMap { if case .remedy(let remedy) = $0 { remedy } else { nil } }
    }

    package static func + (left: Advice, right: Advice) -> Advice {
        Advice(left.parts + right.parts)
    }

    private mutating func append(_ part: Part) {
        switch part {
        case .words(let words): append(words)
        case .remedy: parts.append(part)
        }
    }

    private mutating func append(_ words: String) {
        guard !words.isEmpty else { return }
        guard case .words(let before) = parts.last else { return parts.append(.words(words)) }
        parts[parts.count - 1] = .words(before + words)
    }
}

extension Advice: ExpressibleByStringInterpolation {
    package init(stringLiteral words: String) { self.init(words) }

    package init(stringInterpolation: StringInterpolation) {
        self = stringInterpolation.advice
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var advice = Advice([])

        package init(literalCapacity: Int, interpolationCount: Int) {}

        package mutating func appendLiteral(_ words: String) { advice.append(words) }

        package mutating func appendInterpolation(_ remedy: Remedy) {
            advice.append(.remedy(remedy))
        }

        package mutating func appendInterpolation(_ other: Advice) {
            for part in other.parts { advice.append(part) }
        }

        package mutating func appendInterpolation(_ value: some Any) {
            advice.append(String(describing: value))
        }
    }
}

extension Advice: CustomStringConvertible {
    /// For developers: remedies as Swift writes them.
    package var description: String { Wording.plain.text(self) }
}

/// One string, in the words of the face that sends it: so it has always been sent, and older versions
/// read nothing else. ``Problem`` sends its remedies beside it.
extension Advice: Codable {
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        let wording = encoder.userInfo[.wording] as? Wording ?? .plain
        var container = encoder.singleValueContainer()
        try container.encode(wording.text(self))
    }
}

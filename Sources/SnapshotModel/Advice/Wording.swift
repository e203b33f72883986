/// How a face says remedies. Nothing below the faces has words for them: a program hands its wording
/// down to what stores, sends or logs text.
package struct Wording: Sendable {
    private let say: @Sendable (Remedy) -> String

    package init(_ say: @escaping @Sendable (Remedy) -> String) { self.say = say }

    /// For developers: remedies as Swift writes them.
    package static let plain = Wording { "`\($0)`" }

    package func text(_ advice: Advice) -> String {
        advice.parts.map { part in
            switch part {
            case .words(let words): words
            case .remedy(let remedy): say(remedy)
            }
        }.joined()
    }
}

extension CodingUserInfoKey {
    /// The ``Wording`` of what is encoded.
    package static let wording: CodingUserInfoKey = {
        guard let key = CodingUserInfoKey(rawValue: "wording") else {
            preconditionFailure("a word makes a key")
        }
        return key
    }()
}

/// An error as it reaches people and scripts: what failed on which object and why, and what to do
/// next. It crosses the control socket unchanged, so that a verb fails in the same words whether
/// the volume is served or not.
package struct Problem: Error, Hashable, Sendable, Codable {
    package var code: Code
    /// The object and the cause, one sentence without a full stop.
    package var message: String
    /// The next command to run, or what to check.
    package var hint: Advice?

    /// The kinds of errors; `error.code` in JSON. The command line maps them to exit codes.
    package enum Code: String, Sendable, Codable, CaseIterable {
        case failed
        case usage
        case partial
        case notFound = "not_found"
        /// A part of the environment is not there, or not there yet: nbdkit, a store or an origin
        /// that is not mounted. The same command succeeds once it is.
        case missing
        case ambiguous
        case exists
        case locked
        case refused
        case interrupted
        /// A read, write or sync failed.
        case inputOutput = "io"
        case noSpace = "no_space"
        /// Something on disk is not what was written there.
        case corrupt
        /// Something on disk was written by a newer snapmgr.
        case newerVersion = "newer_version"
        /// The snapshot's chain lost exceptions.
        case broken
        /// The socket or port on which to serve cannot be had.
        case cannotListen = "cannot_listen"

        /// A code that a newer snapmgr brought is a failure to this one.
        package init(from decoder: any Decoder) throws {
            let name = try decoder.singleValueContainer().decode(String.self)
            self = Code(rawValue: name) ?? .failed
        }
    }

    package init(_ code: Code, _ message: String, hint: Advice? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }
}

extension Problem: CustomStringConvertible {
    package var description: String { hint.map { "\(message)\n\($0)" } ?? message }
}

extension Problem {
    /// The message and the hint, as one sentence.
    package var sentence: Advice {
        guard let hint else { return Advice(message) }
        return "\(message); \(hint)"
    }
}

// MARK: - The form on the wire

extension Problem {
    private enum CodingKeys: CodingKey {
        case code
        case message
        /// In the words of the face that sends it, for versions that know of nothing else.
        case hint
        /// The hint's parts, when there are remedies among them.
        case advice
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        code = try values.decode(Code.self, forKey: .code)
        message = try values.decode(String.self, forKey: .message)
        hint = try values.decodeIfPresent(Advice.self, forKey: .hint)
        // A newer version may know remedies that this one does not: then the words have to do.
        if let parts = try? values.decodeIfPresent([Advice.Part].self, forKey: .advice) {
            hint = Advice(parts)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(code, forKey: .code)
        try values.encode(message, forKey: .message)
        try values.encodeIfPresent(hint, forKey: .hint)
        guard let hint, !hint.remedies.isEmpty else { return }
        try values.encode(hint.parts, forKey: .advice)
    }
}

extension Advice.StringInterpolation {
    /// As ``Problem/description``.
    package mutating func appendInterpolation(_ problem: Problem) {
        appendLiteral(problem.message)
        guard let hint = problem.hint else { return }
        appendLiteral("\n")
        appendInterpolation(hint)
    }
}

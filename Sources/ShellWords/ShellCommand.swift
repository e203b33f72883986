package import SnapshotModel

/// A remedy as a command of the command line's.
package struct ShellCommand: Hashable, Sendable {
    /// The words that name the command; none is the program itself.
    package var verb: [String]
    var parameters: [Parameter]

    /// - Parameter parameters: those that are nil do not apply.
    init(_ verb: String, _ parameters: Parameter?...) {
        self.verb = verb.split(separator: " ").map(String.init)
        self.parameters = parameters.compactMap(\.self)
    }

    /// What follows the verb.
    enum Parameter: Hashable, Sendable {
        case operand(Value)
        case option(String, Value? = nil)

        fileprivate var isOperand: Bool { if case .operand = self { true } else { false } }

        static func operand(_ text: String) -> Parameter { .operand(.known(text)) }

        static func operand(_ text: String?, else word: String) -> Parameter {
            .operand(text.map { .known($0) } ?? .open(word))
        }

        static func operand(_ text: String?, orUnsaid word: String) -> Parameter {
            .operand(text.map { .known($0) } ?? .unsaid(word))
        }

        static func option(_ name: String, _ text: String) -> Parameter {
            .option(name, .known(text))
        }
    }

    enum Value: Hashable, Sendable {
        case known(String)
        /// What the person has to choose, by a word for it.
        case open(String)
        /// The same, where the text names the verb alone.
        case unsaid(String)
    }
}

// MARK: - Arguments

extension ShellCommand {
    /// One word of the command line.
    package struct Argument: Hashable, Sendable {
        package var text: String
        /// Whether it only stands for what the person has to choose.
        package var isOpen = false
        /// Whether the text names it.
        fileprivate var isSaid = true
    }

    /// The words behind the verb, as the parser takes them.
    package var arguments: [Argument] {
        let operands = parameters.filter(\.isOperand).flatMap(Self.arguments)
        // Behind this word, the parser takes none for an option.
        guard operands.contains(where: { $0.text.hasPrefix("-") }) else {
            return parameters.flatMap(Self.arguments)
        }
        let options = parameters.filter { !$0.isOperand }.flatMap(Self.arguments)
        return options + [Argument(text: "--")] + operands
    }

    private static func arguments(_ parameter: Parameter) -> [Argument] {
        switch parameter {
        case .operand(let value): return [argument(value)]
        case .option(let name, nil): return [Argument(text: name)]
        case .option(let name, let value?):
            let argument = argument(value)
            // The parser takes a word with a dash for an option of its own.
            guard argument.text.hasPrefix("-") else { return [Argument(text: name), argument] }
            return [Argument(text: "\(name)=\(argument.text)")]
        }
    }

    private static func argument(_ value: Value) -> Argument {
        switch value {
        case .known(let text): Argument(text: text)
        case .open(let word): Argument(text: word, isOpen: true)
        case .unsaid(let word): Argument(text: word, isOpen: true, isSaid: false)
        }
    }
}

// MARK: - Text

extension ShellCommand {
    /// As it is typed into a shell.
    package var text: String {
        let said = arguments.filter(\.isSaid).map { $0.isOpen ? $0.text : Self.quoted($0.text) }
        return (["snapmgr"] + verb + said).joined(separator: " ")
    }

    /// A word that a POSIX shell reads as this one.
    ///
    /// It goes by scalars: a sign of the shell's that is joined to another character stays one for it.
    package static func quoted(_ word: String) -> String {
        let scalars = word.unicodeScalars
        // Some shells take a word with `=` before it for the path of a program.
        guard scalars.isEmpty || scalars.first == "=" || !scalars.allSatisfy(isPlain) else {
            return word
        }
        var quoted = String.UnicodeScalarView()
        for scalar in scalars {
            if scalar == "'" {
                quoted.append(contentsOf: #"'\''"#.unicodeScalars)
            } else {
                quoted.append(scalar)
            }
        }
        return "'" + String(quoted) + "'"
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9": true
        case "_", "-", "+", "=", ":", ",", ".", "/", "@", "%": true
        default: false
        }
    }
}

extension Wording {
    /// Commands in backticks.
    package static let shell = Wording { "`\(ShellCommand($0).text)`" }
}

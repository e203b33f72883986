import ArgumentParser

/// The options that every command takes, before or after its name.
struct GlobalOptions: ParsableArguments {
    enum ColorMode: String, ExpressibleByArgument, CaseIterable {
        case auto
        case always
        case never
    }

    @Option(help: "Read the configuration from FILE (default: /etc/snapmgr/snapmgr.toml).")
    var config: String?

    @Option(help: "Keep the catalog and, by default, the stores in DIR.")
    var state: String?

    @Flag(help: "Print one JSON document instead of text.")
    var json = false

    @Flag(name: .shortAndLong, help: "Print no progress and no notes.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Print more.")
    var verbose = false

    @Option(
        help: ArgumentHelp(
            "Run the command on another machine, over ssh; status takes several.",
            valueName: "user@host"))
    var host: String?

    @Option(help: "Use colours: auto, always or never.")
    var color = ColorMode.auto
}

/// Lets global options stand before the command, where argument-parser does not look for them.
enum GlobalArguments {
    private static let flags: Set<String> = [
        "--json", "-q", "--quiet", "-v", "--verbose", "-qv", "-vq",
    ]
    private static let options: Set<String> = ["--config", "--state", "--color", "--host"]

    /// Moves the global options in front of the command behind it, before any `--`.
    static func moved(_ arguments: [String]) -> [String] {
        var (globals, index) = ([String](), 0)
        while index < arguments.count {
            let argument = arguments[index]
            if flags.contains(argument) || isJoined(argument) {
                globals.append(argument)
                index += 1
            } else if options.contains(argument), index + 1 < arguments.count {
                globals += arguments[index...(index + 1)]
                index += 2
            } else {
                break
            }
        }
        let rest = arguments[index...]
        // Without a command there is nothing to move them behind.
        guard let first = rest.first, !first.hasPrefix("-") else { return arguments }
        let end = rest.firstIndex(of: "--") ?? rest.endIndex
        return rest[..<end] + globals + rest[end...]
    }

    /// Gives `--sort` a value that begins with a dash in one word: of two, the parser would take letters
    /// of the second for options of every command.
    static func joined(_ arguments: [String]) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        guard let index = arguments[..<end].firstIndex(of: "--sort"), index + 1 < end,
            arguments[index + 1].hasPrefix("-"), !arguments[index + 1].hasPrefix("--")
        else { return arguments }
        return arguments[..<index] + ["--sort=\(arguments[index + 1])"]
            + arguments[(index + 2)...]
    }

    /// Whether the word behind this option is its value.
    static func takesValue(_ option: String) -> Bool { options.contains(option) }

    /// Whether it is `--option=value`.
    private static func isJoined(_ argument: String) -> Bool {
        guard let equals = argument.firstIndex(of: "=") else { return false }
        return options.contains(String(argument[..<equals]))
    }

    /// Whether errors are to be JSON, also when the arguments could not be parsed.
    static func wantsJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--json")
    }
}

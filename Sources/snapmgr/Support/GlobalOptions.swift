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

    @Option(help: "Use colours: auto, always or never.")
    var color = ColorMode.auto
}

/// Lets global options stand before the command, where argument-parser does not look for them.
enum GlobalArguments {
    private static let flags: Set<String> = [
        "--json", "-q", "--quiet", "-v", "--verbose", "-qv", "-vq",
    ]
    private static let options: Set<String> = ["--config", "--state", "--color"]

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

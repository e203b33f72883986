import ArgumentParser
import Manager
import Settings
import ShellWords
import SnapshotModel

struct ConfigCheckCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "check", "Check the configuration, and tell all errors at once.",
        discussion: """
            Volumes and programs that it names and that are not there are warnings. That a set has a \
            volume's name is an error.
            """,
        examples: ["config check", "--config Config/database.toml config check"],
        exits: [.done, .usage])

    @OptionGroup var global: GlobalOptions

    /// What the files name and is not there. Without any file nothing is named.
    private func missing(_ settings: Settings, _ context: CommandContext) throws -> [String] {
        guard !settings.files.isEmpty else { return [] }
        var options = try context.options()
        // What the state lacks is what is told here.
        options.operation.onNote = { _ in }
        let config = try Manager(reading: options).config
        try config.requireDistinctNames()
        return try config.findings().map { "warning: \($0)" }
    }

    func run(_ context: CommandContext) throws {
        let settings = try context.settings()
        let warnings = settings.warnings.map { $0.text(.shell) } + (try missing(settings, context))
        try context.show([
            "files": JSONValue(settings.files), "warnings": JSONValue(warnings),
        ]) {
            let files =
                settings.files.isEmpty
                ? "there is no configuration; the defaults apply"
                : "\(settings.files.joined(separator: ", ")): no errors"
            return warnings.map { $0 + "\n" }.joined() + files + "\n"
        }
    }
}

import ArgumentParser
import Manager
import Settings
import SnapshotModel

struct ConfigCheckCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "check", "Check the configuration, and tell all errors at once.",
        examples: ["config check", "--config Config/database.toml config check"],
        exits: [.done, .usage])

    @OptionGroup var global: GlobalOptions

    func run(_ session: CommandSession) throws {
        let settings = try session.settings()
        let warnings = settings.warnings.map(\.description)
        try session.show([
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

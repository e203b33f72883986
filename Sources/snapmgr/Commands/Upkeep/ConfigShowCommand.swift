import ArgumentParser
import Manager
import Settings
import SnapshotModel

struct ConfigShowCommand: ManagerCommand {
    static let configuration = CommandConfiguration.verb(
        "show", "Show the values that apply, and where each comes from.",
        examples: ["config show", "config show --json"], exits: [.done, .usage])

    @OptionGroup var global: GlobalOptions

    func run(_ context: CommandContext) throws {
        let values = try context.settings().effectiveValues
        try context.show(["settings": .array(values.map(json))]) { values.document }
    }

    private func json(_ value: EffectiveValue) -> JSONValue {
        var position: SourcePosition?
        if case .file(let place) = value.source { position = place }
        return [
            "table": JSONValue(value.table), "key": JSONValue(value.key),
            "value": JSONValue(value.value), "source": JSONValue(value.source.description),
            "file": JSONValue(position?.file), "line": JSONValue(position?.line),
            "note": JSONValue(value.note),
        ]
    }
}

package import Settings
internal import SnapshotModel

extension EffectiveValue: JSONConvertible {
    /// As `config show` has it.
    package var json: JSONValue {
        var position: SourcePosition?
        if case .file(let place) = source { position = place }
        return [
            "table": JSONValue(table), "key": JSONValue(key), "value": JSONValue(value),
            "source": JSONValue(source.description), "file": JSONValue(position?.file),
            "line": JSONValue(position?.line), "note": JSONValue(note),
        ]
    }
}

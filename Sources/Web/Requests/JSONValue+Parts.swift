internal import Manager

extension JSONValue {
    /// A field of an object; nil when it has none of the name.
    subscript(name: String) -> JSONValue? {
        guard case .object(let fields) = self else { return nil }
        return fields.first { $0.name == name }?.value
    }
}

internal import Manager

extension BusValue {
    /// What scripts are shown, as D-Bus has it: objects are `a{sv}`, lists `av`, whole numbers `x`; what is null is
    /// left out.
    init?(_ json: JSONValue) {
        switch json {
        case .null: return nil
        case .bool(let flag): self = .bool(flag)
        case .integer(let number): self = .int64(number)
        case .number(let number): self = .double(number)
        case .string(let text): self = .string(Self.plain(text))
        case .array(let values):
            self = .array(of: "v", values.compactMap { BusValue($0).map { .variant($0) } })
        case .object(let fields):
            self = .dictionary(
                fields.compactMap { field in BusValue(field.value).map { (field.name, $0) } })
        }
    }

    /// `a{sv}` of what is an object; empty for anything else.
    static func fields(of json: JSONValue) -> BusValue {
        guard case .object = json, let value = BusValue(json) else { return .dictionary([]) }
        return value
    }

    /// A text of D-Bus has no zeroes in it.
    static func plain(_ text: String) -> String {
        text.unicodeScalars.contains("\0") ? text.replacing("\0", with: "\u{FFFD}") : text
    }
}

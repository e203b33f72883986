/// What a call says, checked against the types of its method.
struct CallArguments {
    private let values: [BusValue]

    /// - Parameter signature: of the method.
    /// - Throws: `InvalidArgs`.
    init(_ call: BusMessage, _ signature: String) throws(BusError) {
        guard call.signature == signature, let values = call.values() else {
            throw .arguments("\(call.member) takes `\(signature)`, not `\(call.signature)`")
        }
        self.values = values
    }

    func text(_ index: Int) -> String { values[index].text ?? "" }
    func texts(_ index: Int) -> [String] { values[index].texts ?? [] }
    func options(_ index: Int) -> CallOptions { CallOptions(values[index].fields ?? [:]) }
}

/// The options of a call, `a{sv}`: each is asked for by its name, and what nobody has asked for is an error.
struct CallOptions {
    private var rest: [String: BusValue]

    init(_ fields: [String: BusValue]) { rest = fields }

    mutating func flag(_ name: String) throws(BusError) -> Bool {
        try take(name, "a boolean", \.flag) ?? false
    }

    mutating func text(_ name: String) throws(BusError) -> String? {
        try take(name, "a text", \.text)
    }

    mutating func number(_ name: String) throws(BusError) -> Int64? {
        try take(name, "a number", \.number)
    }

    mutating func texts(_ name: String) throws(BusError) -> [String] {
        try take(name, "an array of texts", \.texts) ?? []
    }

    /// - Throws: `InvalidArgs` when there is an option that was not asked for.
    func requireNoMore() throws(BusError) {
        guard let name = rest.keys.min() else { return }
        throw .arguments("there is no option \(name)")
    }

    private mutating func take<Value>(
        _ name: String, _ kind: String, _ read: (BusValue) -> Value?
    ) throws(BusError) -> Value? {
        guard let value = rest.removeValue(forKey: name) else { return nil }
        guard let result = read(value) else { throw .arguments("\(name) is \(kind)") }
        return result
    }
}

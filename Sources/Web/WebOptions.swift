package import Manager
package import SnapshotModel

/// What the HTTP service works with.
package struct WebOptions: Sendable {
    /// The Unix socket on which it is served; nil for none.
    package var address: WebAddress?
    /// Where it is served to the network; nil for nowhere.
    package var network: NetworkAddress?
    package var manager: Manager
    /// The state folder's path, where jobs are kept.
    package var state: String
    /// Makes what a request begins with: the clock, the settings as they are then, where notes go.
    package var operation: @Sendable () -> Operation
    /// How a failure reads, as `--json` has it.
    package var errorDocument: @Sendable (Problem) -> JSONValue
    /// Of the program.
    package var version: String
    /// Hears what people should see.
    package var onNote: @Sendable (String) -> Void

    package init(
        address: WebAddress?, network: NetworkAddress? = nil, manager: Manager, state: String,
        version: String,
        operation: @escaping @Sendable () -> Operation,
        errorDocument: @escaping @Sendable (Problem) -> JSONValue,
        onNote: @escaping @Sendable (String) -> Void
    ) {
        self.address = address
        self.network = network
        self.manager = manager
        self.state = state
        self.version = version
        self.operation = operation
        self.errorDocument = errorDocument
        self.onNote = onNote
    }

    /// Where it is served, as people read it.
    package var places: String {
        [address?.path, network?.text].compactMap(\.self).joined(separator: " and ")
    }
}

package import Manager
package import SnapshotModel

/// What the HTTP service works with.
package struct WebOptions: Sendable {
    package var address: WebAddress
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
        address: WebAddress, manager: Manager, state: String, version: String,
        operation: @escaping @Sendable () -> Operation,
        errorDocument: @escaping @Sendable (Problem) -> JSONValue,
        onNote: @escaping @Sendable (String) -> Void
    ) {
        self.address = address
        self.manager = manager
        self.state = state
        self.version = version
        self.operation = operation
        self.errorDocument = errorDocument
        self.onNote = onNote
    }
}

internal import Catalog
internal import Hooks
internal import Settings
internal import SnapshotModel

/// An operation with the hooks of its volumes around it.
struct HookedOperation {
    private let context: ManagerContext
    private let operation: HookOperation
    private let hooks: [BoundHook]

    /// - Parameter set: the name of a set of the settings, whose hooks come before the volumes'.
    init(_ context: ManagerContext, _ operation: HookOperation) throws {
        self.context = context
        var operation = operation
        operation.requester = context.requester.description
        self.operation = operation
        let settings = try context.settings.get()
        let setHooks = operation.set.flatMap { settings.sets[$0] }?.hooks ?? []
        hooks =
            setHooks.map { BoundHook($0) }
            + operation.volumes.flatMap { volume in
                settings.volume(volume).hooks.map { BoundHook($0, volume: volume) }
            }
        try HookTrust.ofThisProcess?.require(hooks.map(\.hook))
    }

    /// Whether there is nothing around it.
    var isBare: Bool { hooks.isEmpty }

    /// - Parameters:
    ///   - body: gets what to call while the volumes are held.
    ///   - facts: what the programs that follow are told.
    func perform<Result>(
        _ body: (_ onHeld: () throws -> Void) throws -> Result, facts: (Result) -> HookFacts
    ) throws -> Result {
        guard !isBare else { return try body({}) }
        let end = context.end
        let stack = HookStack(
            operation, hooks: hooks, watchdog: context.watchdog,
            isInterrupted: { end.isDue })
        defer { report(stack.warnings) }
        return try end.explaining { try stack.perform({ try body(stack.confirm) }, facts: facts) }
    }

    /// Best effort: what the operation itself did counts.
    private func report(_ warnings: [Problem]) {
        for warning in warnings {
            context.note(warning.message)
            try? context.log(
                .warning, .hookFailed, warning.message,
                volume: operation.volumes.count == 1 ? operation.volumes.first : nil)
        }
    }
}

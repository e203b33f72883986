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

    /// The volumes that a hook says it brings to rest for programs.
    var applicationVolumes: Set<String> {
        let covering = hooks.filter {
            $0.hook.consistency == .app && $0.hook.acts(on: .beforeFreeze)
        }
        return Set(covering.flatMap { $0.volume.map { [$0] } ?? operation.volumes })
    }

    /// - Parameters:
    ///   - body: gets what to call while the volumes are held.
    ///   - facts: what the programs that follow are told.
    func perform<Result>(
        _ body: (_ onHeld: () throws -> Void) throws -> Result, facts: (Result) -> HookFacts
    ) throws -> Result {
        guard !isBare else { return try body({}) }
        let stack = stack()
        defer { report(stack.warnings) }
        return try context.end.explaining {
            try stack.perform({ try body(stack.confirm) }, facts: facts)
        }
    }

    /// The same of an operation that says itself when the programs before it run: as late as may be.
    ///
    /// - Parameters:
    ///   - onRun: told of each program around it.
    ///   - body: gets the moments; nil when there is nothing around it.
    func performAtRest<Result>(
        onRun: @escaping (HookRun) -> Void, _ body: (HookMoments?) throws -> Result,
        facts: (Result) -> HookFacts
    ) throws -> Result {
        guard !isBare else { return try body(nil) }
        let stack = stack(onRun: onRun)
        defer { report(stack.warnings) }
        return try context.end.explaining {
            try stack.perform(
                beginsItself: true, { try body(HookMoments(stack: stack)) }, facts: facts)
        }
    }

    private func stack(onRun: @escaping (HookRun) -> Void = { _ in }) -> HookStack {
        let end = context.end
        return HookStack(
            operation, hooks: hooks, watchdog: context.watchdog, isInterrupted: { end.isDue },
            onRun: onRun)
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

/// The moments of the hooks around a snapshot.
struct HookMoments {
    fileprivate let stack: HookStack

    /// What takes long, while nothing is at rest.
    ///
    /// - Throws: the failure of a fatal hook.
    func prepare() throws(Problem) { try stack.prepare() }

    /// - Parameter addedSeconds: how much longer than usual it may take until they go on.
    /// - Throws: the failure of a fatal hook; then what ran was undone.
    func comeToRest(addedSeconds: Double = 0) throws(Problem) {
        try stack.begin(addedSeconds: addedSeconds)
    }

    /// To be called while the volumes are held.
    ///
    /// - Throws: `failed` when the hooks were undone already.
    func confirm() throws(Problem) { try stack.confirm() }

    /// May be called again. Once they were confirmed, what fails is a warning.
    func goOn(_ facts: HookFacts) { try? stack.end(.succeeded(facts)) }

    /// There will be no snapshots.
    func giveUp(_ problem: Problem) { try? stack.end(.failed(problem)) }

    /// What they make a volume's snapshot consistent with; nil where none says so.
    ///
    /// - Throws: why it is not that.
    func consistency(of volume: String) throws(Problem) -> Consistency? {
        try stack.consistency(of: volume)
    }
}

internal import System
package import SnapshotModel

/// The hooks around one operation: programs before it in order, and after it, in reverse order and
/// whatever happens, the programs that undo what those did.
///
/// From the first program on, a watchdog in a process of its own runs them. When this process ends
/// without ``end(_:)``, by whatever cause, or takes too long, it undoes them by itself.
///
/// All calls come from one thread, which they block; never Swift's cooperative pool.
package final class HookStack {
    private let operation: HookOperation
    private let hooks: [BoundHook]
    private let command: WatchdogCommand
    private let windowSeconds: Double
    private let isInterrupted: () -> Bool
    private var executor: StepExecutor?
    /// The hooks whose turn came, in order; a step's number is its place here.
    private var begun: [BoundHook] = []
    private var isConfirmed = false

    /// All programs that ended, in their order.
    package private(set) var runs: [HookRun] = []
    /// Told of each program around the operation as soon as its end is known.
    private let onRun: (HookRun) -> Void
    /// What went wrong without ending the operation.
    package private(set) var warnings: [Problem] = []

    /// - Parameters:
    ///   - hooks: the set's first, then each volume's.
    ///   - windowSeconds: how long it may take from the first program before the operation until
    ///     ``end(_:)``; then the watchdog undoes by itself. By default what the programs before may
    ///     take, and 60 s.
    ///   - isInterrupted: asked while programs before the operation run; ends them if true.
    ///   - onRun: told of each program around the operation as soon as its end is known.
    package init(
        _ operation: HookOperation, hooks: [BoundHook], watchdog: WatchdogCommand,
        windowSeconds: Double? = nil, isInterrupted: @escaping () -> Bool = { false },
        onRun: @escaping (HookRun) -> Void = { _ in }
    ) {
        self.onRun = onRun
        self.operation = operation
        self.hooks = hooks
        command = watchdog
        self.isInterrupted = isInterrupted
        let before = hooks.filter { $0.hook.acts(on: operation.kind.before) }
        self.windowSeconds = windowSeconds ?? before.reduce(60) { $0 + $1.hook.timeoutSeconds }
    }

    deinit { if executor != nil { undo(.failed(Self.givenUp)) } }

    /// Whether any hook has a program for what this operation is.
    package var isEmpty: Bool { hooks.allSatisfy(\.hook.isEmpty) }

    /// Runs the programs that prepare for a snapshot, while nothing is at rest yet. There is nothing to undo.
    ///
    /// - Throws: the failure of a fatal hook; `interrupted`.
    package func prepare() throws(Problem) {
        for bound in hooks {
            guard let program = program(bound, .prepare) else { continue }
            guard !isInterrupted() else { throw Self.interrupted }
            let result = ProgramRunner.run(program, stop: StopCheck(isStopWanted: isInterrupted))
            let run = HookRun(program, volume: bound.volume, result)
            runs.append(run)
            onRun(run)
            guard run.hasFailed else { continue }
            if isInterrupted() { throw Self.interrupted }
            if bound.hook.isFatal { throw run.problem }
            warnings.append(run.problem)
        }
    }

    /// Runs the programs before the operation. When it throws, what they did was undone.
    ///
    /// - Parameter addedSeconds: how much longer it may take until ``end(_:)``.
    /// - Throws: the failure of a fatal hook; `interrupted`; `failed` when the watchdog cannot be
    ///   started, before anything was put at rest.
    package func begin(addedSeconds: Double = 0) throws(Problem) {
        precondition(executor == nil && begun.isEmpty, "a hook stack is used once")
        let around = hooks.filter { has($0, operation.kind.before) || has($0, operation.kind.undo) }
        guard !around.isEmpty else { return }
        let executor = StepExecutor(
            try makeClient(windowSeconds + addedSeconds), isInterrupted: isInterrupted,
            onUndone: { [weak self] in self?.tell($0) })
        self.executor = executor
        for bound in around {
            guard let problem = run(bound, executor) else { continue }
            undo(.failed(problem))
            throw executor.takeover.map(Self.problem) ?? problem
        }
    }

    /// To be called when the volumes are held at their barriers, before anything says that there
    /// is a snapshot: from then on it does not matter any more when the hooks are undone.
    ///
    /// - Throws: `failed` when they were already.
    package func confirm() throws(Problem) {
        guard let executor, !executor.confirm() else {
            isConfirmed = true
            return
        }
        throw executor.takeover.map(Self.problem) ?? Self.lost
    }

    /// Undoes what the programs before the operation did; to be called as soon as the volumes are
    /// released. Failures of these programs are warnings: they never hide how the operation went.
    ///
    /// - Throws: `failed` when the operation succeeded, but the hooks were undone before they were
    ///   confirmed, so that nobody knows what it saw.
    package func end(_ outcome: HookOutcome) throws(Problem) {
        guard let executor else { return }
        undo(outcome)
        if case .succeeded = outcome, !isConfirmed {
            if let takeover = executor.takeover { throw Self.problem(takeover) }
            if executor.hasLostWatchdog { throw Self.lost }
        }
        if let takeover = executor.takeover { warnings.append(Self.problem(takeover)) }
        if executor.hasLostWatchdog { warnings.append(Self.lost) }
    }

    /// Runs the programs that follow: after-snapshot, or on-failure. To be called after
    /// ``end(_:)``, or after ``begin(addedSeconds:)`` threw. Their failures are warnings.
    package func conclude(_ outcome: HookOutcome) {
        let event: HookEvent
        switch outcome {
        case .failed: event = .onFailure
        case .succeeded where operation.kind == .snapshot: event = .afterSnapshot
        case .succeeded: return
        }
        for bound in hooks.reversed() {
            guard var program = program(bound, event) else { continue }
            let added = HookEnvironment(operation, bound).variables(of: outcome)
            program.environment.merge(added) { $1 }
            note(HookRun(program, volume: bound.volume, ProgramRunner.run(program)))
        }
    }

    /// The whole: ``begin(addedSeconds:)``, the operation, ``end(_:)``, ``conclude(_:)``.
    ///
    /// - Parameters:
    ///   - beginsItself: whether the operation calls ``begin(addedSeconds:)`` itself, and ``end(_:)`` as soon as it may.
    ///   - operation: calls ``confirm()`` where it says so.
    ///   - facts: what is known when it has succeeded.
    package func perform<Result>(
        beginsItself: Bool = false, _ operation: () throws -> Result, facts: (Result) -> HookFacts
    ) throws -> Result {
        do {
            if !beginsItself { try begin() }
            let result = try operation()
            let outcome = HookOutcome.succeeded(facts(result))
            try end(outcome)
            conclude(outcome)
            return result
        } catch {
            let problem = error as? Problem ?? Problem(.failed, "\(error)")
            try? end(.failed(problem))
            conclude(.failed(problem))
            throw error
        }
    }
}

extension HookStack {
    private func has(_ bound: BoundHook, _ event: HookEvent) -> Bool {
        bound.hook.acts(on: event)
    }

    private func program(_ bound: BoundHook, _ event: HookEvent) -> HookProgram? {
        guard has(bound, event) else { return nil }
        let milliseconds = Self.milliseconds(bound.hook.timeoutSeconds)
        var program = HookProgram(
            hook: bound.hook.name, event: event, arguments: bound.hook.programs[event] ?? [],
            environment: HookEnvironment(operation, bound).variables(for: event),
            timeoutMilliseconds: milliseconds)
        if var peer = bound.hook.posts[event] {
            peer.timeoutMilliseconds = milliseconds
            program.post = HookPost(peer: peer, secretPath: bound.hook.secretPath)
        }
        return program
    }

    /// Between a millisecond and 30 days, so that no number can overflow.
    private static func milliseconds(_ seconds: Double) -> Int {
        seconds.isNaN ? 30_000 : Int(min(max(seconds * 1000, 1), 30 * 86_400_000))
    }

    /// Without a program before the operation nothing is put at rest, so that it may go on without
    /// a watchdog.
    private func makeClient(_ windowSeconds: Double) throws(Problem) -> WatchdogClient? {
        do throws(Problem) {
            return try WatchdogClient(
                command, windowMilliseconds: Self.milliseconds(windowSeconds))
        } catch {
            if hooks.contains(where: { has($0, operation.kind.before) }) { throw error }
            warnings.append(error)
            return nil
        }
    }

    /// Why the operation cannot go on.
    private func run(_ bound: BoundHook, _ executor: StepExecutor) -> Problem? {
        guard !isInterrupted() else { return Self.interrupted }
        begun.append(bound)
        let before = program(bound, operation.kind.before)
        let result = executor.run(
            HookStep(before: before, undo: program(bound, operation.kind.undo)))
        if executor.hasLostWatchdog { return Self.lost }
        if let takeover = executor.takeover { return Self.problem(takeover) }
        guard let before, let result else { return nil }
        let run = HookRun(before, volume: bound.volume, result)
        runs.append(run)
        onRun(run)
        guard run.hasFailed else { return nil }
        if isInterrupted() { return Self.interrupted }
        // The watchdog ended it because of its own deadline.
        if result.ending == .stopped || bound.hook.isFatal { return run.problem }
        warnings.append(run.problem)
        return nil
    }

    private func undo(_ outcome: HookOutcome) {
        guard let executor else { return }
        self.executor = nil
        executor.finish(
            begun.map { HookEnvironment(operation, $0).variables(of: outcome) })
        for run in executor.undone {
            note(HookRun(run.program, volume: begun[run.step].volume, run.result))
        }
    }

    private func tell(_ run: UndoRun) {
        guard begun.indices.contains(run.step) else { return }
        onRun(HookRun(run.program, volume: begun[run.step].volume, run.result))
    }

    private func note(_ run: HookRun) {
        runs.append(run)
        if run.hasFailed { warnings.append(run.problem) }
    }
}

// MARK: - What is reached

extension HookStack {
    /// What its hooks make the snapshots of a volume consistent with, once they were undone: nil where no hook says
    /// so. Of several, all must have done what they were to.
    ///
    /// - Throws: the failure of one of them.
    package func consistency(of volume: String) throws(Problem) -> Consistency? {
        let concerned = hooks.filter {
            $0.hook.consistency != .crash && $0.volume ?? volume == volume
                && has($0, operation.kind.before)
        }
        for bound in concerned {
            let own = runs.filter { $0.hook == bound.hook.name && $0.volume == bound.volume }
            let around = own.filter {
                [.prepare, operation.kind.before, operation.kind.undo].contains($0.event)
            }
            if let failed = around.first(where: \.hasFailed) { throw failed.problem }
            guard around.contains(where: { $0.event == operation.kind.before }) else {
                throw Self.givenUp
            }
        }
        let reached = Set(concerned.map(\.hook.consistency))
        return reached.contains(.app) ? .app : reached.first
    }
}

extension HookStack {
    private static let givenUp = Problem(.failed, "the operation was given up")

    private static let interrupted = Problem(
        .interrupted, "interrupted",
        hint: "what the hooks did was undone: run \(.status) to see what goes on")

    private static let lost = Problem(
        .failed, "the watchdog of the hooks was ended in mid-operation",
        hint: "what the hooks did was undone without it; look into the journal for who ended it "
            + "(memory?), then run the command again")

    private static func problem(_ takeover: Takeover) -> Problem {
        Problem(
            .failed, "\(takeover.text), and what the hooks did was undone in mid-operation",
            hint: "look into \(.status) and the journal for what held it up, then run the "
                + "command again")
    }
}

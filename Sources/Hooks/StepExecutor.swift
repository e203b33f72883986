internal import System

/// Runs steps and undoes them: through the watchdog, and without it in this process.
///
/// It keeps its own list of what is owed, so that it can go on where the watchdog ended.
final class StepExecutor {
    private var client: WatchdogClient?
    private let isInterrupted: () -> Bool
    private let onUndone: (UndoRun) -> Void
    private var owed = OwedPrograms()
    private var stepCount = 0
    /// The ends of the programs that undid steps, in their order.
    private(set) var undone: [UndoRun] = []
    /// Why the watchdog acted by itself.
    private(set) var takeover: Takeover?
    /// The watchdog ended, or hung, before its work was done.
    private(set) var hasLostWatchdog = false

    init(
        _ client: WatchdogClient?, isInterrupted: @escaping () -> Bool,
        onUndone: @escaping (UndoRun) -> Void
    ) {
        self.client = client
        self.onUndone = onUndone
        self.isInterrupted = isInterrupted
    }

    /// Runs the step's program and owes what undoes it. Nil when there is no program, or when the
    /// watchdog is lost or acts by itself.
    func run(_ step: HookStep) -> ProgramResult? {
        let number = stepCount
        stepCount += 1
        if let undo = step.undo { owed.note(undo, step: number) }
        let result = client == nil ? runHere(step) : runThere(step)
        if result?.hasRun == false { owed.drop(step: number) }
        return result
    }

    private func runHere(_ step: HookStep) -> ProgramResult? {
        step.before.map { ProgramRunner.run($0, stop: StopCheck(isStopWanted: isInterrupted)) }
    }

    private func runThere(_ step: HookStep) -> ProgramResult? {
        client?.send(.step(step))
        let milliseconds = step.before?.longestMilliseconds ?? 0
        let reply = awaitReply(milliseconds, isInterrupted) { reply in
            if case .ran = reply { true } else { false }
        }
        guard case .ran(let result) = reply else { return nil }
        return result
    }

    /// Whether all is still as the steps left it.
    func confirm() -> Bool {
        guard client != nil else { return !hasLostWatchdog && takeover == nil }
        client?.send(.confirm)
        return awaitReply(0) { $0 == .frozen } != nil
    }

    /// Undoes the steps that were not undone yet, the last one first.
    ///
    /// - Parameter environments: what is added to the environment of each step's program.
    func finish(_ environments: [[String: String]]) {
        if client != nil {
            client?.send(.finish(environments))
            _ = awaitReply(undoMilliseconds) { _ in false }
        }
        client?.close()
        client = nil
        owed.run(environments: environments, leadsSession: true) { note($0) }
    }

    private func note(_ run: UndoRun) {
        undone.append(run)
        onUndone(run)
    }

    /// Each may be started twice.
    private var undoMilliseconds: Int { 2 * owed.totalMilliseconds }

    /// Takes note of replies until one is wanted; nil when the watchdog has done its work or is
    /// lost.
    private func awaitReply(
        _ milliseconds: Int, _ isInterrupted: () -> Bool = { false },
        until isWanted: (HookReply) -> Bool
    ) -> HookReply? {
        let deadline = Deadline(milliseconds + WatchdogClient.marginMilliseconds)
        while let client {
            guard let reply = client.receive(deadline, isInterrupted: isInterrupted) else {
                loseWatchdog()
                return nil
            }
            take(reply)
            if isWanted(reply) { return reply }
        }
        return nil
    }

    private func take(_ reply: HookReply) {
        switch reply {
        case .undid(let run):
            owed.drop(step: run.step)
            note(run)
        case .undone(let reason):
            takeover = reason
            client?.close()
            client = nil
        case .ready, .ran, .frozen: break
        }
    }

    private func loseWatchdog() {
        hasLostWatchdog = true
        client?.abandon()
        client = nil
    }
}

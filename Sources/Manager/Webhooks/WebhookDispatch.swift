internal import Catalog
internal import Settings
internal import SnapshotModel
internal import System

/// Has the daemon send events to the webhooks of the settings, as those are by then. What it does is read the log: no
/// command ever waits for it.
package final class WebhookDispatch: Sendable {
    private let context: ManagerContext
    private let operation: @Sendable () -> Operation
    private let agent: String
    private let state = Monitored(State())
    private let thread = Monitored<BackgroundThread?>(nil)

    private struct State {
        var workers: [String: Sender] = [:]
        var isStopping = false
    }

    private struct Sender {
        var worker: WebhookWorker
        var thread: BackgroundThread
    }

    private static let lookMilliseconds = 1_000
    /// The settings are looked at with the first look, and with each of so many.
    private static let looksOfSettings = 10
    /// How long what is being sent may take to end; a name that is looked up may take longer, and is left.
    private static let endMilliseconds = 2_000

    init(
        _ context: ManagerContext, agent: String, operation: @escaping @Sendable () -> Operation
    ) {
        self.context = context
        self.agent = agent
        self.operation = operation
    }

    /// - Throws: when there is no thread to be had.
    func start() throws(IOFailure) {
        let started = try BackgroundThread.startIfPossible(name: "snapmgr-webhook") { [self] in
            watch()
        }
        thread.withLock { $0 = started }
    }

    /// Ends all that goes on. What was not answered is sent again by the next daemon.
    package func stop() {
        let senders = state.change { state in
            state.isStopping = true
            return Array(state.workers.values)
        }
        for sender in senders { sender.worker.stop() }
        let deadline = Deadline(milliseconds: Self.endMilliseconds)
        let own = thread.withLock { $0 }
        for each in senders.map(\.thread) + [own].compactMap(\.self) {
            each.join(milliseconds: deadline.remainingMilliseconds)
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }

    private func watch() {
        var (looks, said) = (0, String?.none)
        while !isStopping {
            do {
                try look(takesSettings: looks % Self.looksOfSettings == 0)
                said = nil
            } catch {
                // Those that there are go on.
                let problem = Problem(error)
                if problem.message != said { context.note("webhooks: \(problem.message)") }
                said = problem.message
            }
            looks = looks.addingClamped(1)
            _ = state.wait(milliseconds: Self.lookMilliseconds) { $0.isStopping ? true : nil }
        }
    }

    /// Without webhooks, an idle daemon leaves the log alone.
    private func look(takesSettings: Bool) throws {
        guard takesSettings || state.withLock({ !$0.workers.isEmpty }) else { return }
        let newest = try context.catalog.events(limit: 1, order: .newestFirst).first?.id ?? 0
        if takesSettings { try take(operation().settings.get().webhooks, newest) }
        for sender in state.withLock({ $0.workers }).values { sender.worker.tell(newest: newest) }
    }

    /// Has the webhooks of the settings be sent to, and no others.
    private func take(_ webhooks: [String: Webhook], _ newest: Int64) throws {
        let old = state.withLock { $0.workers }
        for (name, sender) in old where webhooks[name] != sender.worker.webhook {
            sender.worker.stop()
            state.withLock { $0.workers[name] = nil }
        }
        for (name, webhook) in webhooks where old[name]?.worker.webhook != webhook {
            try begin(webhook, after: old[name]?.thread, newest)
        }
    }

    /// - Parameter predecessor: of the same name, which ends first.
    private func begin(
        _ webhook: Webhook, after predecessor: BackgroundThread?, _ newest: Int64
    ) throws {
        let worker = WebhookWorker(webhook, context, newest: newest, agent: agent)
        let thread = try BackgroundThread.startIfPossible(name: "snapmgr-webhook") {
            predecessor?.join()
            worker.run()
        }
        let isStopping = state.withLock { state in
            state.workers[webhook.name] = Sender(worker: worker, thread: thread)
            return state.isStopping
        }
        if isStopping { worker.stop() }
    }
}

internal import Catalog
internal import Posting
internal import SnapshotModel
internal import System

/// Sends the events of the log to one receiver, one after the other, in a thread of its own: a receiver that is slow or
/// gone holds up nobody but himself.
final class WebhookWorker: Sendable {
    let webhook: Webhook
    private let context: ManagerContext
    private let folder: WebhookFolder
    private let sender: PostSender
    private let signal: Monitored<Signal>
    private let memory = Monitored(Memory())

    private struct Signal {
        /// The newest event's number.
        var newest: Int64
        var isStopping = false
    }

    private struct Memory {
        /// What became of events and is not on disk yet.
        var owed: [@Sendable (inout WebhookRecord) -> Void] = []
        /// When the receiver is tried again, by the clock that never steps back.
        var pause: Deadline?
        /// How many were to be sent again when that was looked at.
        var againCount = 0
        /// What was said last of what keeps the record from being read or written.
        var said: String?
    }

    private static let countAtOnce = 100
    private static let troubleMilliseconds = 10_000
    private static let restMilliseconds = 1_000

    init(_ webhook: Webhook, _ context: ManagerContext, newest: Int64, agent: String) {
        self.webhook = webhook
        self.context = context
        folder = WebhookFolder(context.state)
        sender = PostSender(agent: agent)
        signal = Monitored(Signal(newest: newest))
    }

    /// The log has got so far, or has begun anew.
    func tell(newest: Int64) { signal.change { $0.newest = newest } }

    /// Ends what goes on. What was sent and not answered is sent again by the next one.
    func stop() {
        signal.change { $0.isStopping = true }
        sender.stop()
    }

    private var isStopping: Bool { signal.withLock { $0.isStopping } }

    /// Works until it is stopped.
    func run() {
        while !isStopping {
            do {
                try step()
                memory.withLock { $0.said = nil }
            } catch {
                say(Problem(error))
                rest(milliseconds: Self.troubleMilliseconds)
            }
        }
        // What was taken is not to be sent again.
        if memory.withLock({ !$0.owed.isEmpty }) { _ = try? record() }
    }

    private func rest(milliseconds: Int) {
        _ = signal.wait(milliseconds: milliseconds) { $0.isStopping ? true : nil }
    }

    /// Until there is more in the log than an event, or it is time to look whether something is to be sent again.
    private func rest(after event: Int64) {
        _ = signal.wait(milliseconds: Self.restMilliseconds) {
            $0.isStopping || $0.newest > event ? true : nil
        }
    }

    /// What keeps the records from being had, once.
    private func say(_ problem: Problem) {
        let isNew = memory.withLock { memory in
            defer { memory.said = problem.message }
            return memory.said != problem.message
        }
        if isNew { context.note("webhook \(webhook.name): \(problem.message)") }
    }

    // MARK: one step

    private struct Letter {
        var event: EventSummary
        var isAgain: Bool
    }

    private func step() throws {
        let record = try record()
        guard isDue(record) else { return }
        if let letter = try next(record) { return send(letter, record) }
        if memory.withLock({ $0.owed.isEmpty }) { rest(after: record.lastEvent) }
    }

    /// Whether the receiver may be tried by now; rests for a moment when not. Who has something sent again does not want
    /// to wait.
    private func isDue(_ record: WebhookRecord) -> Bool {
        let (pause, known) = memory.withLock { ($0.pause, $0.againCount) }
        memory.withLock { $0.againCount = record.again.count }
        guard let pause, !pause.hasPassed, record.again.count <= known else { return true }
        rest(milliseconds: min(pause.remainingMilliseconds, Self.restMilliseconds))
        return false
    }

    /// The record as it is now, with what is owed to it.
    private func record() throws -> WebhookRecord {
        let newest = signal.withLock { $0.newest }
        let owed = memory.withLock { $0.owed }
        let known = try folder.record(webhook.name)
        if let known, owed.isEmpty, known.lastEvent <= newest { return known }
        let record = try folder.change(webhook.name) { record in
            // A webhook begins with what comes after it was first seen.
            var changed = record ?? WebhookRecord(lastEvent: newest)
            // The log began anew: all of it is news. What was told may be older than the record.
            if changed.lastEvent > newest, try changed.lastEvent > newestNow() {
                changed.lastEvent = 0
            }
            for note in owed { note(&changed) }
            record = changed
            return changed
        }
        memory.withLock { $0.owed = [] }
        return record
    }

    private func newestNow() throws -> Int64 {
        try context.catalog.events(limit: 1, order: .newestFirst).first?.id ?? 0
    }

    /// What is to be sent next; what nobody wants is passed over.
    private func next(_ record: WebhookRecord) throws -> Letter? {
        if let id = record.again.first {
            let found = try context.catalog.events(after: id.subtractingClamped(1), limit: 1).first
            if let found, found.id == id {
                return Letter(event: EventSummary(found), isAgain: true)
            }
            owe { $0.pass(id, isAgain: true) }
            return nil
        }
        let newest = signal.withLock { $0.newest }
        guard record.lastEvent < newest else { return nil }
        // What has come since has its turn when it was told: a record is never ahead of what this one knows of the log.
        let rows = try context.catalog.events(after: record.lastEvent, limit: Self.countAtOnce)
            .filter { $0.id <= newest }
        let wanted = rows.first { webhook.wants(kind: $0.kind, volume: $0.volume) }
        if let wanted { return Letter(event: EventSummary(wanted), isAgain: false) }
        let last = rows.last?.id ?? newest
        owe { $0.pass(last, isAgain: false) }
        return nil
    }

    private func owe(_ note: @escaping @Sendable (inout WebhookRecord) -> Void) {
        memory.withLock { $0.owed.append(note) }
    }

    // MARK: sending

    private func send(_ letter: Letter, _ record: WebhookRecord) {
        let (id, isAgain) = (letter.event.id, letter.isAgain)
        var retrySeconds: Int?
        let failure: String
        do throws(Problem) {
            let answer = try WebhookPost(context).send(letter.event, to: webhook, by: sender)
            guard !answer.isSuccess else {
                let now = context.clock.now()
                owe { $0.deliver(id, isAgain: isAgain, at: now) }
                memory.withLock { $0.pause = nil }
                if record.failureCount > 0 { tell("takes events again") }
                return
            }
            failure = answer.text
            retrySeconds = answer.retrySeconds
        } catch {
            guard error.code != .interrupted else { return }
            failure = error.message
        }
        fail(letter, record, failure, retrySeconds)
    }

    private func fail(
        _ letter: Letter, _ record: WebhookRecord, _ failure: String, _ retrySeconds: Int?
    ) {
        let now = context.clock.now()
        let (id, isAgain) = (letter.event.id, letter.isAgain)
        let count = record.failureCount.addingClamped(1)
        let isGivenUp = WebhookPolicy.isGivenUp(
            loggedAt: letter.event.time, now: now, failures: count,
            giveUpSeconds: webhook.giveUpSeconds)
        owe { record in
            record.fail(failure, at: now)
            if isGivenUp { record.giveUp(id, failure, isAgain: isAgain, at: now) }
        }
        let delay = WebhookPolicy.delayMilliseconds(
            failures: min(count, isGivenUp ? WebhookPolicy.failuresToGiveUp : count),
            fraction: Double.random(in: 0...1), retrySeconds: retrySeconds)
        memory.withLock { $0.pause = Deadline(milliseconds: delay) }
        if count == 1 { tell("\(failure); it is tried again") }
        guard isGivenUp else { return }
        let advice: Advice = "\(.webhookRetry(webhook.name)) has it sent again"
        context.advise("webhook \(webhook.name): event \(id) was given up: \(failure); \(advice)")
    }

    private func tell(_ text: String) {
        context.note("webhook \(webhook.name): \(webhook.peer.address.place) \(text)")
    }
}

/// One post of an event.
struct WebhookPost {
    private let context: ManagerContext

    init(_ context: ManagerContext) { self.context = context }

    /// - Throws: what keeps it from being signed, sent or answered.
    func send(
        _ event: EventSummary, to webhook: Webhook, by sender: PostSender
    ) throws(Problem) -> PostAnswer {
        let message: PostMessage
        do {
            let secret = try PostSecret.read(webhook.secretPath)
            let state = try StateIdentity(context.state).readOrMake().state
            message = try WebhookMessage(event: event, state: state)
                .signed(by: secret, at: context.clock.now())
        } catch {
            throw Problem(error)
        }
        return try sender.post(message, to: webhook.peer)
    }
}

internal import Catalog
internal import Posting
internal import Settings
package import SnapshotModel
internal import System

/// A webhook of the settings, and how far it is.
package struct WebhookSummary: Hashable, Sendable {
    package var webhook: Webhook
    package var state: State
    package var lastEvent: Int64?
    package var lastDeliveredAt: Timestamp?
    /// How many events wait; nil while it has not begun. More than are counted are as many as are.
    package var pendingCount: Int?
    package var failureCount: Int
    package var failingSince: Timestamp?
    package var lastError: String?
    /// What was given up, oldest first.
    package var dead: [DeadLetter]
    package var droppedCount: Int

    package enum State: String, Sendable, CaseIterable {
        /// The daemon has not begun with it.
        case new
        case idle, pending, failing
    }
}

extension WebhookSummary: JSONConvertible {
    package var json: JSONValue {
        [
            "name": JSONValue(webhook.name), "place": JSONValue(webhook.peer.address.place),
            "state": JSONValue(state), "last_event_id": JSONValue(lastEvent),
            "last_delivered_at": JSONValue(lastDeliveredAt), "pending": JSONValue(pendingCount),
            "failures": JSONValue(failureCount), "failing_since": JSONValue(failingSince),
            "last_error": JSONValue(lastError), "dead": JSONValue(dead),
            "dropped": JSONValue(droppedCount),
        ]
    }
}

/// What a receiver answered to a test.
package struct WebhookTest: Hashable, Sendable {
    package var name: String
    package var place: String
    package var status: Int
    package var milliseconds: Int
}

extension WebhookTest: JSONConvertible {
    package var json: JSONValue {
        [
            "webhook": JSONValue(name), "place": JSONValue(place), "status": JSONValue(status),
            "milliseconds": JSONValue(milliseconds),
        ]
    }
}

/// The receivers of events that the settings name.
package struct WebhookService {
    let context: ManagerContext

    /// So many events that wait are counted.
    private static let countMaximum = 1_000

    /// Begins to send events, in threads of its own, until it is stopped.
    ///
    /// - Parameters:
    ///   - agent: the program, as receivers see it.
    ///   - operation: with the settings as they are whenever it is asked.
    package func begin(
        agent: String, operation: @escaping @Sendable () -> Operation
    ) throws -> WebhookDispatch {
        let dispatch = WebhookDispatch(context, agent: agent, operation: operation)
        try dispatch.start()
        return dispatch
    }

    /// - Parameter names: these alone; none for all.
    /// - Throws: `notFound`; the settings' errors; why a record cannot be read.
    package func list(_ names: [String] = []) throws -> [WebhookSummary] {
        let webhooks = try context.settings.get().webhooks
        guard !names.isEmpty else {
            return try webhooks.values.sorted { $0.name < $1.name }.map(summary)
        }
        return try names.map { try summary(webhook($0)) }
    }

    private func webhook(_ name: String) throws -> Webhook {
        let webhooks = try context.settings.get().webhooks
        guard let webhook = webhooks[name] else {
            throw Problem(
                .notFound, "there is no webhook \(name)",
                hint: Suggestion.hint(
                    for: name, among: webhooks.keys.sorted(), else: "run \(.webhookList)"))
        }
        return webhook
    }

    private func summary(_ webhook: Webhook) throws -> WebhookSummary {
        guard let record = try WebhookFolder(context.state).record(webhook.name) else {
            return WebhookSummary(
                webhook: webhook, state: .new, failureCount: 0, dead: [], droppedCount: 0)
        }
        let pending = try pendingCount(webhook, record)
        let isFailing = record.failureCount > 0
        return WebhookSummary(
            webhook: webhook, state: isFailing ? .failing : pending > 0 ? .pending : .idle,
            lastEvent: record.lastEvent, lastDeliveredAt: record.lastDeliveredAt,
            pendingCount: pending, failureCount: record.failureCount,
            failingSince: record.failingSince, lastError: record.lastError, dead: record.dead,
            droppedCount: record.droppedCount)
    }

    private func pendingCount(_ webhook: Webhook, _ record: WebhookRecord) throws -> Int {
        let rows = try context.catalog.events(after: record.lastEvent, limit: Self.countMaximum)
        let count = rows.count { webhook.wants(kind: $0.kind, volume: $0.volume) }
        return min(count.addingClamped(record.again.count), Self.countMaximum)
    }

    /// Has what was given up sent again, by the daemon.
    ///
    /// - Parameter events: these alone; none for all.
    /// - Returns: the events' numbers.
    /// - Throws: `notFound` for a webhook or an event that is not there.
    package func retry(_ name: String, _ events: [Int64], isDryRun: Bool) throws -> [Int64] {
        let webhook = try webhook(name)
        let folder = WebhookFolder(context.state)
        let known = Set(try folder.record(webhook.name)?.dead.map(\.event) ?? [])
        if let unknown = events.first(where: { !known.contains($0) }) {
            throw Problem(
                .notFound, "webhook \(name) has not given up event \(unknown)",
                hint: "run \(.webhookList)")
        }
        let chosen = events.isEmpty ? nil : Set(events)
        guard !isDryRun, !known.isEmpty else {
            return known.filter { chosen?.contains($0) ?? true }.sorted()
        }
        return try folder.change(webhook.name) { $0?.retry(chosen) ?? [] }
    }

    /// Posts an event that tells of nothing, at once.
    ///
    /// - Parameter agent: the program, as the receiver sees it.
    /// - Throws: what keeps it from being signed, sent or answered; `failed` when it is not taken.
    package func test(_ name: String, agent: String) throws -> WebhookTest {
        let webhook = try webhook(name)
        let place = webhook.peer.address.place
        let event = EventSummary(
            id: 0, time: context.clock.now(), level: "info", kind: "webhook_test",
            message: "\(context.requester) tries the webhook \(name)")
        let start = context.clock.monotonicNanoseconds()
        let sender = PostSender(agent: agent)
        context.end.onRequest { sender.stop() }
        let answer: PostAnswer
        do throws(Problem) {
            answer = try WebhookPost(context).send(event, to: webhook, by: sender)
        } catch {
            throw error.about("webhook \(name)")
        }
        guard answer.isSuccess else {
            throw Problem(
                .failed, "webhook \(name): \(place) \(answer.text)",
                hint: "look into the receiver's log")
        }
        let spent = context.clock.monotonicNanoseconds().subtractingClamped(start)
        return WebhookTest(
            name: name, place: place, status: answer.status, milliseconds: Int(spent / 1_000_000))
    }
}

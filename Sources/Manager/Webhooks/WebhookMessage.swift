internal import Posting
internal import SnapshotModel

/// An event as a receiver gets it.
struct WebhookMessage {
    let event: EventSummary
    /// The UUID of the state folder, of which the event's number is.
    let state: String

    /// The same whenever the event is sent, and no other event's, also of a log that begins anew.
    var id: String { "\(state).\(event.time.secondsSinceEpoch).\(event.id)" }

    /// - Throws: `failed` when there is no memory for a sum.
    func signed(by secret: [UInt8], at now: Timestamp) throws(Problem) -> PostMessage {
        let body = Array(event.json.description.utf8)
        let fields = try PostSignature.fields(id: id, of: body, by: secret, at: now)
        return PostMessage(body, fields + [("X-Snapmgr-Event", event.kind)])
    }
}

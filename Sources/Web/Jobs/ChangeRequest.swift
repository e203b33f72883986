internal import Manager
internal import SnapshotModel
internal import System

/// A request that changes something: begun as a job, and answered when that has ended or takes long.
struct ChangeRequest {
    private let exchange: HTTPExchange
    private let jobs: WebJobs

    private static let standardWait = 2
    private static let longestWait = 30

    init(_ exchange: HTTPExchange, _ jobs: WebJobs) {
        self.exchange = exchange
        self.jobs = jobs
    }

    func answer(_ call: WebCall, _ fields: [WebField], _ prepare: WebRoute.Prepare) throws {
        try exchange.requireJSON()
        let change = try prepare(call, try WebBody(exchange.body, fields))
        let seconds = try wait()
        let id = try jobs.start(change, for: call.operation.requester, key: try key(call))
        let job = try jobs.wait(for: id, milliseconds: seconds.multipliedClamped(by: 1_000))
        guard let outcome = job.outcome else {
            var reply = WebReply(202, "{\"job\":\(job.text)}\n", WebAnswer.jsonType)
            reply.fields.append(("Location", "/api/v1/jobs/\(id)"))
            return try exchange.send(reply)
        }
        try exchange.send(WebReply(outcome.status, outcome.document, WebAnswer.jsonType))
    }

    private func key(_ call: WebCall) throws -> JobKey? {
        guard let word = exchange.request.fields["idempotency-key"] else { return nil }
        let text = "\(exchange.request.method) \(exchange.request.target)\n"
        let bytes = Array(text.utf8) + exchange.body
        guard let sum = bytes.span.bytes.sha256 else {
            throw Problem(.failed, "the sum of a request cannot be made")
        }
        return try JobKey(
            word, user: call.operation.requester.userID, token: call.client.token?.id,
            request: sum.map { UInt32($0).padded(to: 2, radix: 16) }.joined())
    }

    /// RFC 7240's `wait`, in seconds.
    private func wait() throws(WebFailure) -> Int {
        guard let text = exchange.request.fields["prefer"] else { return Self.standardWait }
        let waits = text.split(separator: ",").map { $0.filter { $0 != " " } }
            .filter { $0.hasPrefix("wait=") }
        guard let wait = waits.first else { return Self.standardWait }
        guard let seconds = Int(wait.dropFirst(5)), (0...Self.longestWait).contains(seconds) else {
            throw .badRequest("Prefer: wait is from 0 to \(Self.longestWait) seconds")
        }
        return seconds
    }
}

/// One follower's events, from where he wants them.
struct EventStream {
    private let feed: EventFeed
    private let isOfNetwork: Bool
    private let isStillAllowed: @Sendable () -> Bool
    /// After which event; nil for what is new.
    private let after: Int64?

    /// Without events, so often is said that the service is there, in milliseconds.
    private static let pauseMilliseconds = 15_000

    /// The field `Last-Event-ID` of a follower who comes back goes before the query's `after`.
    init(_ call: WebCall, _ request: HTTPRequest, _ feed: EventFeed) throws(WebFailure) {
        self.feed = feed
        isOfNetwork = call.client.access != .socket
        isStillAllowed = call.isStillAllowed
        guard let lastSeen = request.fields["last-event-id"], !lastSeen.isEmpty else {
            after = call.query.number("after").map { Int64($0) }
            return
        }
        guard let id = Int64(lastSeen), id >= 0 else {
            throw .badRequest("Last-Event-ID is the number of an event")
        }
        after = id
    }

    /// Returns when the service ends, or the client may follow no more.
    func send(_ exchange: HTTPExchange) throws {
        let newest = try feed.begin(isOfNetwork: isOfNetwork)
        defer { feed.end() }
        var last = after ?? newest
        // A number that the log does not have yet is another log's; the feed is a moment behind the log.
        if last > newest, try last > feed.newestInLog() { last = 0 }
        try exchange.begin(WebReply.fields("text/event-stream"))
        guard !exchange.request.isHead else { return }
        try exchange.write(Array("retry: 1000\n\n".utf8))
        while !feed.isOver {
            let frames = try feed.next(after: last, milliseconds: Self.pauseMilliseconds)
            guard isStillAllowed() else { break }
            guard let newest = frames.last else {
                try exchange.write(Array(":\n\n".utf8))
                continue
            }
            try exchange.write(frames.flatMap(\.bytes))
            last = newest.id
        }
        try exchange.finish()
    }
}

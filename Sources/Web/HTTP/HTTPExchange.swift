internal import SnapshotModel
internal import System

/// A request and the way of its answer. Used by one thread.
final class HTTPExchange {
    let request: HTTPRequest
    let body: [UInt8]
    private let socket: any ByteStream
    /// Whether a part of the answer has gone.
    private(set) var hasBegun = false
    private var isChunked = false
    /// Whether another request may follow.
    private(set) var isPersistent: Bool

    init(_ request: HTTPRequest, body: [UInt8], _ socket: any ByteStream) {
        self.request = request
        self.body = body
        self.socket = socket
        isPersistent = request.isPersistent
    }

    /// Sends an answer whose length is known.
    func send(_ reply: WebReply) throws(IOFailure) {
        hasBegun = true
        let head = Self.head(
            reply.status, reply.fields + Self.length(of: reply),
            isPersistent: isPersistent)
        try put(request.isHead ? head : head + reply.bytes)
    }

    /// What says that nothing has changed has no length of its own.
    private static func length(of reply: WebReply) -> [(String, String)] {
        reply.status == 304 ? [] : [("Content-Length", "\(reply.bytes.count)")]
    }

    /// Begins an answer that is sent in parts.
    func begin(_ fields: [(String, String)]) throws(IOFailure) {
        hasBegun = true
        isChunked = request.takesChunks
        if !isChunked { isPersistent = false }
        let framing = isChunked ? [("Transfer-Encoding", "chunked")] : []
        try put(Self.head(200, fields + framing, isPersistent: isPersistent))
    }

    /// Sends a part. Waits for the client to take it.
    func write(_ bytes: [UInt8]) throws(IOFailure) {
        guard !bytes.isEmpty, !request.isHead else { return }
        guard isChunked else { return try put(bytes) }
        try put(Array("\(String(bytes.count, radix: 16))\r\n".utf8) + bytes + Array("\r\n".utf8))
    }

    func finish() throws(IOFailure) {
        if isChunked, !request.isHead { try put(Array("0\r\n\r\n".utf8)) }
    }

    private func put(_ bytes: [UInt8]) throws(IOFailure) { try Self.put(bytes, on: socket) }

    static func put(_ bytes: [UInt8], on socket: any ByteStream) throws(IOFailure) {
        try socket.send(bytes.span.bytes)
    }

    static func head(
        _ status: Int, _ fields: [(String, String)], isPersistent: Bool
    ) -> [UInt8] {
        var text =
            "HTTP/1.1 \(status) \(reasons[status] ?? "Status")\r\nDate: \(date(SystemClock().now()))\r\n"
        for (name, value) in fields { text += "\(name): \(value)\r\n" }
        if !isPersistent { text += "Connection: close\r\n" }
        return Array((text + "\r\n").utf8)
    }

    static let goOn = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// `Mon, 30 Nov 2026 17:36:56 GMT`: RFC 9110, section 5.6.7.
    static func date(_ moment: Timestamp) -> String {
        let parts = moment.description.prefix(19).split { "-T:".contains($0) }
        let month = Int(parts[1]) ?? 1
        let day = moment.nanosecondsSinceEpoch.floorDivided(by: 86_400_000_000_000)
        // The first day of 1970 was a Thursday.
        let weekday = Int(day.addingClamped(4).floorRemainder(by: 7))
        let date = "\(parts[2]) \(months[month.subtractingClamped(1)]) \(parts[0])"
        return "\(weekdays[weekday]), \(date) \(parts[3...5].joined(separator: ":")) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static let reasons: [Int: String] = [
        200: "OK", 202: "Accepted", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 411: "Length Required",
        413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
        421: "Misdirected Request", 423: "Locked", 429: "Too Many Requests",
        431: "Request Header Fields Too Large",
        500: "Internal Server Error", 503: "Service Unavailable",
        505: "HTTP Version Not Supported", 507: "Insufficient Storage",
    ]
}

extension HTTPExchange {
    /// A page of another site cannot send this type unasked.
    func requireJSON() throws(WebFailure) {
        guard !body.isEmpty else { return }
        let type = request.fields["content-type"]?.split(separator: ";").first
        guard type?.lowercased() == WebAnswer.jsonType else {
            throw .refusal(415, "usage", "the body's Content-Type is not \(WebAnswer.jsonType)")
        }
    }
}

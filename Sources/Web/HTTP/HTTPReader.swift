internal import SnapshotModel
internal import System

/// Takes requests from a connection, none of their parts larger or later than it may be. Used by one thread.
struct HTTPReader: ~Copyable {
    private let socket: any ByteStream
    private let limits: WebLimits
    /// What came and was not taken yet.
    private var buffer: [UInt8] = []
    /// Before this place no head ends: who sends it byte by byte has it looked through once.
    private var looked = 0

    private static let pieceBytes = 16 << 10
    private static let end: [UInt8] = Array("\r\n\r\n".utf8)

    init(_ socket: any ByteStream, _ limits: WebLimits) {
        self.socket = socket
        self.limits = limits
    }

    /// Why there is no further request.
    enum Absence: Error {
        /// The client has gone, or says nothing.
        case silence
        case failure(WebFailure)
    }

    /// The next request's head.
    mutating func head() throws(Absence) -> HTTPRequest {
        let deadline = Deadline(milliseconds: limits.idleMilliseconds)
        while buffer.starts(with: [0x0d, 0x0a]) { buffer.removeFirst(2) }
        while true {
            if let found = headEnd() {
                let head = buffer[..<found]
                defer {
                    buffer.removeFirst(found.addingClamped(Self.end.count))
                    looked = 0
                }
                do throws(WebFailure) { return try HTTPRequest(head) } catch {
                    throw .failure(error)
                }
            }
            guard buffer.count <= limits.headBytes else { throw .failure(HTTPRequest.tooLarge) }
            try receive(by: deadline)
        }
    }

    private mutating func headEnd() -> Int? {
        let end = min(buffer.count, limits.headBytes).subtractingClamped(Self.end.count)
        guard end >= looked else { return nil }
        defer { looked = end.addingClamped(1) }
        return (looked...end).first { buffer[$0...].starts(with: Self.end) }
    }

    /// The body that belongs to a head.
    ///
    /// - Parameter onWait: called when the client waits for a word before it sends it.
    mutating func body(
        of request: HTTPRequest, _ onWait: () -> Void
    ) throws(Absence) -> [UInt8] {
        let count: Int
        do throws(WebFailure) { count = try request.bodyBytes(limit: limits.bodyBytes) } catch {
            throw .failure(error)
        }
        let deadline = Deadline(milliseconds: limits.requestMilliseconds)
        if request.awaitsContinue, buffer.count < count { onWait() }
        while buffer.count < count { try receive(by: deadline) }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    private mutating func receive(by deadline: Deadline) throws(Absence) {
        let left = deadline.remainingMilliseconds
        guard left > 0 else { throw .silence }
        socket.limitReceive(milliseconds: left)
        var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
        let count: Int
        do throws(IOFailure) {
            var elements = piece.mutableSpan
            var space = elements.mutableBytes
            count = try socket.receive(into: &space)
        } catch {
            throw .silence
        }
        guard count > 0 else { throw .silence }
        buffer += piece[..<count]
    }
}

/// What a client may take of the service. Times are in milliseconds.
struct WebLimits: Sendable {
    /// Connections at once: on the Unix socket; over the network, of those who have shown nothing, of them from one
    /// address, and of those who have shown a token.
    var connections = 512
    var networkConnections = 128
    var connectionsPerAddress = 64
    var knownConnections = 256
    /// For a client of the network to agree on keys.
    var handshakeMilliseconds = 10_000
    /// As ``idleMilliseconds``, of a client of the network, whom anybody may be.
    var networkIdleMilliseconds = 20_000
    /// From a connection's beginning, or the answer before, to a request's whole head.
    var idleMilliseconds = 60_000
    /// From a request's head to its end.
    var requestMilliseconds = 20_000
    /// While nothing of what is written goes.
    var writeMilliseconds = 30_000
    /// For a look.
    var lookMilliseconds = 60_000
    /// Looks at once, and how long others wait for their turn.
    var looks = 16
    var turnMilliseconds = 10_000
    /// Downloads at once, which have no end of their own: looks do not wait for them.
    var downloads = 8
    /// The same over the network, whose clients hold up nobody who comes by the socket.
    var networkLooks = 12
    var networkDownloads = 6
    /// Of a request's body.
    var bodyBytes = 64 << 10
    /// Of a request's path with its query.
    var targetBytes = 8 << 10
    /// Of a request's head.
    var headBytes = 32 << 10
}

internal import System
internal import Glibc
package import SnapshotModel
package import VolumeAccess

/// A session with a volume that another process serves, over that process's control socket. It
/// waits for that process only for so long.
package final class RemoteSession: VolumeSession {
    private let socket: LocalSocket
    private let storePath: String
    private let patience: ServerPatience
    private var reader: LineReader
    /// Whether the server can give signs of life; one of an older version cannot.
    private var hasBeats = false

    private init(socket: LocalSocket, storePath: String, patience: ServerPatience) {
        self.socket = socket
        self.storePath = storePath
        self.patience = patience
        reader = LineReader(socket, limitBytes: ControlLimits.answerBytes)
    }

    /// Connects to the server of a store; nil when there is none, or one that is just ending.
    /// `.refused` when the server is neither root's nor this user's.
    package static func connect(
        storePath: String, patience: ServerPatience = ServerPatience()
    ) throws(Problem) -> RemoteSession? {
        let socket: LocalSocket
        do throws(IOFailure) {
            socket = try LocalSocket.connect(
                folder: storePath, name: ControlServer.socketName,
                milliseconds: patience.greeting)
        } catch {
            if error.code == ENOENT || error.code == ECONNREFUSED { return nil }
            throw connectProblem(error)
        }
        let session = RemoteSession(socket: socket, storePath: storePath, patience: patience)
        try session.checkUser()
        return try session.isGreeted() ? session : nil
    }

    /// Whoever can write to the store's folder can listen there: what a stranger's process answers
    /// is not believed.
    private func checkUser() throws(Problem) {
        let user = try doing { () throws(IOFailure) in try socket.peerUser() }
        guard Self.isTrusted(server: user, by: LocalSocket.ownUser) else {
            throw Problem(
                .refused,
                "the server of \(storePath) is a process of user \(user), neither root's nor yours",
                hint: "end it if it should not be there\(kill("")); else run the command as user "
                    + "\(user)")
        }
    }

    /// Whether a client trusts a server: root's, and one of the same user.
    package static func isTrusted(server: UInt32, by client: UInt32) -> Bool {
        server == client || server == 0
    }

    /// The server speaks first: a client that reads the greeting knows that its requests will be
    /// read, and not lost in a server that is ending. The problem when it does not want us.
    private func isGreeted() throws(Problem) -> Bool {
        let limit = LineReader.Limit(
            silence: patience.greeting, deadline: Deadline(milliseconds: 2 * patience.greeting))
        guard let line = try receive(within: limit) else { return false }
        let greeting = try ControlWire.decodeGreeting(line)
        if case .problem(let problem) = greeting.message { throw problem }
        hasBeats = greeting.hasBeats
        return true
    }

    package var mergesByItself: Bool { true }

    package var warnings: [Advice] { [] }

    package func perform(
        _ request: VolumeRequest, for client: any RequestClient
    ) throws(Problem) -> VolumeReply {
        try requireWaiting(client)
        let line = try ControlWire.encode(request, wantsBeats: hasBeats)
        var limit = self.limit(of: request)
        // A server that turns the request away while it is still being sent has left its reason.
        socket.limitSend(milliseconds: limit.silence)
        try? socket.send(line.span.bytes)
        while let line = try receive(within: limit) {
            switch try ControlWire.decodeMessage(line) {
            case .working: try requireWaiting(client)
            case .progress(let progress):
                limit.deadline = self.limit(of: request).deadline
                client.report(progress)
                try requireWaiting(client)
            case .reply(let reply): return reply
            case .problem(let problem): throw problem
            }
        }
        throw Problem(
            .interrupted, "the server of \(storePath) ended the connection before it answered",
            hint: "see what was done: \(.status)")
    }

    /// Whoever asked for it may have gone. What is under way ends with the connection.
    private func requireWaiting(_ client: any RequestClient) throws(Problem) {
        guard client.isGone else { return }
        socket.shutDown()
        throw Problem(.interrupted, "the client went away")
    }

    private func limit(of request: VolumeRequest) -> LineReader.Limit {
        LineReader.Limit(
            silence: hasBeats ? patience.silence : patience.silenceOfOlder,
            deadline: Deadline(
                milliseconds: request.onlyLooks ? patience.look : patience.change))
    }

    /// The next message; nil at the connection's end.
    private func receive(within limit: LineReader.Limit) throws(Problem) -> [UInt8]? {
        do throws(LineReader.Failure) {
            return try reader.next(within: limit)
        } catch {
            switch error {
            case .socket(let failure) where failure.code == ECONNRESET: return nil
            case .socket(let failure):
                // What the server may still answer would be taken for that to the next request.
                socket.shutDown()
                switch failure.code {
                case EAGAIN:
                    throw silenceProblem(
                        "does not answer: nothing came from it for \(limit.silence / 1000) s")
                case ETIMEDOUT:
                    throw silenceProblem("has not done in time what it was asked for")
                default: throw Problem(failure)
                }
            case .tooLong:
                throw Problem(.failed, "the server of \(storePath) sent an answer without an end")
            }
        }
    }

    // MARK: a server that does not answer

    private func silenceProblem(_ cause: String) -> Problem {
        let process = socket.peerProcess.map { ", process \($0)," } ?? ""
        return Problem(
            .failed, "the server of \(storePath)\(process) \(cause)",
            hint: "let it go on if it is stopped\(kill("-CONT ")), look at its disk, or end it"
                + "\(kill("")); the volume itself is safe")
    }

    private func kill(_ option: String) -> String {
        socket.peerProcess.map { ": `kill \(option)\($0)`" } ?? ""
    }

    private static func connectProblem(_ failure: IOFailure) -> Problem {
        guard !failure.isReadOnly else {
            return Problem(
                .failed, failure.description,
                hint: "run the command as the user who serves the volume, or as root")
        }
        return Problem(
            .failed, "the volume's server does not answer: \(failure.description)",
            hint: "see what the server is doing; stop it and try again if it hangs")
    }

    /// Returns when the server has let go of what the session had, so that the next command finds it
    /// free; but it is waited for a moment only.
    package func close() {
        socket.endSending()
        let limit = LineReader.Limit(
            silence: patience.farewell, deadline: Deadline(milliseconds: patience.farewell))
        while (try? receive(within: limit)) != nil {}
        socket.shutDown()
    }
}

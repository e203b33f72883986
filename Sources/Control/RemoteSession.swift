internal import BlockIO
internal import Glibc
package import SnapshotModel

/// A session with a volume that another process serves, over that process's control socket.
package final class RemoteSession: VolumeSession {
    private let socket: LocalSocket
    private let storePath: String
    private var reader: LineReader

    private init(socket: LocalSocket, storePath: String) {
        self.socket = socket
        self.storePath = storePath
        reader = LineReader(socket, limitBytes: ControlLimits.answerBytes)
    }

    /// Connects to the server of a store; nil when there is none, or one that is just ending.
    package static func connect(storePath: String) throws(Problem) -> RemoteSession? {
        let socket: LocalSocket
        do throws(IOFailure) {
            socket = try LocalSocket.connect(
                folder: storePath, name: ControlServer.socketName,
                milliseconds: ControlLimits.greetingMilliseconds)
        } catch {
            if error.code == ENOENT || error.code == ECONNREFUSED { return nil }
            throw silenceProblem(error)
        }
        let session = RemoteSession(socket: socket, storePath: storePath)
        return try session.isGreeted() ? session : nil
    }

    /// The server speaks first: a client that reads the greeting knows that its requests will be
    /// read, and not lost in a server that is ending. The problem when it does not want us.
    private func isGreeted() throws(Problem) -> Bool {
        socket.limitReceive(milliseconds: ControlLimits.greetingMilliseconds)
        defer { socket.limitReceive(milliseconds: 0) }
        guard let message = try receive() else { return false }
        if case .problem(let problem) = message { throw problem }
        return true
    }

    package var isServed: Bool { true }

    package var warnings: [String] { [] }

    package func perform(
        _ request: ControlRequest, onProgress: (TransferProgress) -> Void
    ) throws(Problem) -> ControlReply {
        let line = try ControlWire.encode(request)
        // A server that turns the request away while it is still being sent has left its reason.
        try? socket.send(line.span.bytes)
        while let message = try receive() {
            switch message {
            case .progress(let progress): onProgress(progress)
            case .reply(let reply): return reply
            case .problem(let problem): throw problem
            }
        }
        throw Problem(
            .interrupted, "the server of \(storePath) ended the connection before it answered",
            hint: "see what was done: snapmgr status")
    }

    /// The next message; nil at the connection's end.
    private func receive() throws(Problem) -> ControlMessage? {
        let line: [UInt8]?
        do throws(LineReader.Failure) {
            line = try reader.next()
        } catch {
            switch error {
            case .socket(let failure) where failure.code == ECONNRESET: return nil
            case .socket(let failure): throw Self.silenceProblem(failure)
            case .tooLong:
                throw Problem(.failed, "the server of \(storePath) sent an answer without an end")
            }
        }
        guard let line else { return nil }
        return try ControlWire.decodeMessage(line)
    }

    private static func silenceProblem(_ failure: IOFailure) -> Problem {
        guard !failure.isReadOnly else {
            return Problem(
                .failed, failure.description,
                hint: "run the command as the user who serves the volume, or as root")
        }
        return Problem(
            .failed, "the volume's server does not answer: \(failure.description)",
            hint: "see what the server is doing; stop it and try again if it hangs")
    }

    package func close() { socket.shutDown() }
}

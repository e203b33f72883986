internal import Glibc
package import SnapshotModel
internal import System
internal import TLS

/// Posts one message at a time. Any thread may end what goes on.
package final class PostSender: Sendable {
    private let agent: String
    private let state = Monitored(State())

    private struct State {
        /// What goes on; nil when nothing does.
        var stream: (any ByteStream)?
        var isStopped = false
    }

    /// - Parameter agent: the program, as `User-Agent` has it.
    package init(agent: String) { self.agent = agent }

    /// Posts it, and waits for what is answered, as long as the peer's timeout says. Looking its name up takes of that
    /// time, and cannot be ended: the system's resolver may take longer.
    ///
    /// - Throws: `failed`, with whatever keeps it from being answered; `missing`, `refused` of the peer's authorities;
    ///   `interrupted` when it was stopped.
    package func post(_ message: PostMessage, to peer: PostPeer) throws(Problem) -> PostAnswer {
        let deadline = Deadline(milliseconds: peer.timeoutMilliseconds)
        do throws(Problem) {
            let stream = try connect(to: peer, until: deadline)
            defer {
                stream.shutDown()
                state.withLock { $0.stream = nil }
            }
            return try Self.exchange(
                message.bytes(to: peer.address, agent: agent), on: stream, until: deadline)
        } catch {
            guard !state.withLock({ $0.isStopped }) else { throw Self.stopped }
            throw error
        }
    }

    /// - Throws: what is wrong with the authorities that a peer's certificate must lead up to.
    package static func requireAuthorities(of peer: PostPeer) throws(Problem) {
        guard let path = peer.authorityPath else { return }
        _ = try TLSTrust(authorities: path)
    }

    /// Ends what goes on, and all that would follow.
    package func stop() {
        let stream = state.withLock { state in
            state.isStopped = true
            return state.stream
        }
        stream?.shutDown()
    }

    private static let stopped = Problem(.interrupted, "interrupted")

    private func connect(
        to peer: PostPeer, until deadline: Deadline
    ) throws(Problem) -> any ByteStream {
        let address = peer.address
        let trust = try address.isEncrypted ? TLSTrust(authorities: peer.authorityPath) : nil
        let needsLoopback = !address.isEncrypted && !peer.isPlainAllowed
        let socket = try NetworkSocket.connect(
            to: address.host, port: address.port, until: deadline,
            accepts: { !needsLoopback || $0.isLoopback })
        try note(socket)
        guard let trust else { return socket }
        let stream = try TLSSocket(
            socket, server: address.host, trust,
            milliseconds: max(1, deadline.remainingMilliseconds))
        try note(stream)
        return stream
    }

    private func note(_ stream: any ByteStream) throws(Problem) {
        let isStopped = state.withLock { state in
            state.stream = stream
            return state.isStopped
        }
        guard !isStopped else { throw Self.stopped }
    }

    private static func exchange(
        _ bytes: [UInt8], on stream: any ByteStream, until deadline: Deadline
    ) throws(Problem) -> PostAnswer {
        do {
            stream.limitSend(milliseconds: max(1, deadline.remainingMilliseconds))
            try stream.send(bytes.span.bytes)
            var (reader, buffer) = (PostAnswerReader(), [UInt8](repeating: 0, count: 4 << 10))
            while true {
                let left = deadline.remainingMilliseconds
                guard left > 0 else { throw Problem(.failed, "it has not answered in time") }
                stream.limitReceive(milliseconds: left)
                var elements = buffer.mutableSpan
                var space = elements.mutableBytes
                let count = try stream.receive(into: &space)
                guard count > 0 else {
                    throw Problem(.failed, "it closed the connection without an answer")
                }
                if let answer = try reader.take(buffer[..<count]) { return answer }
            }
        } catch let failure as IOFailure where failure.isTimeout {
            throw Problem(.failed, "it has not answered in time")
        } catch let failure as PostAnswerReader.Failure {
            throw Problem(
                .failed,
                failure == .noHTTP ? "what it answers is no HTTP" : "its answer has no end")
        } catch {
            throw error as? Problem ?? Problem(.failed, "\(error)")
        }
    }
}

extension IOFailure {
    /// Nothing came, or went, within the limit.
    fileprivate var isTimeout: Bool { code == EAGAIN }
}

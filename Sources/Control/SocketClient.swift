internal import BlockIO
internal import SnapshotModel

/// The client at the other end of a control connection, as a request sees it.
final class SocketClient: RequestClient {
    private let socket: LocalSocket
    private var nextReport = Deadline(milliseconds: 0)
    private var hasFailed = false

    init(_ socket: LocalSocket) { self.socket = socket }

    var isGone: Bool { hasFailed || socket.isPeerGone }

    func report(_ progress: TransferProgress) {
        guard nextReport.hasPassed else { return }
        nextReport = Deadline(milliseconds: ControlLimits.progressMilliseconds)
        _ = send(.progress(progress))
    }

    /// Sends a message; false when the client has gone or does not read.
    func send(_ message: ControlMessage) -> Bool {
        guard !hasFailed else { return false }
        do {
            let line = try ControlWire.encode(message)
            try socket.send(line.span.bytes)
        } catch {
            hasFailed = true
        }
        return !hasFailed
    }
}

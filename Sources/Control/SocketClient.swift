internal import System
internal import SnapshotModel
internal import VolumeAccess

/// The client at the other end of a control connection, as a request sees it. Two threads send: the
/// one that answers, and the one that gives signs of life meanwhile.
final class SocketClient: RequestClient, Sendable {
    private let socket: LocalSocket
    private let wording: Wording
    private let state = Monitored(State())

    private struct State {
        var nextReport = Deadline(milliseconds: 0)
        var hasFailed = false
        var isSending = false
        var wantsBeats = false
    }

    init(_ socket: LocalSocket, wording: Wording) {
        self.socket = socket
        self.wording = wording
    }

    var isGone: Bool { state.withLock(\.hasFailed) || socket.isPeerGone }

    func report(_ progress: TransferProgress) {
        let isDue = state.withLock { state in
            guard state.nextReport.hasPassed else { return false }
            state.nextReport = Deadline(milliseconds: ControlLimits.progressMilliseconds)
            return true
        }
        if isDue { _ = send(.progress(progress)) }
    }

    /// Sends a message; false when the client has gone or does not read.
    func send(_ message: ControlMessage) -> Bool {
        guard let line = try? ControlWire.encode(message, wording: wording) else {
            state.withLock { $0.hasFailed = true }
            return false
        }
        return send(line)
    }

    /// Sends a line, without the lock: it may have to wait for the client.
    func send(_ line: [UInt8]) -> Bool {
        let mayBegin: Bool? = state.wait { state in
            guard !state.isSending else { return nil }
            guard !state.hasFailed else { return false }
            state.isSending = true
            return true
        }
        guard mayBegin == true else { return false }
        let isSent = (try? socket.send(line.span.bytes)) != nil
        state.change { state in
            state.isSending = false
            if !isSent { state.hasFailed = true }
        }
        return isSent
    }

    // MARK: signs of life

    /// From now on, until it is told otherwise, the client gets them.
    func beat(_ isWanted: Bool) { state.withLock { $0.wantsBeats = isWanted } }

    /// Never waits: a client that has something to read needs no sign.
    func beatNow(_ line: [UInt8]) {
        state.withLock { state in
            guard state.wantsBeats, !state.isSending, !state.hasFailed else { return }
            if !socket.sendAtOnce(line.span.bytes) { state.hasFailed = true }
        }
    }
}

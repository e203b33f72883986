internal import SnapshotModel
internal import System

/// Takes connections on a socket; each has a thread of its own, so that nobody waits for a slow client or a slow disk but
/// who asked for it.
final class WebServer: Sendable {
    private let listener: LocalListener
    private let responder: WebResponder
    private let group: WebAddress.Group?
    private let state = Monitored(State(), .list)

    private struct State {
        var connections: [Int64: WebConnection] = [:]
        var lastNumber: Int64 = 0
        var isStopping = false
    }

    /// Before connections are taken again when the process has no descriptors left.
    private static let exhaustedMilliseconds = 100

    init(_ listener: LocalListener, _ responder: WebResponder, _ group: WebAddress.Group?) {
        self.listener = listener
        self.responder = responder
        self.group = group
    }

    func start() throws(IOFailure) {
        _ = try BackgroundThread.startIfPossible(name: "snapmgr-http") { [self] in acceptAll() }
    }

    private func acceptAll() {
        while true {
            do throws(IOFailure) {
                guard let socket = try listener.accept() else { return }
                try admit(socket)
            } catch {
                BackgroundThread.sleep(milliseconds: Self.exhaustedMilliseconds)
            }
        }
    }

    private func admit(_ socket: LocalSocket) throws(IOFailure) {
        let connection = WebConnection(
            socket, user: try socket.peerUser(), group: group, responder)
        let number = state.withLock { state -> Int64? in
            guard !state.isStopping,
                state.connections.count < responder.limits.connections
            else { return nil }
            state.lastNumber = state.lastNumber.addingClamped(1)
            state.connections[state.lastNumber] = connection
            return state.lastNumber
        }
        guard let number else { return }
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-client") { [self] in
                connection.run()
                forget(number)
            }
        } catch {
            forget(number)
            throw error
        }
    }

    private func forget(_ number: Int64) { state.change { $0.connections[number] = nil } }

    /// Takes no more connections, ends what goes on, and returns when all have gone, or after so many milliseconds.
    func stop(milliseconds: Int) {
        listener.stop()
        let connections = state.change { state in
            state.isStopping = true
            return Array(state.connections.values)
        }
        for connection in connections { connection.end() }
        _ = state.wait(milliseconds: milliseconds) { $0.connections.isEmpty ? true : nil }
    }
}

internal import SnapshotModel
internal import System

/// Takes connections; each has a thread of its own, so that nobody waits for a slow client or a slow disk but who asked for
/// it.
final class WebServer: Sendable {
    private let doors: [any WebDoor]
    private let responder: WebResponder
    private let state = Monitored(State(), .list)

    private struct State {
        var connections: [Int64: WebConnection] = [:]
        var lastNumber: Int64 = 0
        var isStopping = false
    }

    /// Before connections are taken again when the process has no descriptors left.
    private static let exhaustedMilliseconds = 100

    init(_ doors: [any WebDoor], _ responder: WebResponder) {
        self.doors = doors
        self.responder = responder
    }

    func start() throws(IOFailure) {
        for door in doors {
            do throws(IOFailure) {
                _ = try BackgroundThread.startIfPossible(name: "snapmgr-http") { [self] in
                    acceptAll(door)
                }
            } catch {
                stop(milliseconds: 0)
                throw error
            }
        }
    }

    private func acceptAll(_ door: any WebDoor) {
        while true {
            do throws(IOFailure) {
                guard let visitor = try door.accept() else { return }
                try admit(visitor)
            } catch {
                BackgroundThread.sleep(milliseconds: Self.exhaustedMilliseconds)
            }
        }
    }

    private func admit(_ visitor: WebVisitor) throws(IOFailure) {
        let connection = WebConnection(visitor, responder)
        let number = state.withLock { state -> Int64? in
            guard !state.isStopping, hasRoom(for: visitor.network, state) else { return nil }
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

    /// Strangers of the network take no room of those who come by the socket, nor one address of them all of the others'.
    private func hasRoom(for network: String?, _ state: State) -> Bool {
        let limits = responder.limits
        let networks = state.connections.values.compactMap(\.network)
        guard let network else {
            return state.connections.count - networks.count < limits.connections
        }
        return networks.count < limits.networkConnections
            && networks.count { $0 == network } < limits.connectionsPerAddress
    }

    private func forget(_ number: Int64) { state.change { $0.connections[number] = nil } }

    /// Takes no more connections, ends what goes on, and returns when all have gone, or after so many milliseconds.
    func stop(milliseconds: Int) {
        for door in doors { door.stop() }
        let connections = state.change { state in
            state.isStopping = true
            return Array(state.connections.values)
        }
        for connection in connections { connection.end() }
        _ = state.wait(milliseconds: milliseconds) { $0.connections.isEmpty ? true : nil }
    }
}

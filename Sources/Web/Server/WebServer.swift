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
        guard let (number, replaced) = state.withLock({ add(connection, to: &$0) }) else { return }
        replaced?.end()
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

    /// Its number, and the connection that makes room for it, if one has to; nil when there is none.
    private func add(
        _ connection: WebConnection, to state: inout State
    ) -> (Int64, WebConnection?)? {
        guard !state.isStopping else { return nil }
        let number = state.lastNumber.addingClamped(1)
        let room = WebRoom(
            limits: responder.limits, guests: state.connections.map { $1.guest($0) })
        var replaced: WebConnection?
        switch room.answer(to: connection.guest(number)) {
        case .full: return nil
        case .instead(let other): replaced = state.connections.removeValue(forKey: other)
        case .free: break
        }
        state.lastNumber = number
        state.connections[number] = connection
        return (number, replaced)
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

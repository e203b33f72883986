internal import System
package import SnapshotModel
package import VolumeAccess

/// Takes the requests of other processes for a volume that this one has open: one connection is one
/// session, with a thread of its own, so that a slow client keeps nobody else waiting.
package final class ControlServer: Sendable {
    private let openSession: @Sendable () -> any HostedSession
    private let wording: Wording
    private let listener: LocalListener
    private let patience: StopPatience
    private let state = Monitored(State(), .list)

    /// The socket's name in the store.
    package static let socketName = "control.sock"

    /// Before connections are taken again when the process has no descriptors left.
    private static let exhaustedMilliseconds = 100
    /// Between two looks at who is still there when the server stops.
    private static let lookMilliseconds = 5

    private struct State {
        var connections: [ControlConnection] = []
        var acceptThread: BackgroundThread?
        var beatThread: BackgroundThread?
        var isStopping = false
    }

    private init(
        listener: LocalListener, wording: Wording, patience: StopPatience,
        openSession: @escaping @Sendable () -> any HostedSession
    ) {
        self.wording = wording
        self.openSession = openSession
        self.listener = listener
        self.patience = patience
    }

    /// Listens in a store whose lock this process has, so that a socket found there belongs to a server
    /// that was killed: it is replaced.
    ///
    /// - Parameters:
    ///   - wording: of what clients are told.
    ///   - patience: with which ``stop()`` waits for clients.
    ///   - openSession: makes a session with the store's volume.
    package static func start(
        storePath: String, wording: Wording = .plain,
        patience: StopPatience = StopPatience(),
        openSession: @escaping @Sendable () -> any HostedSession
    ) throws(Problem) -> ControlServer {
        do throws(IOFailure) {
            let listener = try LocalListener(folder: storePath, name: socketName)
            let server = ControlServer(
                listener: listener, wording: wording, patience: patience,
                openSession: openSession)
            let thread = try BackgroundThread.startIfPossible(name: "snapmgr-control") {
                server.acceptAll()
            }
            server.state.withLock { $0.acceptThread = thread }
            do throws(IOFailure) {
                try server.startBeats()
            } catch {
                server.stop()
                throw error
            }
            return server
        } catch {
            throw Problem(error)
        }
    }

    /// Ends all sessions, undoes what they left half-done, and returns when their threads ended. A client that was
    /// greeted has the word that its requests are read: those that come at once are answered still.
    package func stop() {
        listener.stop()
        let (connections, threads) = state.change { state in
            state.isStopping = true
            defer {
                (state.connections, state.acceptThread, state.beatThread) = ([], nil, nil)
            }
            return (state.connections, [state.acceptThread, state.beatThread])
        }
        for thread in threads { thread?.join() }
        awaitGoing(connections)
        for connection in connections { connection.shutDown() }
        for connection in connections { connection.join() }
    }

    /// Gives short commands the time to come to their end.
    private func awaitGoing(_ connections: [ControlConnection]) {
        let deadline = Deadline(milliseconds: patience.busy)
        let silence = Int64(patience.silent) * 1_000_000
        while !deadline.hasPassed {
            let latest = SystemClock().monotonicNanoseconds() - silence
            guard
                connections.contains(where: { connection in
                    !connection.isLeaving && connection.silentSince.map { $0 > latest } ?? true
                })
            else { return }
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
    }

    private func startBeats() throws(IOFailure) {
        let line = (try? ControlWire.encode(.working)) ?? []
        let thread = try BackgroundThread.startIfPossible(name: "snapmgr-beat") { [self] in
            while let connections = connectionsToBeat() {
                for connection in connections { connection.beat(line) }
            }
        }
        state.withLock { $0.beatThread = thread }
    }

    /// The connections after a beat's time, or when there are some; nil when the server stops.
    private func connectionsToBeat() -> [ControlConnection]? {
        let isStopping: Bool? = state.wait(milliseconds: ControlLimits.beatMilliseconds) {
            $0.isStopping ? true : nil
        }
        guard isStopping == nil else { return nil }
        return state.wait { state -> [ControlConnection]?? in
            guard !state.isStopping else { return .some(nil) }
            let open = state.connections.filter { !$0.hasEnded }
            return open.isEmpty ? nil : open
        } ?? nil
    }

    private func acceptAll() {
        while true {
            do throws(IOFailure) {
                guard let socket = try listener.accept() else { return }
                admit(socket)
            } catch {
                BackgroundThread.sleep(milliseconds: Self.exhaustedMilliseconds)
            }
        }
    }

    private func admit(_ socket: LocalSocket) {
        joinEnded()
        do throws(Problem) {
            try checkUser(of: socket)
            try makeRoom()
            try serve(socket)
        } catch {
            socket.limitSend(milliseconds: 1)
            if let line = try? ControlWire.encode(.problem(error), wording: wording) {
                try? socket.send(line.span.bytes)
            }
        }
    }

    private func serve(_ socket: LocalSocket) throws(Problem) {
        let connection = ControlConnection(
            socket: socket, session: openSession(), wording: wording)
        try state.change { state throws(Problem) in
            guard !state.isStopping else { return }
            try connection.start()
            state.connections.append(connection)
        }
    }

    private func checkUser(of socket: LocalSocket) throws(Problem) {
        let user = try doing { () throws(IOFailure) in try socket.peerUser() }
        guard Self.isWelcome(user: user, owner: LocalSocket.ownUser) else {
            throw Problem(
                .refused, "user \(user) may not control this volume",
                hint: "run the command as user \(LocalSocket.ownUser), or as root")
        }
    }

    /// Whether a user may control a volume that `owner` serves: the same user, and root.
    package static func isWelcome(user: UInt32, owner: UInt32) -> Bool {
        user == owner || user == 0
    }

    /// When all places are taken, the client that has been silent longest and has nothing under
    /// way gives up its own.
    private func makeRoom() throws(Problem) {
        let connections = state.withLock { $0.connections }.filter { !$0.isLeaving }
        guard connections.count >= ControlLimits.connections else { return }
        let silent = connections.compactMap { connection in
            connection.silentSince.map { (connection, since: $0) }
        }
        for (connection, _) in silent.sorted(by: { $0.since < $1.since })
        where connection.leaveIfSilent() { return }
        throw Problem(
            .locked, "the volume's server is busy with \(connections.count) other commands",
            hint: "try again when they have ended")
    }

    private func joinEnded() {
        let ended = state.withLock { state in
            let ended = state.connections.filter(\.hasEnded)
            state.connections.removeAll(where: \.hasEnded)
            return ended
        }
        for connection in ended { connection.join() }
    }
}

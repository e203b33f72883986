package import SnapshotModel
internal import System

/// Lets the commands of this machine have participants prepare, freeze and thaw: one connection is one round, with a
/// thread of its own. A command that ends, or takes too long, leaves nobody frozen.
package final class ParticipantServer: Sendable {
    private let registry: ParticipantRegistry
    private let caller: any ParticipantCaller
    private let listener: LocalListener
    private let state = Monitored(State(), .list)

    /// Before connections are taken again when the process has no descriptors left.
    private static let exhaustedMilliseconds = 100

    private struct State {
        var sockets: [Int64: LocalSocket] = [:]
        var lastCookie: Int64
        var isStopping = false

        /// Cookies of one service are not those of the one before it.
        init() { lastCookie = Int64.random(in: 1..<1 << 52) }
    }

    private init(
        _ listener: LocalListener, _ registry: ParticipantRegistry, _ caller: any ParticipantCaller
    ) {
        self.listener = listener
        self.registry = registry
        self.caller = caller
    }

    /// Listens in a state folder of which this process is the only service: a socket that is found there is
    /// replaced.
    package static func start(
        folder: String, registry: ParticipantRegistry, caller: any ParticipantCaller
    ) throws(Problem) -> ParticipantServer {
        do throws(IOFailure) {
            let listener = try LocalListener(folder: folder, name: RoundWire.socketName)
            let server = ParticipantServer(listener, registry, caller)
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-rounds") { server.acceptAll() }
            return server
        } catch {
            throw Problem(error)
        }
    }

    /// Ends all rounds: who is frozen is thawed.
    package func stop() {
        listener.stop()
        let sockets = state.change { state in
            state.isStopping = true
            return Array(state.sockets.values)
        }
        for socket in sockets { socket.shutDown() }
        _ = state.wait(milliseconds: ParticipantLimits.ceilingMilliseconds) {
            $0.sockets.isEmpty ? true : nil
        }
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
        let user = try socket.peerUser()
        guard user == LocalSocket.ownUser || user == 0 else { return }
        let cookie = state.withLock { state -> Int64? in
            guard !state.isStopping, state.sockets.count < RoundWire.connections else { return nil }
            state.lastCookie = state.lastCookie.addingClamped(1)
            state.sockets[state.lastCookie] = socket
            return state.lastCookie
        }
        guard let cookie else { return }
        do throws(IOFailure) {
            _ = try BackgroundThread.startIfPossible(name: "snapmgr-round") { [self] in
                RoundConnection(socket, cookie: cookie, registry, caller).run()
                forget(cookie)
            }
        } catch {
            forget(cookie)
            throw error
        }
    }

    private func forget(_ cookie: Int64) { state.change { $0.sockets[cookie] = nil } }
}

/// One command's round. Used by one thread.
private final class RoundConnection {
    private let lines: LineConnection
    private let cookie: Int64
    private let registry: ParticipantRegistry
    private let caller: any ParticipantCaller
    private var round: ParticipantRound?
    /// When a command that says nothing has gone.
    private var idle = Deadline(milliseconds: RoundWire.greetingMilliseconds)

    private static let sendMilliseconds = 1_000

    init(
        _ socket: LocalSocket, cookie: Int64, _ registry: ParticipantRegistry,
        _ caller: any ParticipantCaller
    ) {
        lines = LineConnection(socket, limitBytes: RoundWire.requestBytes)
        self.cookie = cookie
        self.registry = registry
        self.caller = caller
    }

    func run() {
        defer { round?.abandon() }
        while true {
            do throws(LineConnection.Absence) {
                let line = try lines.next(by: round?.ceiling ?? idle)
                idle = Deadline(milliseconds: RoundWire.idleMilliseconds)
                guard answer(line) else { return }
            } catch {
                guard error == .timedOut, let round, round.ceiling != nil else { return }
                // Whatever the command still does: programs and their users have waited long enough.
                _ = round.thaw(succeeded: false)
            }
        }
    }

    /// False when nothing more can be said.
    private func answer(_ line: [UInt8]) -> Bool {
        let reply: RoundReply
        do {
            let request = try LineCodec.decode(RoundRequest.self, line)
            var answer = try perform(request)
            answer.step = request.step
            reply = answer
        } catch let problem as Problem {
            reply = RoundReply(problem: problem)
        } catch {
            reply = RoundReply(problem: Problem(.failed, "a request was not understood"))
        }
        return lines.send(reply, milliseconds: Self.sendMilliseconds) && reply.problem == nil
    }

    private func perform(_ request: RoundRequest) throws -> RoundReply {
        if let flaw = request.flaw {
            throw Problem(
                .newerVersion, "a command's request is of no use: \(flaw)",
                hint: "restart the service, so that it has the same version as the command")
        }
        guard request.step != .begin else { return begin(request) }
        guard let round else { throw Problem(.failed, "nothing was begun") }
        let outcomes = perform(request, in: round)
        return RoundReply(participants: round.participants, outcomes: outcomes)
    }

    private func begin(_ request: RoundRequest) -> RoundReply {
        round?.abandon()
        let round = ParticipantRound(
            request.kind ?? .snapshot, cookie: cookie, volumes: request.volumes ?? [],
            snapshots: request.snapshots ?? [], registry: registry, caller: caller)
        self.round = round
        return RoundReply(participants: round.participants)
    }

    private func perform(
        _ request: RoundRequest, in round: ParticipantRound
    ) -> [ParticipantOutcome] {
        switch request.step {
        case .begin: return []
        case .prepare: return round.prepare()
        case .freeze: return round.freeze()
        case .thaw: return round.thaw(succeeded: request.succeeded ?? false)
        case .reverted: return round.reverted(succeeded: request.succeeded ?? false)
        case .conclude:
            round.conclude(request.snapshots ?? [], request.consistency ?? .crash)
            return round.outcomes
        }
    }
}

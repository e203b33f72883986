internal import System
internal import SnapshotModel
internal import VolumeAccess

/// One client of a control server: reads its requests one after the other and answers each.
final class ControlConnection: Sendable {
    private let socket: LocalSocket
    private let client: SocketClient
    private let session: any HostedSession
    private let state = Monitored(State())

    private enum Activity {
        /// Waits for a request, since a moment of the monotonic clock in nanoseconds.
        case silent(since: Int64)
        case busy
        /// Was told to go, or goes by itself.
        case leaving
        case ended
    }

    private struct State {
        var activity = Activity.silent(since: SystemClock().monotonicNanoseconds())
        var thread: BackgroundThread?
    }

    init(socket: LocalSocket, session: any HostedSession, wording: Wording) {
        self.socket = socket
        client = SocketClient(socket, wording: wording)
        self.session = session
    }

    func start() throws(Problem) {
        do throws(IOFailure) {
            let thread = try BackgroundThread.startIfPossible(name: "snapmgr-session") { [self] in
                run()
            }
            state.withLock { $0.thread = thread }
        } catch {
            throw Problem(error)
        }
    }

    /// Since when the client has been silent; nil while it waits for an answer or has a change in
    /// steps under way.
    var silentSince: Int64? {
        guard case .silent(let since) = state.withLock({ $0.activity }), !session.isUnderWay else {
            return nil
        }
        return since
    }

    var isLeaving: Bool {
        switch state.withLock({ $0.activity }) {
        case .leaving, .ended: true
        case .silent, .busy: false
        }
    }

    var hasEnded: Bool {
        if case .ended = state.withLock({ $0.activity }) { true } else { false }
    }

    /// Ends the connection unless a request has come meanwhile; false then.
    func leaveIfSilent() -> Bool {
        let leaves = state.withLock { state in
            guard case .silent = state.activity else { return false }
            state.activity = .leaving
            return true
        }
        if leaves { socket.shutDown() }
        return leaves
    }

    func shutDown() { socket.shutDown() }

    /// Gives a sign of life to a client that waits for an answer and wants one.
    func beat(_ line: [UInt8]) { client.beatNow(line) }

    /// To be called once, after the connection was shut down or has ended.
    func join() {
        let thread = state.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
    }

    private func run() {
        socket.limitSend(milliseconds: ControlLimits.sendMilliseconds)
        serve()
        session.close()
        socket.shutDown()
        state.withLock { $0.activity = .ended }
    }

    private func serve() {
        // From here on, what the client sends is read.
        guard let greeting = try? ControlWire.greeting(), client.send(greeting) else { return }
        var reader = LineReader(socket, limitBytes: ControlLimits.requestBytes)
        do throws(LineReader.Failure) {
            while let line = try reader.next() {
                guard becomeBusy() else { return }
                let answer = answer(line)
                client.beat(false)
                guard client.send(answer) else { return }
                guard becomeSilent() else { return }
            }
        } catch {
            // Where a line without an end would end is not known: nothing after it can be read.
            guard case .tooLong = error else { return }
            _ = client.send(
                .problem(
                    Problem(
                        .usage,
                        "a request is longer than \(ControlLimits.requestBytes) bytes")))
        }
    }

    private func answer(_ line: [UInt8]) -> ControlMessage {
        do throws(Problem) {
            let (request, wantsBeats) = try ControlWire.decodeAsked(line)
            client.beat(wantsBeats)
            return .reply(try session.perform(request, for: client))
        } catch {
            return .problem(error)
        }
    }

    private func becomeBusy() -> Bool {
        state.withLock { state in
            guard case .silent = state.activity else { return false }
            state.activity = .busy
            return true
        }
    }

    private func becomeSilent() -> Bool {
        state.withLock { state in
            guard case .busy = state.activity else { return false }
            state.activity = .silent(since: SystemClock().monotonicNanoseconds())
            return true
        }
    }
}

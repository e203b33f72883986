internal import CSystem
internal import Glibc
internal import SnapshotModel
internal import System

/// The service's end of the process that thaws participants when the service does not: it hangs, was stopped, or is
/// gone. A process and not a thread, because what stops the service, be it a signal, a debugger or a disk that all its
/// threads wait for, must not stop this. Any thread may call.
final class BusWatchdog: Sendable {
    private let arguments: [String]
    private let state = Monitored(State(), .list)

    private struct Debt {
        var message: WatchdogMessage
        /// When it is of no use any more: programs have gone on by themselves.
        var until: Deadline
    }

    private static let keptMilliseconds = 60_000

    private struct State {
        var process: WatchedProcess?
        /// Counts the processes.
        var generation = 0
        /// What was said and not settled: the next process hears of it, too.
        var debts: [Int64: Debt] = [:]

        /// False when nobody listens.
        func send(_ message: WatchdogMessage) -> Bool { process?.send(message) ?? false }
    }

    /// - Parameter arguments: the argument vector of a program that calls ``BusWatchdogProcess/run(address:descriptor:)``
    ///   with descriptor 3; the first is its absolute path.
    init(_ arguments: [String]) { self.arguments = arguments }

    /// Has the process act in so many milliseconds unless ``settled(_:)`` comes before. Never waits for it.
    ///
    /// - Throws: `failed` when there is no such process.
    func owe(
        _ cookie: Int64, _ targets: [BusConnection.Target], milliseconds: Int
    ) throws(Problem) {
        let owed = targets.map {
            WatchdogMessage.Target(destination: $0.destination, path: $0.path)
        }
        let message = WatchdogMessage.owes(cookie, owed, milliseconds: milliseconds)
        let (isSent, generation) = state.withLock { state in
            state.debts = state.debts.filter { !$0.value.until.hasPassed }
            state.debts[cookie] = Debt(
                message: message, until: Deadline(milliseconds: Self.keptMilliseconds))
            return (state.send(message), state.generation)
        }
        guard !isSent else { return }
        // It may have been killed since the last time.
        do throws(Problem) {
            try start(after: generation)
        } catch {
            settled(cookie)
            throw error
        }
    }

    func settled(_ cookie: Int64) {
        state.withLock { state in
            state.debts[cookie] = nil
            _ = state.send(.settled(cookie))
        }
    }

    /// Starts the process that the bus's service begins with.
    func start() throws(Problem) { try start(after: state.withLock(\.generation)) }

    private func start(after generation: Int) throws(Problem) {
        let started = try WatchedProcess(arguments)
        let replaced = state.withLock { state -> WatchedProcess? in
            // Another thread may have been faster.
            guard state.generation == generation else { return started }
            defer { state.process = started }
            state.generation = state.generation.addingClamped(1)
            for debt in state.debts.values { _ = started.send(debt.message) }
            return state.process
        }
        replaced?.end()
    }

    /// Lets it go: it does what is owed, if anything, and ends.
    func stop() {
        let process = state.withLock { state in
            defer { state.process = nil }
            return state.process
        }
        process?.end()
    }
}

/// The process, and the socket to it.
private final class WatchedProcess: Sendable {
    private let channel: LocalChannel
    private let id: pid_t

    private static let endMilliseconds = 1_000
    private static let lookMilliseconds = 5

    init(_ arguments: [String]) throws(Problem) {
        var ends: [Int32] = [-1, -1]
        guard snapmgr_socket_pair(&ends) == 0 else {
            throw Self.missing(String(cString: strerror(errno)))
        }
        channel = LocalChannel(OwnedDescriptor(owning: ends[0]))
        let theirs = OwnedDescriptor(owning: ends[1])
        let pointers = arguments.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        var started: pid_t = 0
        let code = snapmgr_spawn(
            arguments.first ?? "", pointers + [nil], environ, -1, theirs.number, 1, &started)
        guard code == 0 else { throw Self.missing(String(cString: strerror(code))) }
        id = started
    }

    func send(_ message: WatchdogMessage) -> Bool {
        guard let line = try? LineCodec.encode(message) else { return false }
        return channel.sendAtOnce(line)
    }

    /// Lets it go, and waits for a moment until it has gone.
    func end() {
        channel.shutDown()
        let deadline = Deadline(milliseconds: Self.endMilliseconds)
        while snapmgr_has_ended(id) == 0, !deadline.hasPassed {
            BackgroundThread.sleep(milliseconds: Self.lookMilliseconds)
        }
        if snapmgr_has_ended(id) == 0 { kill(-id, SIGKILL) }
        var status: Int32 = 0
        waitpid(id, &status, 0)
    }

    private static func missing(_ cause: String) -> Problem {
        Problem(
            .failed,
            "nobody would thaw it if the service failed: its watchdog cannot be started: \(cause)")
    }
}

/// This end of a socket pair.
private final class LocalChannel: Sendable {
    private let descriptor: OwnedDescriptor

    init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// Sends all of it or nothing that counts; false when that would have to wait, or nobody listens.
    func sendAtOnce(_ line: [UInt8]) -> Bool {
        let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
        return Glibc.send(descriptor.number, line, line.count, flags) == line.count
    }

    func shutDown() { shutdown(descriptor.number, Int32(SHUT_RDWR)) }
}

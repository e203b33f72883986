internal import System
internal import CSystem
internal import Glibc
internal import SnapshotModel

/// The caller's end of a watchdog.
final class WatchdogClient {
    private var process: SpawnedProcess?
    private var channel: HookChannel?

    /// How long a watchdog may take beyond what its programs may, in milliseconds.
    static let marginMilliseconds = 60_000
    /// How often an interruption is looked for, in milliseconds.
    private static let pollMilliseconds = 50

    /// Starts a watchdog and waits until it answers.
    init(_ command: WatchdogCommand, windowMilliseconds: Int) throws(Problem) {
        var ends: [Int32] = [-1, -1]
        guard snapmgr_socket_pair(&ends) == 0 else { throw .noWatchdog(Errno(code: errno).text) }
        channel = HookChannel(OwnedDescriptor(owning: ends[0]))
        let theirs = OwnedDescriptor(owning: ends[1])
        do throws(Errno) {
            process = try SpawnedProcess(command.arguments, environment: nil, extra: theirs.number)
        } catch {
            throw .noWatchdog("\(command.arguments.first ?? "(none)"): \(error.text)")
        }
        // Else its end would not be seen.
        _ = consume theirs
        send(.hello(version: HookWire.version, windowMilliseconds: windowMilliseconds))
        guard case .ready(HookWire.version) = receive(Deadline(Self.marginMilliseconds)) else {
            throw .noWatchdog("it does not answer")
        }
    }

    deinit { close() }

    func send(_ request: HookRequest) { channel?.send(request) }

    /// The next reply; nil when none comes in time or ever. An interruption ends the program that
    /// runs; the replies say so.
    func receive(
        _ deadline: Deadline, isInterrupted: () -> Bool = { false }
    ) -> HookReply? {
        var hasCancelled = false
        while let channel {
            let milliseconds = min(deadline.remainingMilliseconds, Self.pollMilliseconds)
            switch channel.next(Deadline(milliseconds: milliseconds)) {
            case .line(let line): return try? LineCodec.decode(HookReply.self, line)
            case .ended, .tooLong: return nil
            case .timedOut: if deadline.hasPassed { return nil }
            }
            if !hasCancelled, isInterrupted() {
                send(.cancel)
                hasCancelled = true
            }
        }
        return nil
    }

    /// Ends a watchdog that does not answer any more, and the program that it ran: that must not go
    /// on beside what is now run in its place.
    func abandon() {
        guard let process = process.take() else { return }
        process.signalGroup(SIGKILL)
        channel = nil
        // Before it is waited for, so that its id is not another's.
        ProcessSession(leader: process.id).endMembers()
        _ = process.reap()
    }

    /// Lets the watchdog go: it acts on what it still owes, if anything.
    func close() {
        guard let process = process.take() else { return }
        channel = nil
        let deadline = Deadline(Self.marginMilliseconds)
        while !process.hasEnded, !deadline.hasPassed {
            var state = pollfd(fd: process.pollDescriptor, events: Int16(POLLIN), revents: 0)
            poll(&state, 1, Int32(Self.pollMilliseconds))
        }
        if !process.hasEnded { process.signalGroup(SIGKILL) }
        _ = process.reap()
    }
}

extension Problem {
    fileprivate static func noWatchdog(_ cause: String) -> Problem {
        Problem(
            .failed, "the watchdog of the hooks cannot be started: \(cause)",
            hint: "nothing was put at rest; look at the free memory and processes (`ulimit -u`), "
                + "then run the command again")
    }
}

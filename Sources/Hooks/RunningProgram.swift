internal import System
internal import Glibc

/// A program between its start and its end.
struct RunningProgram: ~Copyable {
    private let process: SpawnedProcess
    private let reader: OwnedDescriptor
    private var output = OutputTail()
    private var isOutputOpen = true
    private var hasEnded = false
    private var deadline: Deadline
    private var phase = Phase.running
    /// Why it was made to end.
    private var reason: ProgramResult.Ending?
    private var space = [UInt8](repeating: 0, count: 64 << 10)

    /// How often things are looked at that no descriptor tells of, in milliseconds.
    private static let pollMilliseconds = 50

    private enum Phase {
        case running
        /// The group was asked to end.
        case ending
        case killed
    }

    init(
        _ process: consuming SpawnedProcess, output: consuming OwnedDescriptor, deadline: Deadline
    ) {
        self.process = process
        reader = output
        self.deadline = deadline
    }

    /// Returns when the program has ended, or does not end even though it was killed.
    mutating func follow(_ stop: StopCheck) {
        while true {
            wait(stop)
            drain()
            if !hasEnded { hasEnded = process.hasEnded }
            if hasEnded && (phase != .ending || !isOutputOpen) { return }
            if phase == .running, stop.isStopWanted() {
                askToEnd(.stopped)
            } else if deadline.hasPassed {
                guard advance() else { return }
            }
        }
    }

    private mutating func wait(_ stop: StopCheck) {
        let watched = hasEnded ? -1 : process.pollDescriptor
        let asked = phase == .running ? stop.descriptor : -1
        var states = [
            pollfd(fd: watched, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isOutputOpen ? reader.number : -1, events: Int16(POLLIN), revents: 0),
            pollfd(fd: asked, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = min(deadline.remainingMilliseconds, Self.pollMilliseconds)
        poll(&states, nfds_t(states.count), Int32(milliseconds))
    }

    /// Reads what is there, but not for ever: another process may go on writing.
    private mutating func drain() {
        var rounds = 64
        while isOutputOpen, rounds > 0 {
            let count = read(reader.number, &space, space.count)
            if count < 0, errno == EAGAIN { return }
            if count > 0 {
                output.append(space[..<count])
            } else if count == 0 || errno != EINTR {
                isOutputOpen = false
            }
            rounds -= 1
        }
    }

    private mutating func askToEnd(_ reason: ProgramResult.Ending) {
        self.reason = reason
        phase = .ending
        deadline = Deadline(ProgramRunner.graceMilliseconds)
        process.signalGroup(SIGTERM)
        // A stopped process would only see the signal once it goes on.
        process.signalGroup(SIGCONT)
    }

    /// Takes the next step towards its end; false when there is none left.
    private mutating func advance() -> Bool {
        switch phase {
        case .running: askToEnd(.timedOut)
        case .ending:
            phase = .killed
            deadline = Deadline(ProgramRunner.killMilliseconds)
            process.signalGroup(SIGKILL)
        case .killed: return false
        }
        return true
    }

    /// How it ended. Of a program that was made to end, nothing in its process group survives.
    consuming func finish() -> ProgramResult {
        if phase == .ending { process.signalGroup(SIGKILL) }
        var result = ProgramResult(
            ending: reason ?? .unknown, milliseconds: 0, output: output.text,
            isStillRunning: !hasEnded)
        guard hasEnded else { return result }
        let ending = Self.reap(process)
        if reason == nil { result.ending = ending ?? .unknown }
        return result
    }

    private static func reap(_ process: consuming SpawnedProcess) -> ProgramResult.Ending? {
        process.reap()
    }
}

internal import System
internal import Glibc

/// The process that runs the programs around an operation and outlives its caller: it undoes what
/// they did when the caller ends or hangs.
package enum HookWatchdog {
    /// Serves one caller on a connected socket, and returns the exit status when nothing is owed
    /// any more. To be called first thing in a process of its own.
    package static func run(descriptor: Int32) -> Int32 {
        // What ends the caller must not end this one. A caller that has gone is seen as such.
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] {
            _ = Glibc.signal(signal, SIG_IGN)
        }
        return WatchdogService(HookChannel(OwnedDescriptor(owning: descriptor))).run()
    }
}

/// One caller's steps and what is owed for them.
private final class WatchdogService {
    private let channel: HookChannel
    private var owed = OwedPrograms()
    private var stepCount = 0
    private var windowMilliseconds = 0
    /// When the caller is given up; runs from the first step on.
    private var deadline: Deadline?

    init(_ channel: HookChannel) { self.channel = channel }

    func run() -> Int32 {
        guard greet() else { return 1 }
        while true {
            switch channel.next(deadline) {
            case .line(let line):
                guard let request = try? LineCodec.decode(HookRequest.self, line) else {
                    return takeOver(.badRequest)
                }
                if let status = perform(request) { return status }
            case .ended: return stepCount == 0 ? 0 : takeOver(.callerGone)
            case .timedOut: return takeOver(.windowExceeded)
            case .tooLong: return takeOver(.badRequest)
            }
        }
    }

    /// How long the first message may take, in milliseconds.
    private static let greetingMilliseconds = 60_000

    private func greet() -> Bool {
        guard
            case .line(let line) = channel.next(Deadline(Self.greetingMilliseconds)),
            case .hello(HookWire.version, let window) = try? LineCodec.decode(
                HookRequest.self, line)
        else { return false }
        windowMilliseconds = window
        channel.send(HookReply.ready(version: HookWire.version))
        return true
    }

    /// The exit status once all is done; nil while there may be more to do.
    private func perform(_ request: HookRequest) -> Int32? {
        switch request {
        case .hello: return takeOver(.badRequest)
        case .step(let step):
            run(step)
            // The caller may have asked for more already; its time was up before.
            if let deadline, deadline.hasPassed { return takeOver(.windowExceeded) }
        case .confirm: channel.send(HookReply.frozen)
        // The program had just ended by itself.
        case .cancel: break
        case .finish(let environments):
            undo(environments)
            channel.send(HookReply.undone(nil))
            channel.flush()
            return 0
        }
        return nil
    }

    private func run(_ step: HookStep) {
        let number = stepCount
        stepCount += 1
        let deadline = deadline ?? Deadline(windowMilliseconds)
        self.deadline = deadline
        // Noted before the program starts: from then on there may be something to undo.
        if let undo = step.undo { owed.note(undo, step: number) }
        guard let before = step.before else {
            channel.send(HookReply.ran(nil))
            return
        }
        let stop = StopCheck(descriptor: channel.pollDescriptor) { [channel] in
            deadline.hasPassed || channel.hasNews()
        }
        let result = ProgramRunner.run(before, stop: stop, leadsSession: false)
        if !result.hasRun { owed.drop(step: number) }
        channel.send(HookReply.ran(result))
    }

    private func undo(
        _ environments: [[String: String]] = [], common: [String: String] = [:],
        hasRun: (UndoRun) -> Void = { _ in }
    ) {
        owed.run(
            environments: environments, common: common,
            leadsSession: false,
            hasRun: { run in
                channel.send(HookReply.undid(run))
                hasRun(run)
            })
    }

    /// Acts without being asked to, and says so at the end: what standard error is may be at rest,
    /// too.
    private func takeOver(_ reason: Takeover) -> Int32 {
        var lines = ["\(reason.text); undoing what the hooks did before it"]
        let result = ["SNAPMGR_RESULT": "failed", "SNAPMGR_ERROR": reason.text]
        undo(common: result) { run in
            lines.append("hook \(run.program.hook): \(run.program.title) \(run.result.text)")
        }
        channel.send(HookReply.undone(reason))
        StandardError.write(lines.map { "snapmgr hook-watchdog: \($0)\n" }.joined())
        channel.flush()
        return 0
    }
}

/// The standard error of the watchdog, which nobody may be reading.
private enum StandardError {
    static func write(_ text: String) {
        var state = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
        guard poll(&state, 1, 1000) == 1, Int32(state.revents) & POLLOUT != 0 else { return }
        // A pipe that can be written takes this much without waiting.
        let bytes = Array(text.utf8.prefix(Int(PIPE_BUF)))
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

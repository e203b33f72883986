import Glibc
import Manager
import Monitoring
import ShellWords
import SnapshotModel
import Synchronization
import System

/// Makes SIGINT and SIGTERM end the command between two of its steps, and a second one at once.
enum Interruption {
    /// What the use cases look at.
    static let cancellation = Cancellation()

    private static let isPlugin = Atomic(false)

    /// How long a step may go on before the process ends all the same, in seconds. Ending
    /// anywhere is safe: the next command reconciles what this one has begun.
    private static let graceSeconds = Atomic(1)

    /// Has more time for the end: of a daemon, whose clients wait for what is under way.
    static func endsWithin(seconds: Int) { graceSeconds.store(seconds, ordering: .relaxed) }

    /// Whether the command is a monitoring plugin, whose exit codes are those of plugins.
    static func endsPlugin(_ isTrue: Bool) { isPlugin.store(isTrue, ordering: .relaxed) }

    private static let hangUp = Monitored<(@Sendable () -> Void)?>(nil)

    /// Has SIGHUP do this from now on; else it ends the process. It must wait for nothing: the thread that calls it is
    /// the one that hears of the signals that end the process.
    static func onHangUp(_ body: @escaping @Sendable () -> Void) {
        hangUp.change { $0 = body }
    }

    /// Blocks the signals in this thread, and so in all later ones, and waits for them in another.
    static func install() {
        signal(SIGPIPE, SIG_IGN)
        // A limit on the size of files is an error of the write, and told as one. Whoever this process
        // becomes or starts shall have it so, too: a server must not end in mid-write.
        signal(SIGXFSZ, SIG_IGN)
        var signals = blockedSignals
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                Interruption.waitForSignals()
                return nil
            }, nil)
    }

    /// Gives the signals back, for a program that this process becomes.
    static func uninstall() {
        var signals = blockedSignals
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        signal(SIGPIPE, SIG_DFL)
    }

    /// Those that ask for an end, and the one that may ask for something else.
    private static var blockedSignals: sigset_t {
        var signals = endSignals
        sigaddset(&signals, SIGHUP)
        return signals
    }

    private static var endSignals: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        return signals
    }

    /// Returns when the time is over, or at a second signal. The end of a child interrupts the kernel's wait.
    private static func waitForGrace() {
        var signals = endSignals
        let end = Deadline(milliseconds: graceSeconds.load(ordering: .relaxed) * 1000)
        while true {
            let rest = end.remainingMilliseconds
            var time = timespec(tv_sec: rest / 1000, tv_nsec: rest % 1000 * 1_000_000)
            if sigtimedwait(&signals, nil, &time) >= 0 || errno != EINTR { return }
        }
    }

    private static func answerHangUp() {
        if let body = hangUp.withLock({ $0 }) { return body() }
        // What it does without us: it ends the process, or nothing under nohup.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        raise(SIGHUP)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private static func waitForSignals() {
        var (signals, number) = (blockedSignals, Int32(0))
        repeat {
            sigwait(&signals, &number)
            if number == SIGHUP { answerHangUp() }
        } while number == SIGHUP
        cancellation.request()
        waitForGrace()
        guard !isPlugin.load(ordering: .relaxed) else {
            let output = PluginOutput(Cancellation.problem, .shell)
            Output.write(output.text)
            _exit(output.status)
        }
        Output.writeError(Cancellation.problem, json: false)
        _exit(ExitStatus.interrupted.rawValue)
    }
}
